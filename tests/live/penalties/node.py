"""A login node as Debian 13 sets it up: OpenSSH 10 with PAM and its penalties, in a root directory of its own."""

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.test import override_settings

from clusters.ssh.endpoint import Endpoint
from sandbox.commands import run
from sandbox.layout import write
from tests.harness.daemon import Daemon
from tests.harness.sandbox_env import PATIENCE
from tests.harness.waiting import eventually
from tests.live.penalties import accounts
from tests.live.penalties.accounts import DENIED, EVERYBODY, TWO_FACTORS

_FAILED = "exited after unsuccessful auth attempt"
_LET_IN, _BEGUN, _COUNTED = "Accepted publickey", "debug1: Forked child", "child_reap: preauth child"


class Node:
    """sshd in the root directory `root`, on an address of loopback that no other node has had."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Prepare it, with its log and the service's CA key (`ca`) in `folder`. Several nodes may share one `root`."""
        accounts.make(root)
        self._inside = Path("/run") / f"node-{secrets.token_hex(4)}"  # as sshd sees it
        self._outside = root / self._inside.relative_to("/")
        self._nologin = root / "etc/nologin"
        self._address, self._port = _free_address()
        self.ca = folder / "ca"
        self._prepare(root)
        sshd = ["chroot", str(root), "/usr/sbin/sshd", "-D", "-e", "-f", str(self._inside / "sshd_config")]
        command = ["setpriv", "--pdeathsig", "TERM", *sshd]  # tests that are killed take it with them
        self._daemon = Daemon(command, folder / "sshd.log", {}, lambda: "Server listening on" in self.log)

    @property
    def endpoint(self) -> Endpoint:
        """How the service knows it."""
        key = " ".join((self._outside / "host_key.pub").read_text().split()[:2])
        return Endpoint(self._address, self._port, (key,))

    @property
    def log(self) -> str:
        """What sshd has said so far."""
        return self._daemon.log.read_text(errors="replace")

    @property
    def failed_logins(self) -> int:
        """How many logins it has refused."""
        return self._have(_FAILED)

    @property
    def penalties_in_force(self) -> list[str]:
        """Its lines about addresses that it began to turn away, and about each connection that it then dropped."""
        return [line for line in self.log.splitlines() if "activating" in line or "drop connection" in line]

    def settle(self) -> None:
        """Wait until it has counted all connections that there were: it does so some time after their end."""
        eventually(lambda: self._have(_BEGUN) <= self._have(_LET_IN) + self._have(_COUNTED), "sshd has counted all")

    def await_logins(self, number: int) -> None:
        """Wait until it has let somebody in for the `number`th time."""
        eventually(lambda: self._have(_LET_IN) >= number, f"{number} logins", seconds=PATIENCE)

    def start(self) -> None:
        """Begin to accept logins."""
        self._daemon.start()

    def stop(self) -> None:
        """End it and every session, and remove what was made for it alone."""
        self._daemon.stop(seconds=1)
        self._nologin.unlink(missing_ok=True)
        shutil.rmtree(self._outside)

    @contextmanager
    def closed(self, message: str) -> Iterator[None]:
        """Let nobody in meanwhile, and tell everybody `message` (pam_nologin(8))."""
        self._nologin.write_text(message)
        try:
            yield
        finally:
            self._nologin.unlink()

    def _have(self, event: str) -> int:
        return self.log.count(event)

    def _prepare(self, root: Path) -> None:
        (root / "run/sshd").mkdir(mode=0o755, exist_ok=True)
        principals = self._outside / "principals"
        principals.mkdir(mode=0o755, parents=True)
        for one in EVERYBODY:
            (principals / one.name).write_text(f"{one.principal or one.name}\n")
        for key in (self.ca, self._outside / "host_key"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        shutil.copy(self.ca.with_suffix(".pub"), self._outside / "ca.pub")
        # Debian's own configuration follows, and has no line about penalties. The first line of each name wins.
        debian = (root / "usr/share/openssh/sshd_config").read_text()
        write(self._outside / "sshd_config", f"{self._configuration()}{debian}{self._matches()}")

    def _configuration(self) -> str:
        return f"""ListenAddress {self._address}
Port {self._port}
HostKey {self._inside}/host_key
PidFile none
TrustedUserCAKeys {self._inside}/ca.pub
AuthorizedKeysFile none
AuthorizedPrincipalsFile {self._inside}/principals/%u
DenyUsers {DENIED.name}
# Its log then tells each login that failed, and each penalty.
LogLevel DEBUG1
"""

    def _matches(self) -> str:
        return f"\nMatch User {TWO_FACTORS.name}\n    AuthenticationMethods publickey,password\n"


@contextmanager
def running(root: Path, folder: Path) -> Iterator[Node]:
    """Start a node, and let this process log in to it. See Node."""
    node = Node(root, folder)
    try:
        node.start()
        with override_settings(SSH_CA_KEY=str(node.ca)):
            yield node
    finally:
        node.stop()


def _free_address() -> tuple[str, int]:
    """Return an address of loopback, at random, and a free port of it.

    What a service remembers of one node is then not taken for another one's.
    """
    address = ".".join(["127", *(str(1 + byte % 254) for byte in os.urandom(3))])
    with socket.create_server((address, 0)) as listener:
        return address, int(listener.getsockname()[1])
