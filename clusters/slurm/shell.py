"""PURE. One command line that every login shell reads alike, and the markers that tell answers from noise.

The login shell of a user may be sh, bash, zsh, tcsh or fish, and start-up files may print whatever they like. So a
command line consists of single-quoted words without the few characters that some shell treats specially inside single
quotes; whatever comes from outside (directories, scripts) travels on standard input and is never part of it.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clusters import bounds
from clusters.errors import Malformed

# Inside single quotes: ' ends them everywhere, \ escapes in fish, ! recalls history in csh, which takes no line breaks.
_SAFE = re.compile(r"[^'\\!\x00-\x1f\x7f]*\Z")


def quote(word: str) -> str:
    """Return `word` in single quotes, the same for every shell.

    Raises ValueError where that is impossible: such a word has to travel on standard input.
    """
    if not _SAFE.match(word):
        raise ValueError(f"{word!r} cannot be quoted for every login shell")
    return f"'{word}'"


def marker(token: uuid.UUID) -> str:
    """Return a line that no start-up file prints by chance."""
    return f"--{token.hex}--"


def script_line(script: str, arguments: Sequence[str], environment: Mapping[str, str], marker: str) -> str:
    """Return the command line that runs `script` (POSIX sh) with `arguments` as $1... in any login shell.

    What it prints begins with a `marker` line, after which everything is the script's own; its errors go nowhere. Line
    breaks in `script` count as blanks, so its statements end with `;`. `environment` is added to what the login has.
    """
    settings = [f"{name}={value}" for name, value in environment.items()]
    program = f'exec 2>/dev/null; command echo "$0"; {" ".join(script.split())}'
    argv = [*(["/usr/bin/env", *settings] if settings else []), "/bin/sh", "-c", program, marker, *arguments]
    return "exec " + " ".join(quote(word) for word in argv)


def decoded(output: bytes) -> str:
    """Return what a login printed as text, whatever bytes came: U+FFFD for what is no UTF-8, and for NUL.

    Everything from a login node becomes text here. PostgreSQL's text and jsonb take no NUL.
    """
    return output.decode("utf-8", "replace").replace("\0", "\ufffd")


@dataclass(frozen=True)
class Section:
    """What one command of a script printed, and its exit status."""

    output: bytes
    status: int

    @property
    def text(self) -> str:
        """The output as text, whatever bytes came."""
        return decoded(self.output)


def sections(answer: bytes, marker: str) -> list[Section]:
    """Split `answer` at its `marker STATUS` lines, which an agent prints after each command, the last one with `end`.

    A last piece without such a line is a command that did not end, and is left out. A command's output may lack its
    last line break; the agent prints `marker` on a line of its own all the same, by beginning with a line break, which
    is taken away here. Raises Malformed for a status that is no exit status.
    """
    parts = []
    begin = 0
    for start, status, end in _marker_lines(answer, marker):
        try:
            parts.append(Section(answer[begin:start], bounds.number(status, bounds.STATUS)))
        except ValueError as exc:
            raise Malformed(f"exit status {status[:100]!r}") from exc
        begin = end
    return parts


def without_markers(answer: bytes, marker: str) -> bytes:
    """Return what the commands of an unfinished `answer` printed, without the lines between them."""
    kept = []
    begin = 0
    for start, _status, end in _marker_lines(answer, marker):
        kept.append(answer[begin:start])
        begin = end
    return b"".join([*kept, answer[begin:]])


def _marker_lines(answer: bytes, marker: str) -> Iterator[tuple[int, bytes, int]]:
    """Find the whole lines `marker STATUS` and `marker STATUS end`.

    Yields where the line break before each is, its status, and where it ends.
    """
    begins = f"\n{marker} ".encode()
    end = 0
    while (start := answer.find(begins, end)) >= 0:
        status = start + len(begins)
        line_break = answer.find(b"\n", status)
        if line_break < 0:
            return
        end = line_break + 1
        yield start, answer[status:line_break].removesuffix(b" end"), end
