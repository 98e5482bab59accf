"""After the outcome of a submission is stored: its job is described, and what it left on the login node is removed.

Both are done in the background, for all submissions of an account together.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import structlog

from clusters.calls import asking, pool
from clusters.calls.batching import DelayedBatcher
from clusters.calls.counted import call, remote
from clusters.errors import ClusterError
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted
from clusters.slurm.shell import Section
from clusters.submitting.descriptions import ask_description, read_description
from clusters.submitting.slots import SubmissionSlot
from clusters.submitting.submission import under_way

log = structlog.get_logger(__name__)

_MOST_TOGETHER = 32  # submissions in one request
_DESCRIPTION_LIMIT = 64 * 1024  # bytes of what scontrol prints of a job
_DESCRIBED_AFTER, _DESCRIBED_BY = 0.1, 1.0  # seconds; the latter while other submissions are under way
_CLEARED_AFTER = 3.0  # seconds


@dataclass(frozen=True)
class SubmissionUpdate:
    """What is new about an acknowledged submission: its job, or that its traces have been removed."""

    slot: SubmissionSlot
    new: NewJob | None = None
    cleared: bool = False


OnUpdates = Callable[[Sequence[SubmissionUpdate]], None]


@dataclass(frozen=True)
class Acknowledgement:
    """A submission whose outcome is stored, so its traces can go; `accepted` is its job, if it has one."""

    slot: SubmissionSlot
    accepted: Accepted | None


@dataclass(frozen=True)
class AcknowledgedBatch:
    """Submissions of one account that share a request. `on_updates` is called once, with the updates of all of them."""

    acknowledgements: Sequence[Acknowledgement]
    on_updates: OnUpdates

    @property
    def cluster(self) -> Cluster:
        """The cluster of all."""
        return self.acknowledgements[0].slot.cluster

    @property
    def account(self) -> str:
        """The account of all."""
        return self.acknowledgements[0].slot.account


class _Together(NamedTuple):
    """What submissions have in common that are acknowledged together."""

    cluster: int
    account: str
    on_updates: OnUpdates


def acknowledge(slot: SubmissionSlot, accepted: Accepted | None, on_updates: OnUpdates) -> None:
    """Once the outcome of a submission is stored: have its job described in the background, and its traces removed.

    `on_updates` is called, mostly in another thread, with the updates of all submissions of the account that were
    acknowledged with the same function at about the same time. Where the cluster cannot be asked, the traces stay for a
    day, and `on_updates` is not called.
    """
    together, acknowledgement = _Together(slot.cluster.pk, slot.account, on_updates), Acknowledgement(slot, accepted)
    if accepted:
        _to_describe.add(together, acknowledgement)
    _to_clear.add(together, acknowledgement)


def _in_background(
    work: Callable[[AcknowledgedBatch], None], together: _Together, acknowledgements: list[Acknowledgement]
) -> None:
    """Have `work` done for these, in as many batches as it takes."""
    for start in range(0, len(acknowledgements), _MOST_TOGETHER):
        batch = AcknowledgedBatch(acknowledgements[start : start + _MOST_TOGETHER], together.on_updates)
        pool.current().run_in_background(
            (batch.cluster.endpoint, batch.account), partial(_counted_and_logged, work, batch)
        )


def _counted_and_logged(work: Callable[[AcknowledgedBatch], None], batch: AcknowledgedBatch) -> None:
    try:
        with call(batch.cluster, "settle"):  # the metrics' label from before these were two verbs
            work(batch)
    except ClusterError as exc:
        error = f"{type(exc).__name__}: {exc}"
        log.warning("submission-not-settled", error=error, submissions=len(batch.acknowledgements))


def describe_batch(batch: AcknowledgedBatch) -> None:
    """Ask what the controller says of the jobs, and tell it. Raises as `asking.ask`."""
    accepted = [each.accepted for each in batch.acknowledgements if each.accepted]
    sections = _ask_descriptions(batch.cluster, batch.account, [each.job for each in accepted if not each.cluster])
    batch.on_updates([SubmissionUpdate(each.slot, _new_job(each, sections)) for each in batch.acknowledgements])


def _ask_descriptions(cluster: Cluster, account: str, jobs: Sequence[int]) -> list[Section]:
    if not jobs:
        return []
    request = Request("describe_many", (_comma_list(jobs),))
    return asking.ask(cluster, account, request, limit=len(jobs) * _DESCRIPTION_LIMIT).sections


def _new_job(acknowledgement: Acknowledgement, sections: Sequence[Section]) -> NewJob | None:
    """Return what is told of the job; SLURM is asked once more where another cluster than the login node's has it."""
    slot, accepted = acknowledgement.slot, acknowledgement.accepted
    if accepted is None:
        return None
    if accepted.cluster:
        sections = ask_description(slot.cluster, slot.account, accepted)
    return read_description(accepted.job, sections)


def clear_batch(batch: AcknowledgedBatch) -> None:
    """Remove what these submissions have left, and make as many directories for others. Raises as `asking.ask`."""
    tokens = [each.slot.token.hex for each in batch.acknowledgements]
    prepared = [uuid.uuid4() for _ in tokens]
    request = Request("clear", (_comma_list(tokens), _comma_list(token.hex for token in prepared)))
    asking.ask(batch.cluster, batch.account, request)
    pool.current().add_prepared(batch.cluster.endpoint, batch.account, prepared)
    batch.on_updates([SubmissionUpdate(each.slot, cleared=True) for each in batch.acknowledgements])


def _comma_list(items: Iterable[object]) -> str:
    return ",".join(str(item) for item in items)


# What nobody waits for would take the processor from submissions that somebody waits for.
_to_describe = DelayedBatcher[_Together, Acknowledgement](
    partial(_in_background, describe_batch),
    seconds=_DESCRIBED_AFTER,
    most=_DESCRIBED_BY,
    gives_way=lambda: under_way.some,
)
_to_clear = DelayedBatcher[_Together, Acknowledgement](partial(_in_background, clear_batch), seconds=_CLEARED_AFTER)


@remote("tidy")
def clean_remote_directory(cluster: Cluster, account: str) -> None:
    """Remove what submissions left in the account's home more than a day ago. Raises Unreachable, Refused, TimedOut."""
    asking.ask(cluster, account, Request("tidy"))
