"""What was found, in one line, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. A NOTE is for a person to judge; a FAIL makes the exit code 1."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """`remedy` is needed wherever the level is not OK."""

    level: Level
    name: str
    words: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:4}  {self.name}: {' '.join(self.words.split())}"
        return f"{line}\n      -> {self.remedy}" if self.remedy and self.level is not Level.OK else line


def judged(name: str, words: str, remedy: str, *, ok: bool) -> Finding:
    """Return a finding that is either fine or a failure."""
    return Finding(Level.OK if ok else Level.FAIL, name, words, remedy)
