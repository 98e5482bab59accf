"""When a cluster is polled next: soon while something happens, later where nothing does, ever later where it is down.

Polls begin at least POLL_INTERVAL apart and at least five times as far apart as the last one took, and they call the
controller less often than its own limit allows. Accounts that are polled one by one share that fifth of the time
equally: an account whose polls are slow is polled rarely, and takes nothing from the others. However many accounts
there are, their number alone makes an interval no longer than `_LONGEST_CROWDED_INTERVAL`.
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

from clusters.models import Cluster, Poll, PollFailure

_LEAST_RETRY_INTERVAL = 5.0  # seconds from a failure to the next attempt: sites count logins, and log each failure
_LONGEST_RETRY_INTERVAL = 300.0  # seconds
_RETRY_GROWTH = 1.5  # from one attempt to the next: what is back is found within half of the time that it was away
_INTERVAL_PER_DURATION = 5.0  # so polls take at most a fifth of the time
# Calls of the controller in a second by one account. Where SLURM limits calls (rl_enable, slurm.conf(5)), it gives two
# a second back; the rest is left for what the account submits.
_CALLS_PER_SECOND = 1.5
_LONGEST_CROWDED_INTERVAL = 5.0  # seconds
_UNCHANGED_BEFORE_STRETCHING = 12  # polls in a row that changed nothing, after which the interval grows
# How many times longer the interval becomes at most while nothing changes. A running job may end at any moment. Where
# all jobs wait, the interval grows to `_INTERVAL_WHILE_WAITING` seconds, or to four times what it was.
_MOST_STRETCHED_RUNNING = 1.5
_MOST_STRETCHED_WAITING = 4.0
_INTERVAL_WHILE_WAITING = 20.0
_LATELY = timedelta(minutes=1)  # accounts that were polled since then share the time; intervals are shorter
_CLOCK_TOLERANCE = timedelta(milliseconds=10)  # an order may be carried out so much before its time
ORDER_EXPIRES_AFTER = timedelta(seconds=30)  # an order to poll that nobody has carried out by then is given again
_LONGEST_ERROR = 2_000  # characters

# Takes the accounts that are due by then and have no order to poll under way, whichever beat comes first.
_ORDER = """
    INSERT INTO clusters_poll AS poll
        (cluster_id, account, due_at, ordered_at, error, failure, failures, unchanged_polls)
    SELECT %(cluster)s, account, %(now)s, %(now)s, '', '', 0, 0 FROM unnest(%(accounts)s::text[]) AS account
    ON CONFLICT (cluster_id, account) DO UPDATE SET ordered_at = %(now)s
        WHERE (poll.due_at IS NULL OR poll.due_at <= %(by)s)
          AND (poll.ordered_at IS NULL OR poll.ordered_at <= %(expired)s)
    RETURNING account, coalesce(due_at, %(now)s)
"""

# Each poll has an interval of its own. With the ORM, every submission would read both rows before it writes them.
_SOON = 'CAST(%(now)s AS timestamptz) + make_interval(secs => greatest("interval", %(least)s))'  # which ignores NULL
_EXPEDITE = f"""
    UPDATE clusters_poll SET due_at = {_SOON}, unchanged_polls = 0
    WHERE cluster_id = %(cluster)s AND account = ANY(%(accounts)s) AND due_at > {_SOON}
"""  # noqa: S608 - made of the constant above


@dataclass(frozen=True)
class Outcome:
    """What came of one poll.

    `changed`: how many jobs. `duration`: seconds. `calls`: of the controller. `running`: the controller holds one of
    the jobs as running, whose end may come at any moment. `failure`: None where the whole answer came. `error`: why it
    did not, or which of its lines were not understood. `answered`: the controller listed its jobs, whatever came of
    accounting.
    """

    changed: int = 0
    duration: float = 0.0
    calls: int = 0
    running: bool = False
    error: str = ""
    failure: PollFailure | None = None
    answered: bool = True


def _next_tick() -> datetime:
    """Return until when accounts that become due are ordered now: an order says from when on it may be carried out."""
    return timezone.now() + timedelta(seconds=settings.DISPATCH_INTERVAL)


def due_soon(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Return `clusters` without those whose poll account is not due soon; those without one are left to `due`."""
    account = Poll.objects.filter(cluster=OuterRef("pk"), account=OuterRef("poll_account"))
    return clusters.exclude(Exists(account.filter(due_at__gt=_next_tick())))


def due(cluster: Cluster, accounts: Sequence[str], *, by: datetime | None = None) -> list[str]:
    """Return those of `accounts` that are due now, or will be at the time `by`.

    Those that answered the last time come first, and of these the one that has waited longest.
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
    """Return whether `account` is due now."""
    return not Poll.objects.filter(
        cluster=cluster, account=account, due_at__gt=timezone.now() + _CLOCK_TOLERANCE
    ).exists()


def is_failing(cluster: Cluster, account: str) -> bool:
    """Return whether the last poll as `account` failed."""
    return Poll.objects.filter(cluster=cluster, account=account, failures__gt=0).exists()


def order(cluster: Cluster, accounts: Sequence[str]) -> dict[str, datetime]:
    """Order polls: return the accounts that are due by beat's next tick, and from when on each may be polled.

    Accounts for which an order is under way already are left out.
    """
    now, by = timezone.now(), _next_tick()
    ready = due(cluster, accounts, by=by)
    if not ready:
        return {}
    values: dict[str, Any] = {
        "cluster": cluster.pk, "accounts": ready, "now": now, "by": by, "expired": now - ORDER_EXPIRES_AFTER,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, values)
        taken: dict[str, datetime] = dict(cursor.fetchall())
    return {account: taken[account] for account in ready if account in taken}


def withdraw_order(cluster: Cluster, account: str) -> None:
    """Withdraw an order that could not be carried out, or need not be: it is given again in due time."""
    Poll.objects.filter(cluster=cluster, account=account).update(ordered_at=None)


def record(cluster: Cluster, account: str, outcome: Outcome) -> None:
    """Store the outcome of a poll, and when the next one is due: ever later where the controller does not answer."""
    now = timezone.now()
    poll = Poll.objects.filter(cluster=cluster, account=account).first() or Poll(cluster=cluster, account=account)
    poll.failure = outcome.failure or ""
    poll.failures = poll.failures + 1 if outcome.failure else 0
    poll.error = outcome.error[:_LONGEST_ERROR]
    poll.unchanged_polls = 0 if outcome.changed else poll.unchanged_polls + 1
    poll.duration = outcome.duration
    poll.ordered_at = None
    if outcome.answered:
        poll.interval = interval_after(outcome, _accounts_polled_lately(cluster, account))
        # An interval is counted from the beginning of a poll, and the wait after a failure from its end.
        wait = seconds_to_next(poll.interval, poll.unchanged_polls, running=outcome.running) - outcome.duration
    else:
        wait = seconds_to_retry(poll.failures)
    poll.due_at = now + timedelta(seconds=wait)
    if outcome.failure:
        poll.failed_at = now
    else:
        poll.succeeded_at = now
    poll.save()


def _accounts_polled_lately(cluster: Cluster, account: str) -> int:
    """Return the number of accounts as which the cluster was polled lately, `account` among them."""
    if account == cluster.poll_account:
        return 1
    lately = timezone.now() - _LATELY
    others = Poll.objects.filter(cluster=cluster).exclude(account__in={account, cluster.poll_account})
    return 1 + others.filter(Q(succeeded_at__gt=lately) | Q(failed_at__gt=lately)).count()


def interval_after(outcome: Outcome, accounts: int) -> float:
    """Return the seconds between two polls while something happens; `outcome`: of the last, as one of `accounts`."""
    crowded = min(_LONGEST_CROWDED_INTERVAL, _INTERVAL_PER_DURATION * outcome.duration * accounts)
    retry = _LEAST_RETRY_INTERVAL if outcome.failure else 0.0
    own = _INTERVAL_PER_DURATION * outcome.duration
    return max(settings.POLL_INTERVAL, own, crowded, outcome.calls / _CALLS_PER_SECOND, retry)


def seconds_to_next(interval: float, unchanged_polls: int, *, running: bool) -> float:
    """Return the seconds to the next poll, after `unchanged_polls` in a row that changed nothing.

    That is `interval` while something happens. Up to a tenth of it is added by chance, so that clusters, and services
    that share one, do not fall into step. It is never taken away, since an interval also spares the cluster.
    """
    most = _MOST_STRETCHED_RUNNING if running else max(_MOST_STRETCHED_WAITING, _INTERVAL_WHILE_WAITING / interval)
    excess = max(0, unchanged_polls - _UNCHANGED_BEFORE_STRETCHING)
    stretch = min(most, 1 + excess / _UNCHANGED_BEFORE_STRETCHING)
    return interval * stretch * random.uniform(1.0, 1.1)  # noqa: S311 - no secret


def seconds_to_retry(failures: int) -> float:
    """Return the seconds to the next attempt after `failures` in a row: half as long again each time, up to 5 minutes.

    How long a failed poll took does not count: it says nothing about what an answer costs. Up to a tenth is taken off
    by chance.
    """
    interval = max(settings.POLL_INTERVAL, _LEAST_RETRY_INTERVAL)
    interval = min(_LONGEST_RETRY_INTERVAL, interval * _RETRY_GROWTH ** min(failures, 16))
    return interval * random.uniform(0.9, 1.0)  # noqa: S311 - no secret


def postpone(cluster: Cluster, accounts: Sequence[str], *, like: str) -> None:
    """Let no other of `accounts` be polled before `like`, whose poll has found the login node unreachable."""
    until = Poll.objects.values_list("due_at", flat=True).get(cluster=cluster, account=like)
    polls = [Poll(cluster=cluster, account=account, due_at=until) for account in accounts if account != like]
    Poll.objects.bulk_create(
        polls, update_conflicts=True, unique_fields=["cluster", "account"], update_fields=["due_at"]
    )


def expedite(cluster: Cluster, account: str) -> None:
    """Have a new job polled within one interval, even if nothing has changed for long or the cluster was down."""
    values: dict[str, Any] = {
        "cluster": cluster.pk, "accounts": [account, cluster.poll_account], "now": timezone.now(),
        "least": settings.POLL_INTERVAL,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_EXPEDITE, values)
