"""When a cluster is asked again: soon while something happens, later where nothing does, ever later if it is down."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from clusters.models import Cluster, Poll

_LONGEST = 300.0  # seconds between two attempts at what is down
_SHARE = 5.0  # a poll takes at most a fifth of the time
_PATIENCE = 12  # polls in a row that changed nothing, after which the interval grows
_GROWTH = 1.5  # from one attempt at what is down to the next: what is back is found within half of the time it was away
_STRETCH = 4.0  # to at most so many times its length


@dataclass(frozen=True)
class Outcome:
    """What came of one poll: jobs that changed, seconds, and the error, which is a failure or some lines not read.

    `answered`: the controller told of its jobs, whatever came of accounting; `refused`: the login was.
    """

    changed: int = 0
    took: float = 0.0
    error: str = ""
    failed: bool = False
    answered: bool = True
    refused: bool = False

    @property
    def cluster_is_down(self) -> bool:
        """Whether no other account would get an answer either."""
        return not (self.answered or self.refused)


def without_those_asked_lately(clusters: QuerySet[Cluster]) -> QuerySet[Cluster]:
    """Leave out of `clusters` those whose poll account is not due; the others' owners are told apart by `due`."""
    account = Poll.objects.filter(cluster=OuterRef("pk"), account=OuterRef("poll_account"))
    return clusters.exclude(Exists(account.filter(due_at__gt=timezone.now())))


def due(cluster: Cluster, accounts: Sequence[str]) -> list[str]:
    """Return those of `accounts` whose time has come, the one that waits longest first."""
    times = dict(Poll.objects.filter(cluster=cluster).values_list("account", "due_at"))
    now = timezone.now()
    ready = [account for account in accounts if (times.get(account) or now) <= now]
    return sorted(ready, key=lambda account: times.get(account) or datetime.min.replace(tzinfo=now.tzinfo))


def note(cluster: Cluster, account: str, outcome: Outcome) -> None:
    """Keep what came of a poll, and when the next one is due: later each time where the controller did not answer."""
    now = timezone.now()
    last = Poll.objects.filter(cluster=cluster, account=account).first() or Poll(cluster=cluster, account=account)
    last.failures = last.failures + 1 if outcome.failed else 0
    last.quiet = 0 if outcome.changed else last.quiet + 1
    last.took = outcome.took
    last.error = outcome.error
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
