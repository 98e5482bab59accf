"""One SSH connection to a login node as one account: the pinned host key, the short-lived certificate, its channels."""

import socket
import time
import uuid
from collections.abc import Callable

import paramiko
import structlog
from django.conf import settings

from clusters.errors import BrokenOff, Malformed, NoRoom, Refused, TimedOut, Unreachable, Unresponsive
from clusters.slurm import shell
from clusters.ssh import certificates
from clusters.ssh.endpoint import Endpoint, check_account
from clusters.ssh.stream import Stream

_KEEPALIVE = 30  # seconds; a firewall forgets idle connections
_SILENCE_MEANS_DEAD = 3.0  # seconds without a channel or a refusal; a busy sshd refuses at once
_UNACKNOWLEDGED_MS = 30_000  # milliseconds until the kernel gives up on a peer that acknowledges nothing
_UID_DIGITS = 10
_LONGEST_BANNER = 500  # characters
_LONGEST_VERSION = 255  # characters; of `id -u`, bytes
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}  # RFC 8332: the key's type names another signature


def greet(endpoint: Endpoint) -> str:
    """Connect to `endpoint`, compare its host key, and disconnect; return the server's version. Raises Unreachable.

    Such as `SSH-2.0-OpenSSH_10.0p2 Debian-7` (RFC 4253 section 4.2).
    """
    transport = _handshake(endpoint)
    try:
        _check_host_key(transport, endpoint)
        return str(transport.remote_version)[:_LONGEST_VERSION]
    finally:
        transport.close()


def shown_key(address: str, port: int, key_type: str, timeout: float) -> str:
    """Return the host key of `key_type` (as `TYPE BASE64`) that the node shows, without logging in.

    It is what the network shows, and no more: a person has to compare it. Raises Unreachable.
    """
    transport = _handshake(Endpoint(address, port, (key_type,), timeout))
    try:
        key = transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    finally:
        transport.close()


class Connection:
    """An authenticated connection; thread-safe, as paramiko's transport is."""

    def __init__(self, endpoint: Endpoint, account: str, accepted: Callable[[], None] = lambda: None) -> None:
        """Connect and log in; `accepted` is called once the login node has let the account in.

        Raises Unreachable, Unresponsive where the account's shell runs nothing, and Refused (also as BrokenOff) where
        the login node does not let `account` in or it is an account that this service never becomes.
        """
        check_account(account)
        self._opened_at = time.monotonic()
        self.account = account
        self.endpoint = endpoint
        self._transport = _handshake(endpoint)
        self._retired = False
        try:
            _check_host_key(self._transport, endpoint)
            _log_in(self._transport, account)
            accepted()
            self._check_uid()
        except BaseException:
            self._transport.close()
            raise

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._opened_at

    @property
    def alive(self) -> bool:
        """Whether the connection is there, as far as is known."""
        return self._transport.is_active()

    @property
    def usable(self) -> bool:
        """Whether it is alive and not retired."""
        return self.alive and not self._retired

    def retire(self) -> None:
        """Start nothing more on it, since it gave no answer in time. What runs on it may come to its end."""
        self._retired = True

    def open_channel(self, timeout: float) -> paramiko.Channel:
        """Return a new session channel within `timeout` seconds.

        Raises NoRoom where sshd opens none now, Unreachable where the connection is dead or has fallen silent.
        """
        began = time.monotonic()
        try:
            return self._transport.open_session(timeout=timeout)
        except (paramiko.SSHException, OSError, EOFError) as exc:
            if self.alive and time.monotonic() - began >= max(timeout, _SILENCE_MEANS_DEAD):
                self.retire()
                raise Unreachable(f"the login node has said nothing for {timeout:g} s: {exc}") from exc
            # Of two refusals at about the same time paramiko tells one thread what it was, and the other "unable".
            if self.alive:
                raise NoRoom(f"the login node opens no further channel: {exc}") from exc
            self.close()
            raise Unreachable(f"no channel: {exc}") from exc

    def close(self) -> None:
        """End the connection and every command that still runs on it."""
        self._transport.close()

    def _check_uid(self) -> None:
        timeout = self.endpoint.connect_timeout
        try:
            uid = self._uid_output(timeout).strip()
        except (TimedOut, NoRoom, Malformed) as exc:
            raise Unresponsive(f"the login of {self.account} runs no command: {exc}") from exc
        if not uid.isdigit() or len(uid) > _UID_DIGITS or not _may_be_used(int(uid)):
            raise Refused(f"{self.account} is a system account (uid {uid[:32].decode('utf-8', 'replace')!r})")

    def _uid_output(self, timeout: float) -> bytes:
        """Return the beginning of what `id -u` prints.

        Raises Interrupted where the connection was lost before the line had come: half a number is no uid.
        """
        marker = shell.marker(uuid.uuid4())
        stream = Stream(self.open_channel(timeout), marker)
        stream.start(shell.script_line("id -u", (), {}, marker), timeout)
        output, deadline = stream.begin(timeout), time.monotonic() + timeout
        while len(output) <= _LONGEST_VERSION and (piece := stream.take(deadline, timeout)) is not None:
            output += piece
        if not output.endswith(b"\n"):
            stream.exit_status(timeout)
        stream.close()
        return output


def _may_be_used(uid: int) -> bool:
    return any(low <= uid <= high for low, high in settings.ACCOUNT_UIDS)


def _handshake(endpoint: Endpoint) -> paramiko.Transport:
    try:
        sock = socket.create_connection((endpoint.address, endpoint.port), timeout=endpoint.connect_timeout)
    except (OSError, UnicodeError) as exc:  # the latter for a name that IDNA has no form for
        raise Unreachable(f"no connection to {endpoint.address} port {endpoint.port}: {exc}") from exc
    # Without it each small packet waits for a delayed acknowledgement: 40 ms and more a command.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
    transport = paramiko.Transport(sock)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = endpoint.connect_timeout
    transport.set_keepalive(_KEEPALIVE)
    try:
        transport.get_security_options().key_types = _key_types(endpoint)
        transport.start_client(timeout=endpoint.connect_timeout)
        transport.get_remote_server_key()  # raises if the time was over before the keys were exchanged
    except (paramiko.SSHException, OSError, EOFError, ValueError) as exc:
        transport.close()
        raise Unreachable(f"no SSH handshake with {endpoint.address} port {endpoint.port}: {exc}") from exc
    return transport


def _key_types(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the algorithms of the pinned keys: a server with several keys then shows one that can be compared."""
    types = dict.fromkeys(line.split()[0] for line in endpoint.host_keys)
    return tuple(name for key_type in types for name in _ALGORITHMS.get(key_type, (key_type,)))


def _check_host_key(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    key = transport.get_remote_server_key()
    shown = f"{key.get_name()} {key.get_base64()}"
    if shown not in endpoint.host_keys:
        raise Unreachable(f"{endpoint.address} port {endpoint.port} shows a host key that is not pinned: {shown}")


def _log_in(transport: paramiko.Transport, account: str) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id", "none")
    try:
        missing_methods = transport.auth_publickey(
            account, certificates.issue(account, request_id, settings.SSH_CA_KEY)
        )
    except paramiko.AuthenticationException as exc:
        # paramiko's class for a connection that was closed and for one that stalls as well.
        if "timeout" in str(exc).lower():
            raise Unreachable(f"the login of {account} got no answer: {exc}") from exc
        if transport.is_active():
            raise Refused(f"the login node does not let {account} in: {exc}") from exc
        raise _broken_off(transport, account) from exc
    except EOFError as exc:
        raise _broken_off(transport, account) from exc
    except (paramiko.SSHException, OSError) as exc:
        raise Unreachable(f"the connection was lost at the login of {account}: {exc}") from exc
    if missing_methods:
        raise Refused(f"the login node asks {account} for more than a certificate: {', '.join(missing_methods)[:200]}")


def _broken_off(transport: paramiko.Transport, account: str) -> BrokenOff:
    """Return the error for an account that PAM refuses: sshd shows PAM's message, if there is one, and closes."""
    # paramiko's get_banner answers for a connection that is open only.
    banner = getattr(transport.auth_handler, "banner", None) or b""
    reason = " ".join(banner.decode("utf-8", "replace").replace("\0", " ").split())[:_LONGEST_BANNER]
    message = f"the login node broke the login of {account} off: {reason or 'it gave no reason'}"
    return BrokenOff(message, explained=bool(reason))
