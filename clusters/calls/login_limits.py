"""Which logins are tried: fewer fail at a login node than it forgives, and all processes remember a refusal.

OpenSSH (from 9.8 on, sshd_config(5), PerSourcePenalties) holds five seconds against an address for each login that
fails, lets them run out second by second, and drops every new connection from there once more than fifteen are left:
then nobody gets in. It counts when a connection has ended, so each login reserves its five seconds before it begins and
gives them back once it is accepted. Accounts whose last login was accepted may fill the fifteen, accounts that were
never seen leave five of them, and an account whose last login was refused is tried only while nothing is outstanding,
later each time, by one process at a time. The counts are rows of PostgreSQL; where that cannot be asked, logins are
tried.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.utils import timezone

from clusters.calls.database import release_connection
from clusters.errors import Busy, Refused
from clusters.models import Login
from clusters.ssh.endpoint import Endpoint

log = structlog.get_logger(__name__)

T = TypeVar("T")

PENALTY = timedelta(seconds=5)
FORGIVEN = timedelta(seconds=15)
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 120.0  # seconds in which a refused login is not tried again
# What may be outstanding when another login begins, by what is known of its account.
_ROOM_IF_ACCEPTED, _ROOM_IF_UNKNOWN, _ROOM_IF_REFUSED = FORGIVEN - PENALTY, FORGIVEN - 2 * PENALTY, timedelta()
_ATTEMPT_EXPIRES = timedelta(seconds=30)  # a process that tries an account for longer is taken for dead
_ROOM_INTERVAL = 0.1  # seconds between two looks for room
_LONGEST_MESSAGE = 1_000  # characters

_ADD = """
    INSERT INTO clusters_loginnode AS node (address, port, penalty_until)
    VALUES (%(address)s, %(port)s, now() + %(penalty)s)
    ON CONFLICT (address, port) DO UPDATE SET penalty_until = greatest(node.penalty_until, now()) + %(penalty)s
"""
_RESERVE = f"{_ADD} WHERE greatest(node.penalty_until, now()) - now() <= %(room)s RETURNING node.port"
_TRY = """
    INSERT INTO clusters_login AS login (address, port, account, refusals, message, tried_until)
    VALUES (%(address)s, %(port)s, %(account)s, 0, '', now() + %(claim)s)
    ON CONFLICT (address, port, account) DO UPDATE SET tried_until = now() + %(claim)s
        WHERE login.tried_until IS NULL OR login.tried_until <= now() RETURNING login.port
"""


def pause(refusals: int) -> float:
    """Return the seconds in which a login is not tried again that was refused `refusals` times in a row."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(refusals - 1, 16)))


def forget_refusals(endpoint: Endpoint, account: str) -> None:
    """Let the next call try the login of `account`, whatever came of the last ones: an operator may have mended it."""
    _known(endpoint, account).filter(refusals__gt=0).delete()


@dataclass
class SharedAttempt:
    """A login that is being tried, and has reserved what its failure would cost."""

    endpoint: Endpoint
    account: str
    is_proven: bool
    is_suspect: bool
    was_accepted: bool = False

    def accepted(self) -> None:
        """Give the reservation back, and remember that the account is let in."""
        self.was_accepted = True
        _in_database(lambda: _penalise(self.endpoint, -PENALTY), otherwise=False)
        if not self.is_proven:
            self._remember(accepted_at=timezone.now(), refusals=0, message="", refused_until=None)

    def broken_off(self) -> None:
        """Leave the penalty where it is; nothing is remembered of the account."""
        self._remember()

    def refused(self, message: str) -> None:
        """Leave the penalty, and have no process try this login again for some time, longer with each refusal."""
        login = _in_database(_known(self.endpoint, self.account).first, otherwise=None)
        refusals = login.refusals + 1 if login else 1
        until = timezone.now() + timedelta(seconds=pause(refusals))
        self._remember(refusals=refusals, message=message[:_LONGEST_MESSAGE], refused_until=until)

    def unfinished(self) -> None:
        """Give the reservation back: no login has failed."""
        if not self.was_accepted:
            _in_database(lambda: _penalise(self.endpoint, -PENALTY), otherwise=False)
            self._remember()

    def _remember(self, **values: Any) -> None:
        """Write `values`, and let other processes try the account again."""
        key = _key(self.endpoint, self.account)
        defaults: dict[str, Any] = {**values, "tried_until": None}
        _in_database(lambda: Login.objects.update_or_create(defaults=defaults, **key), otherwise=None)


class SharedLogins:
    """What all processes of the service know of the logins that fail."""

    def attempt(self, endpoint: Endpoint, account: str, patience: float) -> SharedAttempt:
        """Return an attempt, waiting up to `patience` seconds for room among those whose outcome is open.

        Raises Refused where this login was refused lately, and Busy where there is no room.
        """
        deadline = time.monotonic() + patience
        while (attempt := _begin(endpoint, account)) is None:
            if time.monotonic() >= deadline:
                raise Busy(f"too many logins at {endpoint.address} port {endpoint.port} have failed lately; try again")
            time.sleep(_ROOM_INTERVAL)
        return attempt


def _begin(endpoint: Endpoint, account: str) -> SharedAttempt | None:
    """Return an attempt with its reservation; None where there is no room now. Raises Refused."""
    login = _in_database(_known(endpoint, account).first, otherwise=None)
    if login is None:
        return _reserved(SharedAttempt(endpoint, account, is_proven=False, is_suspect=False), _ROOM_IF_UNKNOWN)
    if login.refused_until and login.refused_until > timezone.now():
        raise Refused(login.message)
    if login.refusals:
        attempt = _reserved(SharedAttempt(endpoint, account, is_proven=False, is_suspect=True), _ROOM_IF_REFUSED)
        if attempt is None:
            raise Refused(login.message)
        return attempt
    is_proven = login.accepted_at is not None
    room = _ROOM_IF_ACCEPTED if is_proven else _ROOM_IF_UNKNOWN
    return _reserved(SharedAttempt(endpoint, account, is_proven=is_proven, is_suspect=False), room)


def _reserved(attempt: SharedAttempt, room: timedelta) -> SharedAttempt | None:
    """Return `attempt` once it has its reservation; None where more than `room` is outstanding.

    What is not known to be accepted is tried by one process at a time.
    """
    endpoint, account = attempt.endpoint, attempt.account
    if not attempt.is_proven and not _in_database(lambda: _claim_attempt(endpoint, account), otherwise=True):
        return None
    if _in_database(lambda: _penalise(endpoint, PENALTY, room), otherwise=True):
        return attempt
    if not attempt.is_proven:
        attempt.broken_off()
    return None


def _known(endpoint: Endpoint, account: str) -> QuerySet[Login]:
    return Login.objects.filter(**_key(endpoint, account))


def _key(endpoint: Endpoint, account: str) -> dict[str, Any]:
    return {"address": endpoint.address, "port": endpoint.port, "account": account}


def _claim_attempt(endpoint: Endpoint, account: str) -> bool:
    return _execute(_TRY, {**_key(endpoint, account), "claim": _ATTEMPT_EXPIRES})


def _penalise(endpoint: Endpoint, penalty: timedelta, room: timedelta | None = None) -> bool:
    """Add `penalty` to what is outstanding, if no more than `room` is; return whether it was added."""
    values: dict[str, Any] = {"address": endpoint.address, "port": endpoint.port, "penalty": penalty, "room": room}
    return _execute(_ADD if room is None else _RESERVE, values)


def _execute(statement: str, values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount == 1)


def _in_database(work: Callable[[], T], *, otherwise: T) -> T:
    """Return the result of `work`, or `otherwise` where the database cannot be asked; give the connection back."""
    try:
        return work()
    except DatabaseError as exc:
        log.warning("logins-not-counted", error=str(exc))
        return otherwise
    finally:
        release_connection()
