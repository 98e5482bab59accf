"""PURE. The agent that runs on login nodes: POSIX sh in the files of this folder, and how it gets there.

The login shell runs `BOOT`, in the alphabet of `clusters.slurm.shell.quote`, which reads the program line by line from
its standard input up to a line with the marker, and runs it. No process is needed for that, and no byte of what follows
is read too early.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

DIRECTORY = ".job-submitter"  # in the user's home; agent.sh says so too
LONGEST_DIRECTORY = 4095  # bytes; PATH_MAX (limits.h) without the NUL at its end

# Start-up files may have exported functions in the place of what we use, and options of the shell (SHELLOPTS), which
# bash takes from its environment as sh too.
BOOT = """
    set +aefuxC; unset -f cd command echo find grep head id mkdir printf read rm sleep timeout;
    js_all=; while IFS= read -r js_line; do
        case "$js_line" in "$0") eval "$js_all"; exit;; esac; js_all="$js_all$js_line${IFS#??}";
    done
"""

_FILES = ("agent.sh", "submit.sh", "home.sh", "recovery.sh", "jobs.sh", "cluster.sh")
_LONGEST_LINE = 4096  # bytes of a text that the shell reads itself, byte by byte: about what starting `head` costs


@cache
def program() -> str:
    """Return the program without its comments and indentation; it ends with the call that serves requests."""
    lines = (line.strip() for name in _FILES for line in (Path(__file__).parent / name).read_text("utf-8").split("\n"))
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#")) + "js_serve\n"


@dataclass(frozen=True)
class Request:
    """A request to an agent: a verb with its fields, then perhaps a line, then perhaps a text of any length.

    Fields have no blanks; neither line nor text has NUL, and the line is one.
    """

    verb: str
    fields: tuple[str | int, ...] = ()
    line: str | None = None
    text: str | None = None

    def framed(self, marker: str) -> bytes:
        """Return the bytes that the agent with this marker reads. Raises ValueError for what cannot be framed."""
        size, text = (None, b"") if self.text is None else _framed_text(self.text, marker)
        fields = [str(field) or "-" for field in (*self.fields, *([] if size is None else [size]))]
        head = " ".join([self.verb, *fields])
        line = "" if self.line is None else f"{self.line}\n"
        if len(head.split()) != len(fields) + 1 or line.count("\n") > 1 or "\0" in line:
            raise ValueError(f"{self.verb} has a field with blanks, or a line that is none")
        return f"{head}\n{line}".encode() + text


def _framed_text(text: str, marker: str) -> tuple[int, bytes]:
    """Return the field SIZE of `js_read_text`, and the bytes that it reads."""
    line = text.replace("\\", "\\\\").replace("\n", "\\n").encode()
    if len(line) <= _LONGEST_LINE:
        return 0, line + b"\n"
    return len(text.encode()) + len(marker), f"{text}{marker}".encode()
