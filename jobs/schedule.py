"""When a cluster is asked again: soon while something happens, later where nothing does, ever later if it is down."""

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
_SHARE = 5.0  # a poll takes at most a fifth of the time
_PATIENCE = 12  # polls in a row that changed nothing, after which the interval grows
_GROWTH = 1.5  # from one attempt at what is down to the next: what is back is found within half of the time it was away
_LONGEST_ERROR = 2_000  # characters
_STRETCH = 4.0  # to at most so many times its length
ORDERED_FOR = timedelta(seconds=30)  # an order to poll that nobody has carried out by then is given again

# Takes the accounts that are due and have no order to poll under way, whichever beat asks first.
_ORDER = """
    INSERT INTO clusters_poll AS poll (cluster_id, account, due_at, ordered_at, error, failures, quiet)
    SELECT %(cluster)s, account, %(now)s, %(now)s, '', 0, 0 FROM unnest(%(accounts)s::text[]) AS account
    ON CONFLICT (cluster_id, account) DO UPDATE SET ordered_at = %(now)s
        WHERE (poll.due_at IS NULL OR poll.due_at <= %(now)s)
          AND (poll.ordered_at IS NULL OR poll.ordered_at <= %(expired)s)
    RETURNING account
"""


@dataclass(frozen=True)
class Outcome:
    """What came of one poll: jobs that changed, seconds, and the error, which is a failure or some lines not read.

    `answered`: the controller listed its jobs, whatever came of accounting. `unreachable`: the login node could not be
    reached, which no other account could either; what comes after a login is that account's own affair.
    """

    changed: int = 0
    took: float = 0.0
    error: str = ""
    failed: bool = False
    answered: bool = True
    unreachable: bool = False


def without_those_asked_lately(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Leave out of `clusters` those whose poll account is not due; the others' owners are told apart by `due`."""
    account = Poll.objects.filter(cluster=OuterRef("pk"), account=OuterRef("poll_account"))
    return clusters.exclude(Exists(account.filter(due_at__gt=timezone.now())))


def due(cluster: Cluster, accounts: Sequence[str]) -> list[str]:
    """Return those of `accounts` whose time has come: first those that answered last time, longest waiting first."""
    polls = Poll.objects.filter(cluster=cluster).values_list("account", "due_at", "failures")
    known = {account: (due_at, failures) for account, due_at, failures in polls}
    now = timezone.now()
    never = datetime.min.replace(tzinfo=now.tzinfo)
    waiting = []
    for account in accounts:
        due_at, failures = known.get(account, (None, 0))
        if due_at is None or due_at <= now:
            waiting.append((failures > 0, due_at or never, account))
    return [account for _failing, _due_at, account in sorted(waiting)]


def is_due(cluster: Cluster, account: str) -> bool:
    """Return whether the time of `account` has come."""
    return not Poll.objects.filter(cluster=cluster, account=account, due_at__gt=timezone.now()).exists()


def is_failing(cluster: Cluster, account: str) -> bool:
    """Return whether the last poll as `account` failed."""
    return Poll.objects.filter(cluster=cluster, account=account, failures__gt=0).exists()


def order(cluster: Cluster, accounts: Sequence[str]) -> list[str]:
    """Return those of `accounts` that are due and not ordered to be polled already; now they are."""
    ready = due(cluster, accounts)
    if not ready:
        return []
    now = timezone.now()
    values: dict[str, Any] = {"cluster": cluster.pk, "accounts": ready, "now": now, "expired": now - ORDERED_FOR}
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, values)
        taken = {account for (account,) in cursor.fetchall()}
    return [account for account in ready if account in taken]


def dismiss(cluster: Cluster, account: str) -> None:
    """Take an order back that could not be carried out: it is given again as soon as there is room."""
    Poll.objects.filter(cluster=cluster, account=account).update(ordered_at=None)


def note(cluster: Cluster, account: str, outcome: Outcome) -> None:
    """Keep what came of a poll, and when the next one is due: later each time where the controller did not answer."""
    now = timezone.now()
    last = Poll.objects.filter(cluster=cluster, account=account).first() or Poll(cluster=cluster, account=account)
    last.failures = last.failures + 1 if outcome.failed else 0
    last.quiet = 0 if outcome.changed else last.quiet + 1
    last.took = outcome.took
    last.error = outcome.error[:_LONGEST_ERROR]
    last.ordered_at = None
    wait = seconds(outcome.took, last.quiet, 0 if outcome.answered else last.failures)
    # From one beginning to the next; after a failure from its end.
    last.due_at = now + timedelta(seconds=wait - outcome.took if outcome.answered else wait)
    if outcome.failed:
        last.failed_at = now
    else:
        last.succeeded_at = now
    last.save()


def seconds(took: float, quiet: int, failures: int) -> float:
    """Return the seconds to the next poll after one of `took` seconds, the `quiet`th in a row that changed nothing.

    `failures` in a row lengthen the interval by half each, up to five minutes. A tenth of it is left to chance, so that
    clusters (and services that share one) do not fall into step.
    """
    interval = float(settings.POLL_INTERVAL)
    if failures:  # how long it took to get no answer says nothing of what an answer costs
        interval = min(_LONGEST, interval * _GROWTH ** min(failures, 16))
    else:
        interval = max(interval, _SHARE * took) * min(_STRETCH, 1 + max(0, quiet - _PATIENCE) / _PATIENCE)
    return interval * random.uniform(0.9, 1.0)  # noqa: S311 - no secret


def put_off(cluster: Cluster, accounts: Sequence[str], *, like: str) -> None:
    """Have no other of `accounts` try before `like` does, who has found the cluster down."""
    until = Poll.objects.values_list("due_at", flat=True).get(cluster=cluster, account=like)
    polls = [Poll(cluster=cluster, account=account, due_at=until) for account in accounts if account != like]
    Poll.objects.bulk_create(
        polls, update_conflicts=True, unique_fields=["cluster", "account"], update_fields=["due_at"]
    )


def wake(cluster: Cluster, account: str) -> None:
    """There is a new job: ask within one interval, also where nothing has changed for long or the cluster was down."""
    now = timezone.now()
    soon = now + timedelta(seconds=settings.POLL_INTERVAL)
    sleeping = Poll.objects.filter(cluster=cluster, account__in={account, cluster.poll_account}, due_at__gt=soon)
    takes_long = Q(failures=0, took__gte=settings.POLL_INTERVAL / _SHARE)
    sleeping.exclude(takes_long).update(due_at=soon, quiet=0)
