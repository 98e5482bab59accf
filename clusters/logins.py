"""Which logins are tried: fewer fail at a login node than it forgives, and all processes remember a refusal.

OpenSSH (from 9.8 on, sshd_config(5), PerSourcePenalties) holds five seconds against an address for each login that
fails, lets them run out second by second, and drops every connection from there once more than fifteen are left:
then nobody gets in. So a login whose outcome is open reserves its five seconds, and at most ten may be outstanding; an
account whose last login was accepted needs no such reservation, and one whose last login was refused is tried only
while nothing is outstanding, and later each time. The counts are rows of PostgreSQL; where that cannot be asked, logins
are tried.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from clusters.database import release_connection
from clusters.errors import Busy, Refused
from clusters.models import Login
from clusters.ssh import Endpoint

log = structlog.get_logger(__name__)

T = TypeVar("T")

PENALTY = timedelta(seconds=5)
OUTSTANDING = timedelta(seconds=10)  # of the fifteen that are forgiven; the rest is for what the service did not count
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0  # seconds in which a refused login is not tried again
_AGAIN = 0.1  # seconds between two looks for room
_LONGEST_MESSAGE = 1_000  # characters

_ADD = """
    INSERT INTO clusters_loginnode AS node (address, port, penalty_until)
    VALUES (%(address)s, %(port)s, now() + %(penalty)s)
    ON CONFLICT (address, port) DO UPDATE SET penalty_until = greatest(node.penalty_until, now()) + %(penalty)s
"""
_RESERVE = f"{_ADD} WHERE greatest(node.penalty_until, now()) - now() <= %(room)s RETURNING node.port"


def pause(refusals: int) -> float:
    """Return for how many seconds a login is not tried again that was refused `refusals` times in a row."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(refusals - 1, 16)))


@dataclass
class SharedAttempt:
    """A login that is being tried; `reserved`: it holds a reservation of the login node's patience."""

    endpoint: Endpoint
    account: str
    is_proven: bool = False
    is_suspect: bool = False
    reserved: bool = False

    def accepted(self) -> None:
        """Give the reservation back, and remember that the account is let in."""
        self.unfinished()
        if not self.is_proven:
            values = {"accepted_at": timezone.now(), "refusals": 0, "message": "", "refused_until": None}
            _shared(lambda: Login.objects.update_or_create(defaults=values, **self._key), otherwise=None)

    def broken_off(self) -> None:
        """Leave the penalty where it is; nothing is remembered of the account."""
        if not self.reserved:
            _shared(lambda: _penalise(_ADD, self.endpoint), otherwise=False)

    def refused(self, message: str) -> None:
        """Leave the penalty, and have no process try this login again for some time, longer with each refusal."""
        self.broken_off()
        _shared(lambda: self._remember(message[:_LONGEST_MESSAGE]), otherwise=None)

    def unfinished(self) -> None:
        """Give the reservation back: no login has failed."""
        if self.reserved:
            _shared(lambda: _penalise(_ADD, self.endpoint, -PENALTY), otherwise=False)

    def _remember(self, message: str) -> None:
        login, _created = Login.objects.get_or_create(**self._key)
        login.refusals += 1
        login.message = message
        login.refused_until = timezone.now() + timedelta(seconds=pause(login.refusals))
        login.save()

    @property
    def _key(self) -> dict[str, Any]:
        return {"address": self.endpoint.address, "port": self.endpoint.port, "account": self.account}


class SharedLogins:
    """What all processes of the service know of the logins that fail."""

    def attempt(self, endpoint: Endpoint, account: str, patience: float) -> SharedAttempt:
        """Return an attempt, waiting up to `patience` seconds for room among those whose outcome is open.

        Raises Refused where this login was refused lately, and Busy where there is no room.
        """
        attempt = SharedAttempt(endpoint, account)
        logins = Login.objects.filter(address=endpoint.address, port=endpoint.port, account=account)
        login = _shared(logins.first, otherwise=None)
        if login:
            attempt.is_suspect = login.refusals > 0
            attempt.is_proven = not attempt.is_suspect
            if login.refused_until and login.refused_until > timezone.now():
                raise Refused(login.message)
        if not attempt.is_proven:
            if login:
                attempt.reserved = _reserved(endpoint, room=timedelta())
                if not attempt.reserved:
                    raise Refused(login.message)
            else:
                attempt.reserved = True
                _wait_for_room(endpoint, patience)
        return attempt


def forget(endpoint: Endpoint, account: str) -> None:
    """Have the next call try the login of `account`, whatever came of the last ones: an operator has mended it."""
    Login.objects.filter(address=endpoint.address, port=endpoint.port, account=account, refusals__gt=0).delete()


def _wait_for_room(endpoint: Endpoint, patience: float) -> None:
    """Reserve room for a login whose outcome is open. Raises Busy where there is none after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not _reserved(endpoint, room=OUTSTANDING - PENALTY):
        if time.monotonic() > deadline:
            raise Busy(f"too many logins at {endpoint.address} port {endpoint.port} have failed lately; try again")
        time.sleep(_AGAIN)


def _reserved(endpoint: Endpoint, room: timedelta) -> bool:
    """Add a penalty in advance where at most `room` is outstanding, or PostgreSQL cannot be asked; return whether."""
    return _shared(lambda: _penalise(_RESERVE, endpoint, room=room), otherwise=True)


def _penalise(statement: str, endpoint: Endpoint, penalty: timedelta = PENALTY, room: timedelta = timedelta()) -> bool:
    """Add `penalty` to the login node's; return whether a row was written."""
    values: dict[str, Any] = {"address": endpoint.address, "port": endpoint.port, "penalty": penalty, "room": room}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount == 1)


def _shared(work: Callable[[], T], *, otherwise: T) -> T:
    """Return what `work` finds in the database, or `otherwise` where that cannot be asked; give the connection back."""
    try:
        return work()
    except DatabaseError as exc:
        log.warning("logins-not-counted", error=str(exc))
        return otherwise
    finally:
        release_connection()
