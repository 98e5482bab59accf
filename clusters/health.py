"""How each cluster is doing, by its row and its polls; no cluster is asked here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from clusters.models import Cluster, Poll, PollFailure

LATE_AFTER = timedelta(minutes=5)


class State(StrEnum):
    """The state of a cluster, in the words of the operators' start page, of `/readyz` and of the metrics."""

    UP = "up"
    BACKING_OFF = "backing off"
    REFUSED = "refused"
    LATE = "late"
    DISABLED = "disabled"
    NEVER_ASKED = "never asked"


@dataclass(frozen=True)
class ClusterHealth:
    """A cluster's state, and what it follows from.

    `age`: the time since `succeeded_at`. `duration` (seconds), `due_at` and `failures` are those of the poll that shows
    the state: one that fails, if there is one. `error`: what is wrong, for people; empty if nothing is.
    """

    cluster: Cluster
    state: State
    succeeded_at: datetime | None
    age: timedelta | None
    duration: float | None
    due_at: datetime | None
    failures: int
    error: str

    @property
    def is_fine(self) -> bool:
        """Whether no operator has to act."""
        return self.state in {State.UP, State.NEVER_ASKED}


def all_health(busy: set[int]) -> list[ClusterHealth]:
    """Return the health of every cluster; `busy` has the keys of those with active jobs, which must not be late."""
    clusters = Cluster.objects.prefetch_related("polls")
    return [health_of(cluster, list(cluster.polls.all()), busy=cluster.pk in busy) for cluster in clusters]


def health_of(cluster: Cluster, polls: Sequence[Poll], *, busy: bool) -> ClusterHealth:
    """Return the health of `cluster`; `busy`: it has active jobs, so its polls must not be late.

    Where each owner's account polls for itself, one that was answered lately shows that the cluster is up: an account
    whose login fails has a fault of its own.
    """
    if cluster.poll_account:
        polls = [poll for poll in polls if poll.account == cluster.poll_account]
    failing = sorted((poll for poll in polls if poll.failures), key=lambda poll: poll.failure != PollFailure.REFUSED)
    succeeded_at = max((poll.succeeded_at for poll in polls if poll.succeeded_at), default=None)
    age = timezone.now() - succeeded_at if succeeded_at else None
    shown = failing[0] if failing else max(polls, key=lambda poll: poll.succeeded_at or _NEVER, default=None)
    return ClusterHealth(
        cluster=cluster,
        state=_state(cluster, polls, failing, late=busy and age is not None and age > LATE_AFTER),
        succeeded_at=succeeded_at,
        age=age,
        duration=shown.duration if shown else None,
        due_at=shown.due_at if shown else None,
        failures=shown.failures if shown else 0,
        error=_error(failing, len(polls)),
    )


_NEVER = datetime.min.replace(tzinfo=timezone.get_default_timezone())


def _state(cluster: Cluster, polls: Sequence[Poll], failing: Sequence[Poll], *, late: bool) -> State:
    if not cluster.enabled:
        return State.DISABLED
    if failing and not _answers_some_account(polls):
        return State.REFUSED if failing[0].failure == PollFailure.REFUSED else State.BACKING_OFF
    if late:
        return State.LATE
    return State.UP if any(poll.succeeded_at for poll in polls) else State.NEVER_ASKED


def _answers_some_account(polls: Sequence[Poll]) -> bool:
    recently = timezone.now() - LATE_AFTER
    return any(poll.succeeded_at and poll.succeeded_at > recently for poll in polls if not poll.failures)


def _error(failing: Sequence[Poll], accounts: int) -> str:
    if not failing:
        return ""
    share = f" ({len(failing)} of {accounts} accounts)" if accounts > 1 else ""
    return f"as {failing[0].account}{share}: {failing[0].error}"
