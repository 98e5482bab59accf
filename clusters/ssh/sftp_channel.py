"""How SFTP begins on a channel: by sshd's subsystem, or by the server's program in a script, behind a login's noise.

sshd starts the distributions' default, `Subsystem sftp /usr/lib/openssh/sftp-server`, through the login shell: what
start-up files print then comes before SFTP's first packet. A script prints a marker first, up to which all is noise.
"""

import threading
import time
import uuid

import paramiko

from clusters.errors import Failed, Interrupted, TimedOut
from clusters.slurm import shell
from clusters.ssh.sftp import Client
from clusters.ssh.stream import Stream

_LONGEST_PATH = 16 * 1024  # bytes

# Where OpenSSH's sftp-server is: Debian; Red Hat; SUSE, Arch and Alpine; Tumbleweed; OpenSSH's own; Gentoo.
_SERVERS = (
    "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
    "/usr/libexec/ssh/sftp-server", "/usr/libexec/sftp-server", "/usr/local/libexec/sftp-server",
    "/usr/lib64/misc/sftp-server", "/usr/lib/misc/sftp-server",
)  # fmt: skip

# Prints the path of the SFTP server and becomes it; an empty line where there is none.
_PROGRAM = f"""
    for _js_server in {" ".join(_SERVERS)}; do
        [ -x "$_js_server" ] && {{ echo "$_js_server"; exec "$_js_server"; }};
    done; echo
"""


def subsystem(channel: paramiko.Channel, timeout: float) -> Client:
    """Speak SFTP with the subsystem `sftp` on an unused `channel`; each answer has `timeout` seconds.

    Raises TimedOut, Interrupted, Malformed: also where there is no subsystem, or a start-up file prints before it.
    """
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        channel.close()

    watchdog = threading.Timer(timeout, expire)  # paramiko waits for the subsystem without limit
    watchdog.daemon = True
    watchdog.start()
    try:
        channel.invoke_subsystem("sftp")
    except (paramiko.SSHException, OSError, EOFError) as exc:
        if expired.is_set():
            raise TimedOut(f"the file transfer did not begin within {timeout:g} s") from exc
        raise Interrupted(f"the file transfer did not begin: {exc}") from exc
    finally:
        watchdog.cancel()
    return Client(channel, timeout)


def program(channel: paramiko.Channel, timeout: float) -> Client:
    """Speak SFTP with the program of OpenSSH's server, run by a script on an unused `channel`.

    Raises Failed where there is no such program, Refused where the login shell runs nothing, and as `subsystem` does;
    Malformed also for a login that prints without end.
    """
    marker = shell.marker(uuid.uuid4())
    stream = Stream(channel, marker)
    stream.start(shell.script_line(_PROGRAM, (), {}, marker), timeout)
    output, deadline = stream.begin(timeout), time.monotonic() + timeout
    while (
        b"\n" not in output and len(output) <= _LONGEST_PATH and (piece := stream.take(deadline, timeout)) is not None
    ):
        output += piece
    path, _, received = output.partition(b"\n")
    if not path.startswith(b"/"):
        raise Failed("the login node has no sftp-server where OpenSSH's packages put it")
    return Client(channel, timeout, received)
