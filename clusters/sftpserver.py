"""How SFTP begins on a channel: by sshd's subsystem, or by the server's program in a script, behind a login's noise.

sshd starts the distributions' default, `Subsystem sftp /usr/lib/openssh/sftp-server`, through the login shell: what
start-up files print then comes before SFTP's first packet. A script prints a marker first, up to which all is noise.
"""

import threading
import uuid

import paramiko

from clusters import scripts, shell
from clusters.channel import Exchange
from clusters.errors import Failed, Interrupted, Refused, TimedOut
from clusters.sftp import Client

_LIMIT = 16 * 1024  # bytes: the marker, a path, and nothing else before the client has said something


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
    exchange = Exchange(channel, limit=_LIMIT, marker=marker.encode())
    exchange.start(shell.script_line(scripts.SFTP, (), {}, marker), timeout)
    exchange.read_until(lambda output: b"\n" in (shell.after_marker(bytes(output), marker) or b""), timeout)
    found = shell.after_marker(exchange.stdout, marker)
    if found is None:
        words = shell.decoded((exchange.stdout + exchange.stderr)[:500]).strip()
        raise Refused(
            f"the account's shell ended before it ran a command, perhaps by a start-up file: with "
            f"{exchange.finish(timeout)} and the words {words!r}"
        )
    path, _, sent = found.partition(b"\n")
    if not path.startswith(b"/"):
        raise Failed("the login node has no sftp-server where OpenSSH's packages put it")
    return Client(channel, timeout, sent)
