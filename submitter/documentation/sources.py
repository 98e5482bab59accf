"""The project's own Python files as syntax trees, for what can only be learnt by reading them."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from django.conf import settings

PACKAGES = ("submitter", "jobs", "clusters", "proxyauth", "audit", "adminkit")


@lru_cache
def trees(*packages: str) -> tuple[tuple[str, ast.Module], ...]:
    """Return the name and the syntax tree of each module of `packages`, or of all, in the order of their names."""
    return tuple(named for package in packages or PACKAGES for named in _trees(Path(settings.BASE_DIR), package))


def _trees(root: Path, package: str) -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((root / package).rglob("*.py")):
        name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(file.read_text(encoding="utf-8"))


def words(node: ast.expr | None) -> str:
    """Return the text that an expression writes; "" where it is none.

    Of an f-string each value is `{name}` where it is a variable, else an ellipsis.
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(words, parts))
        case ast.FormattedValue(value=ast.Name(id=name)) if name.islower():
            return f"{{{name}}}"
        case ast.FormattedValue():
            return "…"
    return ""
