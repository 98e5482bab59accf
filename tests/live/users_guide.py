"""The commands of docs/users-guide.md, as they stand there."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "users-guide.md"


def block(*words: str, without: str = "\0") -> str:
    """Return the one block of lines that has all of `words`, and not the word `without`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [found] = [one for one in blocks if all(word in one for word in words) and without not in one]
    return str(found)


def header_file(proxy: str) -> str:
    """Return the lines that put the proxy in the file `proxy` into the file `$header`."""
    lines = block("header=$(mktemp)").splitlines(keepends=True)
    return "".join(lines[:2]).replace("{path-to-proxy-file}", proxy)
