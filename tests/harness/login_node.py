"""A login node of these tests alone: an own sshd in front of one of the sandbox's clusters."""

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.commands import run
from tests.harness.daemon import Daemon


class LoginNode:
    """sshd with the configuration of a sandbox's login node, but its own port, host key and limits."""

    def __init__(self, folder: Path, template: Path, port: int, accounts: Sequence[str]) -> None:
        """`template` is the sandbox's sshd_config; `accounts` may log in."""
        self._folder = folder
        self._template = template
        self._accounts = accounts
        self.port = port
        self.renew_host_key()
        self.configure()
        self._daemon = Daemon(
            ["/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"], folder / "sshd.log", {}, self._greets
        )

    @property
    def host_key(self) -> str:
        """The public host key, `TYPE BASE64`."""
        return " ".join((self._folder / "host_key.pub").read_text().split()[:2])

    @property
    def log(self) -> str:
        """What sshd has said so far."""
        return self._daemon.log.read_text(errors="replace")

    def renew_host_key(self) -> None:
        """Make another host key, shown from the next start on."""
        for file in self._folder.glob("host_key*"):
            file.unlink()
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._folder / "host_key"])

    def restore_host_key(self, saved: dict[str, bytes]) -> None:
        """Put back what `saved_host_key` returned."""
        for name, content in saved.items():
            (self._folder / name).write_bytes(content)

    def saved_host_key(self) -> dict[str, bytes]:
        """Return the host key's files."""
        return {file.name: file.read_bytes() for file in self._folder.glob("host_key*")}

    def configure(self, *lines: str) -> None:
        """Write sshd_config with `lines` in front, which win (sshd_config(5)), for the next start."""
        # A second line for a subsystem is an error, not overruled by the first.
        ours = {"Port", "HostKey", "AllowUsers"} | {line.split()[0] for line in lines if line.startswith("Subsystem")}
        inherited = [line for line in self._template.read_text().splitlines() if line and line.split()[0] not in ours]
        head = [f"Port {self.port}", f"HostKey {self._folder / 'host_key'}", f"AllowUsers {' '.join(self._accounts)}"]
        # The last line counts of this one, unlike of others.
        defaults = [] if any(line.startswith("MaxStartups") for line in lines) else ["MaxStartups 100:100:100"]
        (self._folder / "sshd_config").write_text("\n".join([*lines, *head, *defaults, *inherited, ""]))

    def start(self) -> None:
        """Begin to accept logins."""
        self._daemon.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze its listener meanwhile: it accepts connections and answers nothing."""
        self._daemon.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemon.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it and every session, at once."""
        self._daemon.kill()

    def restart(self, *lines: str) -> None:
        """End everything, and start with `lines` in front of the configuration."""
        self.kill()
        self.configure(*lines)
        self.start()

    def stop(self) -> None:
        """End it for good."""
        self._daemon.stop(seconds=0)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False
