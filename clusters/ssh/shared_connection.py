"""The connection that all callers of an account share: opened when needed, and replaced when it is old or dead."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from clusters.errors import Busy, ClusterError
from clusters.ssh.connecting import Logins, connect
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint

_WORN = 0.75  # of its lifetime, after which a connection in use is replaced in the background

NewConnection = TypeVar("NewConnection", Connection, None)


@dataclass(frozen=True)
class Limits:
    """How long this process keeps connections. Times in seconds.

    `idle`: without a caller. `lifetime`: after which nothing more begins on one.
    """

    idle: float = 120.0
    lifetime: float = 240.0


class SharedConnection:
    """The connection of one account to one login node. Thread-safe.

    Whoever uses it has a lease. A connection that was replaced is closed with its last lease.
    """

    def __init__(self, endpoint: Endpoint, account: str, limits: Limits, logins: Logins) -> None:
        self._endpoint = endpoint
        self._account = account
        self._limits = limits
        self._logins = logins
        self._connecting = threading.Lock()  # held while somebody logs in
        self._lock = threading.Lock()  # guards what follows, and is never held while anybody is waited for
        self._connection: Connection | None = None
        self._leases: Counter[Connection] = Counter()
        self._renewed: Connection | None = None  # for which a new one was ordered

    def may_be_used(self, connection: Connection) -> bool:
        """Return whether something may begin on `connection`, this one or one that was replaced."""
        return connection.usable and connection.age <= self._limits.lifetime

    def lease(self, timeout: float) -> Connection:
        """Return a connection that may be used, to be released; one thread opens it while the others wait.

        They wait for up to `timeout` seconds. Raises as `connecting.connect`, and Busy where another thread is still
        connecting.
        """
        if connection := self._lease_present():
            return connection
        if not self._connecting.acquire(timeout=timeout):
            raise Busy("another request is still connecting")
        try:
            if connection := self._lease_present():
                return connection
            self._replace(None)
            return self._replace(connect(self._endpoint, self._account, self._logins), leases=1)
        finally:
            self._connecting.release()

    def release(self, connection: Connection) -> None:
        """End a lease."""
        with self._lock:
            self._leases[connection] -= 1
            if self._leases[connection]:
                return
            del self._leases[connection]
            was_replaced = connection is not self._connection
        if was_replaced:
            connection.close()

    def wants_renewal(self) -> bool:
        """Return, once for each connection, that it comes near the age at which it is used no more."""
        with self._lock:
            if not self._is_worn() or self._renewed is self._connection:
                return False
            self._renewed = self._connection
            return True

    def renew(self) -> bool:
        """Replace a worn connection before its end; return whether this call did so. Raises as `connecting.connect`."""
        if not self._connecting.acquire(blocking=False):
            return False  # another thread is doing it
        try:
            with self._lock:
                if not self._is_worn():
                    return False
            self._replace(connect(self._endpoint, self._account, self._logins))
        except ClusterError:
            self._renewed = None
            raise
        finally:
            self._connecting.release()
        return True

    def drop_old(self) -> None:
        """Use a connection no more that is older than its lifetime; without a lease it is closed."""
        with self._lock:
            old = self._connection
            if old is None or old.age <= self._limits.lifetime:
                return
            self._connection = None
            is_unused = not self._leases[old]
        if is_unused:
            old.close()

    def close(self) -> None:
        """Close it, and those that it has replaced, in use or not."""
        with self._lock:
            connections = {self._connection, *self._leases}
        for connection in connections:
            if connection:
                connection.close()

    def _lease_present(self) -> Connection | None:
        with self._lock:
            connection = self._connection
            if connection is None or not self.may_be_used(connection):
                return None
            self._leases[connection] += 1
            return connection

    def _replace(self, new: NewConnection, leases: int = 0) -> NewConnection:
        """Use `new` from now on, and close the one before it as soon as nobody uses that."""
        with self._lock:
            old, self._connection = self._connection, new
            if new is not None and leases:
                self._leases[new] += leases
            is_unused = old is not None and not self._leases[old]
        if old and is_unused:
            old.close()
        return new

    def _is_worn(self) -> bool:
        return self._connection is not None and self._connection.age > _WORN * self._limits.lifetime
