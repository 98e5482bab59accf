"""What a person would do without the service: sbatch on the login node, with as little around it as possible."""

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import paramiko

from tests.bench.target import GRANT, Place

_TIMEOUT = 60  # seconds
_SUBMIT = "sbatch --parsable"  # the script comes on standard input


class NotSubmitted(Exception):
    """sbatch did not answer with a job's id."""


class NotCancelled(Exception):
    """scancel did not end well."""


@dataclass(frozen=True)
class Credentials:
    """A private key, its user certificate beside it as `KEY-cert.pub`, and the login node in a known_hosts file."""

    key: Path
    known_hosts: Path

    @classmethod
    def issue(cls, place: Place, directory: Path) -> "Credentials":
        """Make them in `directory`: the certificate is signed by the SSH CA that the login node trusts."""
        key, known_hosts = directory / "key", directory / "known_hosts"
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        signer = ["ssh-keygen", "-q", "-s", str(place.ca_key), "-I", "bench"]
        _run([*signer, "-n", place.account, "-V", "-1m:+10m", f"{key}.pub"])
        known_hosts.write_text(f"[127.0.0.1]:{place.ssh_port} {place.host_key}\n", "utf-8")
        return cls(key, known_hosts)


class WarmLogin:
    """A connection that stays open; each command is a channel on it. Thread-safe, usable as a context manager."""

    def __init__(self, place: Place, credentials: Credentials) -> None:
        sock = socket.create_connection(("127.0.0.1", place.ssh_port), timeout=_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = paramiko.Transport(sock)
        key = paramiko.Ed25519Key.from_private_key_file(str(credentials.key))
        key.load_certificate(f"{credentials.key}-cert.pub")
        self._transport.start_client(timeout=_TIMEOUT)
        self._transport.auth_publickey(place.account, key)

    def __enter__(self) -> "WarmLogin":
        """Return itself, connected and logged in."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Leave the login node."""
        self._transport.close()

    def submit(self, script: str) -> int:
        """Run sbatch; return the job's id once the command has ended. Raises NotSubmitted."""
        return _job_id(*self._command(_SUBMIT, script))

    def submit_many(self, name: str, number: int) -> list[int]:
        """Submit held jobs called `name` in a loop on the login node; return their ids. Raises NotSubmitted."""
        sbatch = f"{_SUBMIT} --hold --account={GRANT} --job-name={name} --output=/dev/null --wrap=true"
        status, answer = self._command(f"for n in $(seq {number}); do {sbatch} || exit; done", "")
        ids = [int(line) for line in answer.split() if line.isdigit()]
        if status != 0 or len(ids) != number:
            raise NotSubmitted(f"{len(ids)} of {number} sbatch: {answer[-500:]}")
        return ids

    def ask_nothing(self) -> None:
        """Wait for one round trip: sshd refuses at once what it does not know (RFC 4254, section 4)."""
        self._transport.global_request("keepalive@bench", wait=True)

    def abort(self, job_id: int) -> None:
        """Run scancel for one job. Raises NotCancelled."""
        status, answer = self._command(f"scancel {job_id}", "")
        if status != 0:
            raise NotCancelled(f"scancel ended with {status}: {answer[:500]}")

    def cancel(self, name: str) -> None:
        """Cancel every job that is called `name`."""
        self._command(f"scancel --name={name}", "")

    def _command(self, line: str, data: str) -> tuple[int, str]:
        """Run one command; return its exit status and output.

        Sooner than three round trips nobody is done where there is `data`: sshd opens a session with a window of 0, and
        gives it one when it has the command. Not to wait for the answer to `exec` was measured, and saves nothing.
        """
        channel = self._transport.open_session(timeout=_TIMEOUT)
        channel.settimeout(_TIMEOUT)
        channel.set_combine_stderr(True)
        channel.exec_command(line)
        channel.sendall(data.encode())
        channel.shutdown_write()
        answer = b"".join(iter(lambda: channel.recv(4096), b""))
        channel.status_event.wait(_TIMEOUT)
        channel.close()
        return channel.exit_status, answer.decode("utf-8", "replace")


def submit_cold(place: Place, credentials: Credentials, script: str) -> int:
    """Run sbatch by the OpenSSH client over a connection of its own; return the job's id. Raises NotSubmitted."""
    options = [
        "-F", "none", "-i", str(credentials.key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
        "-o", f"UserKnownHostsFile={credentials.known_hosts}", "-o", "StrictHostKeyChecking=yes",
    ]  # fmt: skip
    line = ["ssh", *options, "-p", str(place.ssh_port), f"{place.account}@127.0.0.1", _SUBMIT]
    done = subprocess.run(line, input=script, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    return _job_id(done.returncode, done.stdout + done.stderr)


def _job_id(status: int, answer: str) -> int:
    number = answer.strip().rpartition("\n")[2].partition(";")[0]  # a start-up file may have printed before it
    if status != 0 or not number.isdigit():
        raise NotSubmitted(f"sbatch ended with {status}: {answer[:500]}")
    return int(number)


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=_TIMEOUT)
