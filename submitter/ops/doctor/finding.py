"""What was found, in one line, and what to do about it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

log = structlog.get_logger(__name__)


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
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:4}  {self.name}: {' '.join(self.message.split())}"
        return f"{line}\n      -> {self.remedy}" if self.remedy and self.level is not Level.OK else line


def judged(name: str, message: str, remedy: str, *, ok: bool) -> Finding:
    """Return a finding that is either fine or a failure."""
    return Finding(Level.OK if ok else Level.FAIL, name, message, remedy)


def tried(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what `look` finds. Where it fails itself, that is a finding called `name`, and the other parts go on."""
    try:
        yield from look()
    except Exception as exc:
        log.debug("doctor-stumbled", part=name, exc_info=exc)
        remedy = "this check broke off; if its message names no cause that you can mend, send it to the developers"
        yield Finding(Level.FAIL, name, f"{type(exc).__name__}: {exc}", remedy)


def declared(finding: Finding, accepted: Collection[str]) -> Finding:
    """Return `finding`, as a note where it is a failure that the installation's settings declare to be its choice.

    `accepted` has names of findings, or the ids of `check --deploy`: `audit-log-role`, `submitter.W001`.
    """
    name = finding.name.removeprefix("settings (").removesuffix(")")
    if finding.level is not Level.FAIL or name not in accepted:
        return finding
    return replace(finding, level=Level.NOTE, remedy="DOCTOR_ACCEPTS declares it to be this installation's own choice")
