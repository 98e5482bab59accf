"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """Return a page: its title, a note on where it comes from, and its parts with a blank line between them."""
    note = "<!-- `manage.py makereference` has written this page from the code: change it there. -->"
    return "\n\n".join([f"# {title}", note, *(part for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; no cell can break it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """Return `text` as code, or nothing for nothing."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """Return each of `texts` as code, with commas between them."""
    return ", ".join(map(code, texts))


def sentence(text: str) -> str:
    """Return `text` with a full stop at its end, and a capital letter at its beginning unless that is no word."""
    first, blank, rest = " ".join(text.split()).partition(" ")
    text = f"{first.capitalize() if first.islower() and first.isalpha() else first}{blank}{rest}"
    return text if not text or text[-1] in ".!?" else f"{text}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
