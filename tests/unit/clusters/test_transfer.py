"""A file transfer begins by sshd's subsystem, and where that talks of other things first, by the server's program."""

import fcntl
import os
import select
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import paramiko
import pytest

from clusters.calls.transfer import Transfer
from clusters.errors import Failed, Malformed, Refused, TimedOut
from clusters.ssh import output_files, sftp_channel
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.output_files import Named, Wanted
from clusters.ssh.session import LeasedChannel
from tests.unit.clusters.sftp_servers import PROGRAM

TIMEOUT = 20.0
ENDPOINT = Endpoint("login.example.org", 22, ())


@dataclass
class Login:
    """An account's login: what its start-up files do, and what sshd's subsystem runs through its shell."""

    start_up: str = ""
    subsystem: str = PROGRAM
    old: bool = False
    begun: list[str] = field(default_factory=list)

    @contextmanager
    def channel(self, *_args: Any, **_options: Any) -> Iterator[LeasedChannel]:
        channel = Channel(self)
        try:
            yield LeasedChannel(cast("paramiko.Channel", channel), cast("Any", self))
        finally:
            channel.close()

    def is_old(self, _connection: Any) -> bool:
        was, self.old = self.old, False
        return was

    __hash__ = object.__hash__


@dataclass
class Channel:
    """A channel of a login, with what paramiko's have for commands and for subsystems."""

    login: Login
    timeout: float = TIMEOUT
    shell: subprocess.Popen[bytes] | None = None
    closed: bool = False
    status_event: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.status_event.set()  # whoever asks for the status waits for it

    def invoke_subsystem(self, name: str) -> None:
        if not self.login.subsystem:
            raise paramiko.SSHException("Channel closed.")
        self._run(self.login.subsystem, name, subprocess.DEVNULL)

    def exec_command(self, command: str) -> None:
        self._run(command, "program", subprocess.PIPE)

    def _run(self, command: str, name: str, errors: int) -> None:
        self.login.begun.append(name)
        self.shell = subprocess.Popen(
            ["/bin/bash", "-c", f"{self.login.start_up}\n{command}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
        )  # fmt: skip

    def _stream(self, name: str) -> Any:
        return getattr(self.shell, name)

    def _ready(self, name: str, seconds: float = 0) -> bool:
        return not self.closed and bool(select.select([self._stream(name)], [], [], seconds)[0])

    @property
    def eof_received(self) -> bool:
        assert self.shell
        return self.shell.poll() is not None

    @property
    def exit_status(self) -> int:
        assert self.shell
        return self.shell.wait()

    def recv_ready(self) -> bool:
        return self._ready("stdout") and self._left("stdout")

    def _left(self, name: str) -> bool:
        """Whether more is to be read of what is ready: also an end is."""
        left = fcntl.ioctl(self._stream(name), termios.FIONREAD, bytes(4))
        return int.from_bytes(left, sys.byteorder) > 0

    def recv(self, size: int) -> bytes:
        if not self._ready("stdout", self.timeout):
            raise TimeoutError
        return os.read(self._stream("stdout").fileno(), size)

    def recv_stderr_ready(self) -> bool:
        return self._ready("stderr") and self._left("stderr")

    def recv_stderr(self, size: int) -> bytes:
        return os.read(self._stream("stderr").fileno(), size)

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        self._stream("stdin").write(data)

    def close(self) -> None:
        self.closed = True
        if self.shell:
            self.shell.kill()
            self.shell.communicate()


@contextmanager
def transfer(login: Login, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transfer]:
    monkeypatch.setattr("clusters.calls.pool.current", lambda: login)
    with Transfer(ENDPOINT, "plgalice", TIMEOUT) as began:
        yield began


def wanted(path: Path) -> Wanted:
    return Wanted(((Named(str(path)),),))


def read(login: Login, path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    with (
        transfer(login, monkeypatch) as began,
        output_files.opened(began.current(), wanted(path), began.current) as file,
    ):
        return b"".join(file.pieces)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A file of some pieces."""
    path = tmp_path / "out"
    path.write_bytes(os.urandom(200_000))
    return path


def test_a_subsystem_that_speaks_sftp_is_enough(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    assert read(login, output, monkeypatch) == output.read_bytes()
    assert login.begun == ["sftp"]


@pytest.mark.parametrize(
    "login",
    [
        Login("echo Welcome"),
        Login("echo"),
        Login("printf x"),
        Login("printf '\\0\\0\\0\\0'"),
        Login("echo Welcome; echo and more >&2"),
        Login("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"),
        Login(subsystem=""),
        Login(subsystem="/nowhere/sftp-server"),
    ],
    ids=lambda login: f"{login.start_up} {login.subsystem}",
)
def test_where_the_subsystem_speaks_no_sftp_the_program_does(
    login: Login, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(login, output, monkeypatch) == output.read_bytes()
    assert login.begun[-1] == "program"


def test_what_has_worked_is_the_first_that_is_tried_on_this_connection(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login, new = Login("echo Welcome"), Login("echo Welcome")
    for _ in range(3):
        read(login, output, monkeypatch)
    assert login.begun == ["sftp", "program", "program", "program"]
    read(new, output, monkeypatch)
    assert new.begun == ["sftp", "program"]


def test_a_download_goes_on_over_a_new_connection_in_this_way_too(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = Login("echo Welcome")
    with (
        transfer(login, monkeypatch) as began,
        output_files.opened(began.current(), wanted(output), began.current) as file,
    ):
        received = bytearray(next(file.pieces))
        login.old = True
        for piece in file.pieces:
            received += piece
            login.old = False
    assert bytes(received) == output.read_bytes()
    assert login.begun == ["sftp", "program", "program"]


def test_where_there_is_no_program_either_both_reasons_are_told(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp_channel, "_PROGRAM", sftp_channel._PROGRAM.replace("/sftp-server", "/no-such-server"))
    with pytest.raises(Failed, match=r"start-up files print.*has no sftp-server"):
        read(Login("echo Welcome"), output, monkeypatch)


def test_a_login_that_prints_without_end_is_malformed(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="without end"):
        read(Login("exec yes"), output, monkeypatch)


def test_a_login_that_runs_nothing_is_refused(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match=r"ended with 7 before it ran a command.*'closed today'"):
        read(Login("echo closed today >&2; exit 7"), output, monkeypatch)


def test_a_login_that_never_comes_to_the_server_has_its_time(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.clusters.test_transfer.TIMEOUT", 1.0)
    with pytest.raises(TimedOut):
        read(Login("echo Welcome; exec sleep 60"), output, monkeypatch)


def test_a_command_on_the_login_node_that_looks_like_sftp_is_not_believed(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = Login("case $BASH_EXECUTION_STRING in *sftp*) exec cat /dev/urandom;; esac")
    with pytest.raises(Malformed):
        read(login, output, monkeypatch)
