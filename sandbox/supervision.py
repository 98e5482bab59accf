"""Starts, watches and stops the processes, through supervisor."""

import ctypes
import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, socket
from typing import cast
from xmlrpc.client import Fault, ServerProxy, Transport

from sandbox import processes
from sandbox.commands import as_user, run
from sandbox.layout import Layout, write
from sandbox.narration import step
from sandbox.programs import Program

PATIENCE = 90
"""How long a process may take until it is ready, in seconds."""
SHUTDOWN = 60
"""How long supervisord may take to stop everything, in seconds."""
PR_SET_CHILD_SUBREAPER = 36


class NotReady(Exception):
    """A process did not come up; the message ends with what it logged."""


class _SocketConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


class _SocketTransport(Transport):
    """XML-RPC over a Unix socket, which the standard library's own transport does not know."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> HTTPConnection:  # noqa: ARG002 - the socket decides
        return _SocketConnection(self._path)


class Supervisor:
    """The process manager of one sandbox."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._socket = layout.run / "supervisor.sock"
        self._conf = layout.state / "supervisord.conf"
        self._fingerprints = layout.run / "started"
        self._remote = ServerProxy("http://supervisor", transport=_SocketTransport(str(self._socket)))

    @property
    def control_command(self) -> str:
        """The shell words that stop and start processes by name, from any directory."""
        return f"{self._layout.venv}/bin/supervisorctl -c {self._conf}"

    def is_running(self) -> bool:
        """Say whether supervisord answers."""
        try:
            self._pid()
        except (OSError, Fault):
            return False
        return True

    def configure(self, programs: Sequence[Program]) -> None:
        """Make supervisord run with these programs; those whose command changed are stopped."""
        write(self._conf, configuration(self._layout, programs), mode=0o600)
        if self.is_running():
            run([*self.control_command.split(), "update"])
        else:
            self._launch()

    def start(self, programs: Sequence[Program]) -> None:
        """Start the programs together and wait until all are ready; one that changed is restarted. Raises NotReady."""
        for program in programs:
            if self._state(program) in {"RUNNING", "STARTING"} and self._started_as(program) != program.fingerprint():
                self._remote.supervisor.stopProcess(program.name)
        begun = [program for program in programs if self._state(program) not in {"RUNNING", "STARTING"}]
        for program in begun:
            self._remote.supervisor.startProcess(program.name, False)
            (self._fingerprints / program.name).write_text(program.fingerprint())
        for program in programs:
            with step(f"{program.name} {'started' if program in begun else 'is running'}"):
                self._await(program)

    def stop(self) -> None:
        """Stop everything, the jobs and sessions that outlive their daemons included."""
        members = processes.mentioning(str(self._layout.state))
        if self.is_running():
            pid = self._pid()
            members |= processes.family(pid)
            self._remote.supervisor.shutdown()
            processes.wait([member for member in members if member.pid == pid], SHUTDOWN)
        processes.end(members)

    def _launch(self) -> None:
        """Start supervisord, detached from this terminal, and wait until it answers."""
        self._fingerprints.mkdir(parents=True, exist_ok=True)
        with (self._layout.log / "supervisord.out").open("w") as out:
            subprocess.Popen(  # noqa: S603 - words of this package
                [self._layout.venv / "bin" / "supervisord", "-n", "-c", self._conf],
                cwd="/",
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_adopt_orphans,  # noqa: PLW1509 - this program has no threads
            )
        deadline = time.monotonic() + 20
        while not self.is_running():
            if time.monotonic() > deadline:
                raise NotReady(f"supervisord does not answer:\n{tail(self._layout.log / 'supervisord.out')}")
            time.sleep(0.05)

    def _await(self, program: Program) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (self._state(program) == "RUNNING" and program.ready()):
            if time.monotonic() > deadline or self._state(program) == "FATAL":
                words = tail(self._layout.log / f"{program.name}.log")
                raise NotReady(f"{program.name} did not come up; the end of its log:\n{words}")
            time.sleep(0.1)

    def _pid(self) -> int:
        return cast("int", self._remote.supervisor.getPID())

    def _state(self, program: Program) -> str:
        answer = cast("dict[str, object]", self._remote.supervisor.getProcessInfo(program.name))
        return str(answer["statename"])

    def _started_as(self, program: Program) -> str:
        mark = self._fingerprints / program.name
        return mark.read_text() if mark.exists() else ""


def configuration(layout: Layout, programs: Sequence[Program]) -> str:
    """Return supervisord.conf for programs given in the order of their start; they stop in the reverse order.

    Nothing starts by itself: readiness, which supervisor does not know, is checked by this package.
    """
    head = f"""; Made by `make up`, and made again at the next one.
[unix_http_server]
file={layout.run}/supervisor.sock
chmod=0700

[supervisord]
user=root
logfile={layout.log}/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
pidfile={layout.run}/supervisord.pid
childlogdir={layout.log}
nodaemon=true
silent=true
strip_ansi=true

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{layout.run}/supervisor.sock
"""
    return "\n".join([head, *(_section(layout, program, rank) for rank, program in enumerate(programs, start=1))])


def _section(layout: Layout, program: Program, rank: int) -> str:
    # Told by the kernel to stop when supervisord dies: a killed supervisord leaves no orphans that hold the ports.
    # Said together with the change of the account, for that change would undo it (prctl(2), PR_SET_PDEATHSIG).
    orphaned = ["--pdeathsig", program.stop_signal]
    command = [*program.prefix, *as_user(program.user, program.command, *orphaned)]
    variables = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        **program.environment,
    }
    environment = ",".join(f'{name}="{value}"' for name, value in variables.items())
    return f"""[program:{program.name}]
command={_escape(shlex.join(command))}
environment={_escape(environment)}
directory={program.directory}
user=root
umask=022
priority={rank}
autostart=false
autorestart=true
startsecs=1
startretries=10
stopsignal={program.stop_signal}
stopwaitsecs=20
redirect_stderr=true
stdout_logfile={layout.log}/{program.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


def _escape(text: str) -> str:
    """Protect percent signs, which supervisor expands."""
    return text.replace("%", "%%")


def _adopt_orphans() -> None:
    """Let this process inherit its orphaned descendants (prctl(2)): sshd's sessions and SLURM's jobs stay its."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log file, or a word on its absence."""
    if not log.exists():
        return f"{log} does not exist"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
