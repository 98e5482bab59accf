"""What the controller says of a job that was just submitted."""

from collections.abc import Sequence

import structlog

from clusters.calls import asking
from clusters.calls.counted import remote
from clusters.models import Cluster
from clusters.remote import Request
from clusters.slurm import description
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted
from clusters.slurm.shell import Section

log = structlog.get_logger(__name__)


@remote("describe")
def describe(cluster: Cluster, account: str, job: int) -> NewJob | None:
    """Return what the controller says of `job`; None if it does not know it. Raises Unreachable, Refused, TimedOut."""
    return read_description(job, ask_description(cluster, account, Accepted(job)))


def ask_description(cluster: Cluster, account: str, accepted: Accepted, patience: float | None = None) -> list[Section]:
    """Ask for the description of a job, also where another cluster has it. `patience` and errors: as `asking.ask`."""
    request = Request("describe", (accepted.job, accepted.cluster))
    return asking.ask(cluster, account, request, patience=patience).sections


def read_description(job: int, sections: Sequence[Section]) -> NewJob | None:
    """Return what is said of `job` in `sections`, and log what of it is not understood; None if nothing is said."""
    new = description.parse_new_job(job, sections)
    if new and new.complaint:
        log.warning("answer-unclear", error=new.complaint)
    return new
