"""A file transfer that changes to a new connection when its own has become old."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from weakref import WeakSet

import paramiko
import structlog

from clusters.calls import pool
from clusters.errors import Failed, Interrupted, Malformed
from clusters.ssh import sftp_channel
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.sftp import Client

log = structlog.get_logger(__name__)

# Connections on which sshd's subsystem does not speak SFTP, but the program does. A new one tries the subsystem again.
_by_program = WeakSet[Connection]()


class Transfer(AbstractContextManager["Transfer"]):
    """SFTP as `account`, as long as the login node lets that in. Each answer has `timeout` seconds."""

    def __init__(self, endpoint: Endpoint, account: str, timeout: float) -> None:
        self._endpoint = endpoint
        self._account = account
        self._timeout = timeout
        self._pool = pool.current()
        self._stack = ExitStack()
        self._used: tuple[Connection, Client] | None = None

    def current(self) -> Client:
        """Return the client to read with, on a connection that is not old.

        Raises Unreachable, Refused, TimedOut, Malformed, Failed.
        """
        if self._used is None or self._pool.is_old(self._used[0]):
            self._stack.close()
            self._used = self._begin()
        return self._used[1]

    def _begin(self) -> tuple[Connection, Client]:
        """Begin with sshd's subsystem, or with the program where the subsystem's first bytes are not SFTP."""
        try:
            return self._begin_with(sftp_channel.subsystem)
        except (Malformed, Interrupted) as exc:
            first = exc
        try:
            used = self._begin_with(sftp_channel.program)
        except Failed as exc:
            raise Failed(f"{first}; {exc}") from first
        if used[0] not in _by_program:
            log.info("sftp-by-program", account=self._account, address=self._endpoint.address, reason=str(first))
            _by_program.add(used[0])
        return used

    def _begin_with(self, start: Callable[[paramiko.Channel, float], Client]) -> tuple[Connection, Client]:
        with ExitStack() as stack:
            lease = stack.enter_context(self._pool.channel(self._endpoint, self._account, timeout=self._timeout))
            if lease.connection in _by_program:
                start = sftp_channel.program
            client = start(lease.channel, self._timeout)
            self._stack.push(stack.pop_all())
        return lease.connection, client

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the channel back; a connection on which no answer came is not used again."""
        self._stack.__exit__(kind, exc, trace)
