"""A new connection of an account, if the rules for logins allow one."""

from typing import Protocol

from clusters.errors import BrokenOff, Refused
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint


class Attempt(Protocol):
    """A login that is being tried. One of its methods is called with the outcome.

    `is_suspect`: the last login of the account was refused.
    """

    is_suspect: bool

    def accepted(self) -> None:
        """The login node has let the account in; `refused` may follow, if the service does not use such an account."""

    def broken_off(self) -> None:
        """The login was broken off, and is tried once more."""

    def refused(self, message: str) -> None:
        """The login was refused; `message` says why."""

    def unfinished(self) -> None:
        """The login node could not be reached, or did not answer."""


class Logins(Protocol):
    """Decides which logins are tried: login nodes penalise an address from which too many fail."""

    def attempt(self, endpoint: Endpoint, account: str, patience: float) -> Attempt:
        """Return an attempt, after at most `patience` seconds. Raises Refused or Busy where none may be made now."""


def connect(endpoint: Endpoint, account: str, logins: Logins) -> Connection:
    """Log in. A login that was broken off without a word is tried again, since a cut network looks the same.

    Raises as `Connection` and `Logins.attempt` do.
    """
    try:
        return _log_in(endpoint, account, logins, again=True)
    except BrokenOff as exc:
        if exc.explained:
            raise
    return _log_in(endpoint, account, logins)


def _log_in(endpoint: Endpoint, account: str, logins: Logins, *, again: bool = False) -> Connection:
    """Try one login and report its outcome; `again`: one that is broken off without a word is tried again."""
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
