"""A new connection of an account, where the rules of logins allow one."""

from typing import Protocol

from clusters.errors import BrokenOff, Refused
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint


class Attempt(Protocol):
    """A login that is being tried; its methods are called with what came of it.

    `is_suspect`: the last one was refused.
    """

    is_suspect: bool

    def accepted(self) -> None:
        """The account was let in; `refused` may still follow, where the service itself does not use it."""

    def broken_off(self) -> None:
        """The login was broken off, and is tried once more."""

    def refused(self, message: str) -> None:
        """It was not, and `message` says why."""

    def unfinished(self) -> None:
        """The login node could not be reached, or did not answer."""


class Logins(Protocol):
    """Decides which logins are tried: login nodes penalise an address from which too many fail."""

    def attempt(self, endpoint: Endpoint, account: str, patience: float) -> Attempt:
        """Return an attempt, after at most `patience` seconds. Raises Refused or Busy where none may be made now."""


def connect(endpoint: Endpoint, account: str, logins: Logins) -> Connection:
    """Log in; once more where the login was broken off without a word, as it also is where the network was cut.

    Raises as `Connection` and `Logins.attempt` do.
    """
    try:
        return _log_in(endpoint, account, logins, again=True)
    except BrokenOff as exc:
        if exc.explained:
            raise
    return _log_in(endpoint, account, logins)


def _log_in(endpoint: Endpoint, account: str, logins: Logins, *, again: bool = False) -> Connection:
    """Try one login and report what came of it; `again`: one that was broken off without a word is tried again."""
    attempt = logins.attempt(endpoint, account, endpoint.connect_timeout)
    try:
        return Connection(endpoint, account, attempt.accepted)
    except Refused as exc:
        if again and isinstance(exc, BrokenOff) and not (exc.explained or attempt.is_suspect):
            attempt.broken_off()
        else:
            attempt.refused(str(exc))
        raise
    except BaseException:
        attempt.unfinished()
        raise
