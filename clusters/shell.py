"""PURE. One command line that every login shell reads alike, and the markers that tell answers from noise.

The login shell of a user may be sh, bash, zsh, tcsh or fish, and start-up files may print whatever they like. So a
command line consists of single-quoted words without the few characters that some shell treats specially inside single
quotes; whatever comes from outside (directories, scripts) travels on standard input and is never part of it.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    Both of its streams begin with a `marker` line, after which everything is the script's own. Line breaks in `script`
    count as blanks, so its statements end with `;`. `environment` is added to what the login has.
    """
    settings = [f"{name}={value}" for name, value in environment.items()]
    program = f'echo "$0"; echo "$0" >&2; {" ".join(script.split())}'
    argv = [*(["/usr/bin/env", *settings] if settings else []), "/bin/sh", "-c", program, marker, *arguments]
    return "exec " + " ".join(quote(word) for word in argv)


def after_marker(stream: bytes, marker: str) -> bytes | None:
    """Return what follows the first `marker` line of `stream`; None where there is none (yet)."""
    _noise, found, answer = stream.partition(f"{marker}\n".encode())
    return answer if found else None


@dataclass(frozen=True)
class Section:
    """What one command of a script printed, and its exit status."""

    output: bytes
    status: int

    @property
    def text(self) -> str:
        """The output as text, whatever bytes came."""
        return self.output.decode("utf-8", "replace")


def sections(answer: bytes, marker: str) -> list[Section]:
    """Split `answer` at its `marker STATUS` lines, which a script prints after each of its commands.

    A last piece without such a line is a command that did not end, and is left out. A command's output may lack its
    last line break; the script prints `marker` on a line of its own all the same, by beginning with a line break, which
    is taken away here. Raises Malformed for a status that is no number.
    """
    found = []
    *pieces, _rest = re.split(rb"\n" + re.escape(marker.encode()) + rb" ([^\n]*)\n", answer)
    for output, status in zip(pieces[::2], pieces[1::2], strict=True):
        if not status.isdigit():
            raise Malformed(f"exit status {status!r}")
        found.append(Section(output, int(status)))
    return found


def without_markers(answer: bytes, marker: str) -> bytes:
    """Return what the commands of an unfinished `answer` printed, without the lines between them."""
    return re.sub(rb"\n" + re.escape(marker.encode()) + rb" [^\n]*\n", b"", answer)
