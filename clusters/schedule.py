"""When a cluster is asked again: soon while something happens, later where nothing does, ever later if it is down.

Looks come at least POLL_INTERVAL apart, at least five times as long as the last one took, and call the controller less
often than its own limit of calls allows. Accounts that are asked one by one share that fifth of the time between them,
each the same part of it: who has slow looks has rare ones, and takes nothing from the others. Their number makes an
interval no longer than `_CROWDED`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from clusters.models import Cluster, Poll

_LONGEST = 300.0  # seconds between two attempts at what is down
_FAILED = 5.0  # seconds from a failure to the next attempt, at least: sites count logins, and each failure is logged
_SHARE = 5.0  # looks take at most a fifth of the time
# Of the controller, in a second, as one account: where SLURM limits calls (rl_enable, slurm.conf(5)), it gives two a
# second back. The rest is for what the account submits.
_CALLS = 1.5
_CROWDED = 5.0  # seconds between two looks as one of many accounts: their number alone makes it no longer
_PATIENCE = 12  # polls in a row that changed nothing, after which the interval grows
_GROWTH = 1.5  # from one attempt at what is down to the next: what is back is found within half of the time it was away
_LONGEST_ERROR = 2_000  # characters
# How long the interval becomes where nothing changes. A job that runs may end at any moment; where all of them wait,
# looks become as rare as `_QUIET` seconds, or four times as rare as they were.
_STRETCH_RUNNING = 1.5
_STRETCH_WAITING = 4.0
_QUIET = 20.0
_NEIGHBOURS = timedelta(minutes=1)  # whoever was asked since then is asked now and then: intervals are shorter
_EARLY = timedelta(milliseconds=10)  # so much before its time an order may be carried out: clocks are not that exact
ORDERED_FOR = timedelta(seconds=30)  # an order to poll that nobody has carried out by then is given again

# Takes the accounts that are due by then and have no order to poll under way, whichever beat asks first.
_ORDER = """
    INSERT INTO clusters_poll AS poll (cluster_id, account, due_at, ordered_at, error, failures, quiet)
    SELECT %(cluster)s, account, %(now)s, %(now)s, '', 0, 0 FROM unnest(%(accounts)s::text[]) AS account
    ON CONFLICT (cluster_id, account) DO UPDATE SET ordered_at = %(now)s
        WHERE (poll.due_at IS NULL OR poll.due_at <= %(by)s)
          AND (poll.ordered_at IS NULL OR poll.ordered_at <= %(expired)s)
    RETURNING account, coalesce(due_at, %(now)s)
"""

# Each poll has an interval of its own. By the ORM, every submission would read both rows before it writes them.
_SOON = 'CAST(%(now)s AS timestamptz) + make_interval(secs => greatest("interval", %(least)s))'  # which ignores NULL
_WAKE = f"""
    UPDATE clusters_poll SET due_at = {_SOON}, quiet = 0
    WHERE cluster_id = %(cluster)s AND account = ANY(%(accounts)s) AND due_at > {_SOON}
"""  # noqa: S608 - made of the constant above


@dataclass(frozen=True)
class Outcome:
    """What came of one poll: jobs that changed, seconds, calls of the controller, and the error.

    That is a failure, or tells of lines that were not read. `running`: the controller holds one of the jobs as running,
    whose end may come at any moment. `answered`: the controller listed its jobs, whatever came of accounting.
    `unreachable`: the login node could not be reached, which no other account could either; what comes after a login is
    that account's own affair.
    """

    changed: int = 0
    took: float = 0.0
    calls: int = 0
    running: bool = False
    error: str = ""
    failed: bool = False
    answered: bool = True
    unreachable: bool = False


def _next_tick() -> datetime:
    """Return until when those who become due are ordered now: an order tells from when on it may be carried out."""
    return timezone.now() + timedelta(seconds=settings.TICK)


def without_those_asked_lately(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Leave out of `clusters` those whose poll account is not due soon; the others' owners are told apart by `due`."""
    account = Poll.objects.filter(cluster=OuterRef("pk"), account=OuterRef("poll_account"))
    return clusters.exclude(Exists(account.filter(due_at__gt=_next_tick())))


def due(cluster: Cluster, accounts: Sequence[str], *, by: datetime | None = None) -> list[str]:
    """Return those of `accounts` whose time has come, or will have come by a time to come.

    First those that answered last time, longest waiting first.
    """
    polls = Poll.objects.filter(cluster=cluster).values_list("account", "due_at", "failures")
    known = {account: (due_at, failures) for account, due_at, failures in polls}
    by = by or timezone.now()
    never = datetime.min.replace(tzinfo=by.tzinfo)
    waiting = []
    for account in accounts:
        due_at, failures = known.get(account, (None, 0))
        if due_at is None or due_at <= by:
            waiting.append((failures > 0, due_at or never, account))
    return [account for _failing, _due_at, account in sorted(waiting)]


def is_due(cluster: Cluster, account: str) -> bool:
    """Return whether the time of `account` has come."""
    return not Poll.objects.filter(cluster=cluster, account=account, due_at__gt=timezone.now() + _EARLY).exists()


def is_failing(cluster: Cluster, account: str) -> bool:
    """Return whether the last poll as `account` failed."""
    return Poll.objects.filter(cluster=cluster, account=account, failures__gt=0).exists()


def order(cluster: Cluster, accounts: Sequence[str]) -> dict[str, datetime]:
    """Return those of `accounts` that are due by beat's next tick, and from when on they may be polled.

    Those that were ordered to be polled already are left out; now these are, too.
    """
    now, by = timezone.now(), _next_tick()
    ready = due(cluster, accounts, by=by)
    if not ready:
        return {}
    values: dict[str, Any] = {
        "cluster": cluster.pk, "accounts": ready, "now": now, "by": by, "expired": now - ORDERED_FOR,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, values)
        taken: dict[str, datetime] = dict(cursor.fetchall())
    return {account: taken[account] for account in ready if account in taken}


def dismiss(cluster: Cluster, account: str) -> None:
    """Take an order back that could not be carried out, or need not be: it is given again when it is time."""
    Poll.objects.filter(cluster=cluster, account=account).update(ordered_at=None)


def record(cluster: Cluster, account: str, outcome: Outcome) -> None:
    """Keep what came of a poll, and when the next one is due: later each time where the controller did not answer."""
    now = timezone.now()
    last = Poll.objects.filter(cluster=cluster, account=account).first() or Poll(cluster=cluster, account=account)
    last.failures = last.failures + 1 if outcome.failed else 0
    last.quiet = 0 if outcome.changed else last.quiet + 1
    last.took = outcome.took
    last.error = outcome.error[:_LONGEST_ERROR]
    last.ordered_at = None
    if outcome.answered:
        last.interval = shortest(outcome, _asked_lately(cluster, account))
        # From one beginning to the next; after a failure from its end.
        wait = until_next(last.interval, last.quiet, running=outcome.running) - outcome.took
    else:
        wait = until_next_attempt(last.failures)
    last.due_at = now + timedelta(seconds=wait)
    if outcome.failed:
        last.failed_at = now
    else:
        last.succeeded_at = now
    last.save()


def _asked_lately(cluster: Cluster, account: str) -> int:
    """Return as how many accounts the cluster is asked, `account` among them."""
    if account == cluster.poll_account:
        return 1
    lately = timezone.now() - _NEIGHBOURS
    others = Poll.objects.filter(cluster=cluster).exclude(account__in={account, cluster.poll_account})
    return 1 + others.filter(Q(succeeded_at__gt=lately) | Q(failed_at__gt=lately)).count()


def shortest(outcome: Outcome, accounts: int) -> float:
    """Return the seconds between two looks like `outcome` as one of so many `accounts`, while something happens."""
    crowded = min(_CROWDED, _SHARE * outcome.took * accounts)
    failed = _FAILED if outcome.failed else 0.0
    return max(settings.POLL_INTERVAL, _SHARE * outcome.took, crowded, outcome.calls / _CALLS, failed)


def until_next(interval: float, quiet: int, *, running: bool) -> float:
    """Return the seconds to the next look after one that was the `quiet`th in a row to change nothing.

    Where something happens that is `interval`. A tenth of it is left to chance, so that clusters (and services that
    share one) do not fall into step: it is added, since an interval is also what spares a cluster.
    """
    most = _STRETCH_RUNNING if running else max(_STRETCH_WAITING, _QUIET / interval)
    stretch = min(most, 1 + max(0, quiet - _PATIENCE) / _PATIENCE)
    return interval * stretch * random.uniform(1.0, 1.1)  # noqa: S311 - no secret


def until_next_attempt(failures: int) -> float:
    """Return the seconds to the next attempt after so many `failures` in a row: longer by half each, to five minutes.

    How long it took to get no answer says nothing of what an answer costs. A tenth is left to chance.
    """
    interval = max(settings.POLL_INTERVAL, _FAILED)
    return min(_LONGEST, interval * _GROWTH ** min(failures, 16)) * random.uniform(0.9, 1.0)  # noqa: S311 - no secret


def postpone(cluster: Cluster, accounts: Sequence[str], *, like: str) -> None:
    """Have no other of `accounts` try before `like` does, who has found the cluster down."""
    until = Poll.objects.values_list("due_at", flat=True).get(cluster=cluster, account=like)
    polls = [Poll(cluster=cluster, account=account, due_at=until) for account in accounts if account != like]
    Poll.objects.bulk_create(
        polls, update_conflicts=True, unique_fields=["cluster", "account"], update_fields=["due_at"]
    )


def expedite(cluster: Cluster, account: str) -> None:
    """There is a new job: ask within one interval, also where nothing has changed for long or the cluster was down."""
    values: dict[str, Any] = {
        "cluster": cluster.pk, "accounts": [account, cluster.poll_account], "now": timezone.now(),
        "least": settings.POLL_INTERVAL,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_WAKE, values)
