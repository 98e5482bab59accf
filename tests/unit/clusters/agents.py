"""Agents of `clusters.ssh.agent` on a login node of one directory: run by any shell, with a test's programs as SLURM's.

There is no SSH: a channel is the socket that sshd would give to a command, and the process on its other end.
"""

import os
import resource
import select
import shlex
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from clusters import remote
from clusters.remote import Request
from clusters.slurm.shell import Section
from clusters.ssh.agent import LIMIT, Agent, AgentSettings

if TYPE_CHECKING:
    import paramiko

KNOWN_SHELLS = ["dash", "bash", "busybox", "ksh93", "mksh", "yash", "zsh", "posh"]
"""Shells that may be a login node's /bin/sh. A test that has the sandbox's packages wants each of them installed."""


def installed(*left_out: str) -> list[str]:
    """Return the names of the shells that are here, without some."""
    return [name for name in KNOWN_SHELLS if name not in left_out and shutil.which(name)]


SHELLS = installed("posh")  # a submission alone is tried with that one
every_shell = pytest.mark.parametrize("name", SHELLS)
TOKEN = uuid.UUID("0123456789abcdef0123456789abcdef")
EVIL = "x[$(touch CANARY)]`touch CANARY`'\"; touch CANARY; $((x[$(touch CANARY)])) "
_TIMEOUT = 60.0  # seconds


class Channel:
    """What `clusters.ssh.stream` uses of paramiko's Channel, and of its transport: a command on a socket."""

    def __init__(self, program: str, environment: Mapping[str, str], file_size: int | None) -> None:
        """Have `program`, called sh, run what is to be run by /bin/sh; no file gets longer than `file_size` bytes."""
        self._program, self._environment, self._file_size = program, dict(environment), file_size
        self._socket, self._other_end = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        self.status_event = self
        self.closed = False

    def recv_stderr_ready(self) -> bool:
        """Say that there is nothing: errors come with the output, on one socket."""
        return False

    def recv_stderr(self, _size: int) -> bytes:
        """Return nothing."""
        return b""

    def exec_command(self, command: str) -> None:
        """Start it as a login shell would."""
        words = shlex.split(command)
        at = words.index("/bin/sh")
        settings = dict(word.split("=", 1) for word in words[2:at])  # after exec and env
        end = self._other_end.fileno()
        self._process = subprocess.Popen(
            ["sh", *words[at + 1 :]],  # noqa: S607 - argv[0]
            executable=self._program,
            env=self._environment | settings,
            cwd="/",
            stdin=end,
            stdout=end,
            stderr=end,
            restore_signals=self._file_size is None,  # else SIGXFSZ stays ignored
        )
        if self._file_size is not None:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (self._file_size, resource.RLIM_INFINITY))
        self._other_end.close()

    def print(self, noise: bytes) -> None:
        """Have this come before anything else."""
        self._other_end.sendall(noise)

    def settimeout(self, timeout: float) -> None:
        """Wait so many seconds."""
        self._socket.settimeout(timeout)

    def sendall(self, data: bytes) -> None:
        """Write to the command's input."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True  # as paramiko has it of a command that has ended
            raise

    def shutdown_write(self) -> None:
        """End its input."""
        self._socket.shutdown(socket.SHUT_WR)

    def recv(self, size: int) -> bytes:
        """Take of its output."""
        try:
            return self._socket.recv(size)
        except ConnectionResetError:  # it has ended without reading all of its input
            return b""

    def recv_ready(self) -> bool:
        """Return whether there is some."""
        return bool(self._next())

    @property
    def eof_received(self) -> bool:
        """Whether its output has ended."""
        return self._next() == b""

    def _next(self) -> bytes | None:
        if not select.select([self._socket], [], [], 0)[0]:
            return None
        try:
            return self._socket.recv(1, socket.MSG_PEEK)
        except ConnectionResetError:
            return b""

    def wait(self, timeout: float) -> bool:
        """Wait for its end; return whether that came."""
        assert self._process
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def exit_status(self) -> int:
        """How it has ended; below 0: by a signal."""
        assert self._process
        return self._process.wait(_TIMEOUT)

    def get_transport(self) -> "Channel":
        """Return what tells that the connection is there."""
        return self

    def open_session(self, timeout: float) -> ExitStack:
        """Open another channel, of which nothing more is wanted."""
        assert timeout
        return ExitStack()

    def close(self) -> None:
        """Close it, and wait for the command, which reads its input to the end."""
        self._socket.close()
        self._other_end.close()
        self.closed = True
        if self._process:
            self._process.wait(_TIMEOUT)


@dataclass(frozen=True)
class Asked:
    """An agent that answers, and the channel that it is on."""

    agent: Agent
    channel: Channel

    @property
    def marker(self) -> str:
        """What tells the parts of its answers from each other."""
        return self.agent.marker

    def ask(self, request: Request, limit: int = LIMIT) -> list[Section]:
        """Return the sections of its answer, which is whole."""
        reply = self.agent.ask(request, timeout=_TIMEOUT, limit=limit)
        assert (reply.ended, reply.truncated) == ("", False)
        return reply.sections

    def told(self, verb: str, *fields: str | int, line: str | None = None) -> list[tuple[str, int]]:
        """Return what its commands have printed, without blanks around it, and how they have ended."""
        return [(each.text.strip(), each.status) for each in self.ask(Request(verb, fields, line))]

    def submit(
        self, script: str, directory: str = "", *, token: uuid.UUID = TOKEN, seconds: int = 10, describe: str = ""
    ) -> list[tuple[str, int]]:
        """Submit, and return the same."""
        found = self.ask(Request("submit", (token.hex, seconds, describe), directory, script))
        return [(each.text.strip(), each.status) for each in found]

    def ends_with(self, data: bytes) -> tuple[int, bytes]:
        """Send `data` and the end of the input; return the agent's exit status, and what it prints before it ends."""
        self.channel.sendall(data)
        self.channel.shutdown_write()
        printed = b""
        while piece := self.channel.recv(64 * 1024):
            printed += piece
        return self.channel.exit_status, printed


@dataclass(frozen=True)
class LoginNode:
    """A login node in a directory: a home, SLURM's programs, what those note (`$JS_OUT`), room for temporary files."""

    root: Path

    def __post_init__(self) -> None:
        for folder in ("home", "bin", "out", "tmp"):
            (self.root / folder).mkdir()

    @property
    def path(self) -> str:
        """Where the shells and their tools are."""
        return os.environ["PATH"]

    @property
    def out(self) -> Path:
        """What SLURM's programs have noted, and find."""
        return self.root / "out"

    @property
    def traces(self) -> Path:
        """The directory of submissions in the home."""
        return self.root / "home" / remote.DIRECTORY

    def has(self, **programs: str) -> None:
        """Have SLURM's programs be these: each the lines of sh after the first."""
        for name, text in programs.items():
            path = self.root / "bin" / name
            path.write_text(f"#!/bin/sh\n{text}")
            path.chmod(0o755)

    @contextmanager
    def agent(
        self,
        name: str = SHELLS[0],
        exported: Mapping[str, str] | None = None,
        operators: Mapping[str, str] | None = None,
        file_size: int | None = None,
        noise: bytes = b"",
    ) -> Iterator[Asked]:
        """Have an agent run by the shell `name` meanwhile.

        `exported`: by start-up files, which print `noise`; `operators`: variables that an operator has set; `file_size`
        as of `Channel`.
        """
        program = shutil.which(name)
        assert program
        own = {"HOME": "home", "TMPDIR": "tmp", "JS_OUT": "out"}
        environment = {variable: str(self.root / folder) for variable, folder in own.items()}
        environment |= {"PATH": self.path, "LC_ALL": "C.UTF-8"} | dict(exported or {})
        channel = Channel(program, environment, file_size)
        channel.print(noise)
        setting = AgentSettings(str(self.root / "bin"), tuple((operators or {}).items()))
        try:
            yield Asked(Agent(cast("paramiko.Channel", channel), setting, _TIMEOUT), channel)
        finally:
            channel.close()

    @property
    def canaries(self) -> list[str]:
        """Where files are that are there only if something of a caller was evaluated."""
        folders = [
            *((folder, names) for folder, _, names in os.walk(self.root)),
            ("/", [path.name for path in Path("/").iterdir()]),
        ]
        return [folder for folder, names in folders if "CANARY" in names]

    def directory(self, length: int) -> Path:
        """Make a directory whose path has `length` bytes, and evil names."""
        path = str(self.root / "directories")
        names = (EVIL * 4)[:254]
        while length - len(path) > 300:
            path += f"/{names}"
        rest = length - len(path) - 1
        path += "/" + names[: rest // 2] + "/" + (names * 2)[: rest - rest // 2 - 1]
        assert len(path) == length
        Path(path).mkdir(parents=True, exist_ok=True)
        return Path(path)


@pytest.fixture
def node(tmp_path: Path) -> LoginNode:
    """A login node where nothing has been asked."""
    return LoginNode(tmp_path)
