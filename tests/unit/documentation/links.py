"""Links and anchors of Markdown, as GitHub reads them."""

import re
from collections.abc import Iterator
from pathlib import Path

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)[^\n]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(?P<named>\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(?P<text>.+?)[ \t]*#*$", re.MULTILINE)
_NAMED = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:")  # https:, mailto:


def faults(file: Path) -> Iterator[str]:
    """Yield what is wrong with each relative link of the page `file`: there is no such file, or no such heading."""
    for target in targets(file.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        if not there.exists():
            yield f"{target}: there is no such file"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text(encoding="utf-8")):
            yield f"{target}: there is no such heading"


def targets(markdown: str) -> list[str]:
    """Return where the links of a page lead that do not lead to another host."""
    text = _CODE.sub("", _FENCE.sub("", markdown))
    found = [link["target"] or link["named"] for link in _LINK.finditer(text)]
    return [target for target in found if not _ELSEWHERE.match(target)]


def anchors(markdown: str) -> set[str]:
    """Return the names by which parts of a page can be linked to."""
    text = _FENCE.sub("", markdown)
    names: list[str] = _NAMED.findall(text)
    for heading in _HEADING.finditer(text):
        name = _anchor(heading["text"])
        same = sum(known == name or (known.rpartition("-")[0] == name and known[-1].isdigit()) for known in names)
        names.append(f"{name}-{same}" if same else name)
    return set(names)


def _anchor(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
