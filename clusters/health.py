"""How each cluster is doing, told from its row and from what came of asking it: no cluster is asked here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from clusters.models import Cluster, Poll

LATE_AFTER = timedelta(minutes=5)


class State(StrEnum):
    """What a cluster is, in the words of the operators' start page."""

    UP = "up"
    BACKING_OFF = "backing off"
    REFUSED = "refused"
    LATE = "late"
    DISABLED = "disabled"
    NEVER_ASKED = "never asked"


@dataclass(frozen=True)
class ClusterHealth:
    """A cluster's state, and what it was told from."""

    cluster: Cluster
    state: State
    succeeded_at: datetime | None
    age: timedelta | None
    took: float | None
    due_at: datetime | None
    failures: int
    error: str

    @property
    def is_fine(self) -> bool:
        """Whether nobody has to look at it."""
        return self.state in {State.UP, State.NEVER_ASKED}


def all_health(busy: set[int]) -> list[ClusterHealth]:
    """Return every cluster's condition; `busy` has the keys of those with active jobs, which must not be late."""
    clusters = Cluster.objects.prefetch_related("polls")
    return [health_of(cluster, list(cluster.polls.all()), busy=cluster.pk in busy) for cluster in clusters]


def health_of(cluster: Cluster, polls: Sequence[Poll], *, busy: bool) -> ClusterHealth:
    """Return the condition of `cluster`.

    Where its owners ask for themselves, one of them who was answered lately tells that it is up: whoever's login fails
    has a fault of their own.
    """
    if cluster.poll_account:
        polls = [poll for poll in polls if poll.account == cluster.poll_account]
    failing = sorted((poll for poll in polls if poll.failures), key=lambda poll: not poll.error.startswith("Refused"))
    succeeded_at = max((poll.succeeded_at for poll in polls if poll.succeeded_at), default=None)
    age = timezone.now() - succeeded_at if succeeded_at else None
    shown = failing[0] if failing else max(polls, key=lambda poll: poll.succeeded_at or _NEVER, default=None)
    return ClusterHealth(
        cluster=cluster,
        state=_state(cluster, polls, failing, late=busy and age is not None and age > LATE_AFTER),
        succeeded_at=succeeded_at,
        age=age,
        took=shown.took if shown else None,
        due_at=shown.due_at if shown else None,
        failures=shown.failures if shown else 0,
        error=_error(failing, len(polls)),
    )


_NEVER = datetime.min.replace(tzinfo=timezone.get_default_timezone())


def _state(cluster: Cluster, polls: Sequence[Poll], failing: Sequence[Poll], *, late: bool) -> State:
    if not cluster.enabled:
        return State.DISABLED
    if failing and not _answers_others(polls):
        return State.REFUSED if failing[0].error.startswith("Refused") else State.BACKING_OFF
    if late:
        return State.LATE
    return State.UP if any(poll.succeeded_at for poll in polls) else State.NEVER_ASKED


def _answers_others(polls: Sequence[Poll]) -> bool:
    recently = timezone.now() - LATE_AFTER
    return any(poll.succeeded_at and poll.succeeded_at > recently for poll in polls if not poll.failures)


def _error(failing: Sequence[Poll], accounts: int) -> str:
    if not failing:
        return ""
    share = f" ({len(failing)} of {accounts} accounts)" if accounts > 1 else ""
    return f"as {failing[0].account}{share}: {failing[0].error}"
