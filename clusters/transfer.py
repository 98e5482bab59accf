"""A file transfer that changes to a new connection when its own has become old."""

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

from clusters import files, pool
from clusters.sftp import Client
from clusters.ssh import Connection, Endpoint


class Transfer(AbstractContextManager["Transfer"]):
    """SFTP as `account`, for as long as the login node lets it in; each answer has `timeout` seconds."""

    def __init__(self, endpoint: Endpoint, account: str, timeout: float) -> None:
        self._endpoint = endpoint
        self._account = account
        self._timeout = timeout
        self._pool = pool.current()
        self._stack = ExitStack()
        self._used: tuple[Connection, Client] | None = None

    def current(self) -> Client:
        """Return the client to read with, on a connection that is not old. Raises Unreachable, Refused, TimedOut."""
        if self._used is None or self._pool.is_old(self._used[0]):
            self._stack.close()
            lease = self._stack.enter_context(self._pool.lease(self._endpoint, self._account, timeout=self._timeout))
            self._used = lease.connection, self._stack.enter_context(files.client(lease.channel, self._timeout))
        return self._used[1]

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the channel back; a connection on which no answer came is not used again."""
        self._stack.__exit__(kind, exc, trace)
