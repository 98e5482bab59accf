"""On which cluster a new job is: sbatch may give it to another one than it was sent to (`#SBATCH --clusters=NAME`).

Sources: the manual page of sbatch, `--clusters` and `--parsable`, and the environment variables SLURM_CLUSTERS and
SBATCH_CLUSTERS.
"""

import structlog

from clusters import gateway
from clusters.errors import Failed
from clusters.models import Cluster
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.submitting import WorkingDirectoryError
from jobs.models import Job
from jobs.states import status_of

Outcome = Accepted | Rejected | WorkingDirectoryError | NotSubmitted

log = structlog.get_logger(__name__)

_UNKNOWN = (
    "SLURM has given the job to its cluster {name}, which this service does not know, and the job was cancelled there. "
    "Leave out `#SBATCH --clusters` (and SLURM_CLUSTERS, SBATCH_CLUSTERS), or name one of these: {known}"
)


def place_job(job: Job, outcome: Outcome) -> Outcome:
    """Move `job` to the cluster that has it, if that is a registered one; have it cancelled there if it is not.

    Returns what then became of the submission. `job` is not written. Raises ClusterError where SLURM could not be
    asked, or did not cancel it: there is a job, and this has to be done again.
    """
    if not isinstance(outcome, Accepted) or not outcome.cluster or _is_at_home(job, outcome.cluster):
        return outcome
    registered = [each for each in Cluster.objects.exclude(pk=job.cluster_id) if each.is_slurms(outcome.cluster)]
    if len(registered) == 1:
        job.cluster = registered[0]
        return outcome
    return _cancelled(job, outcome)


def _is_at_home(job: Job, name: str) -> bool:
    """Return whether `name` is what SLURM calls the job's own cluster; where the row does not tell, SLURM does."""
    if job.cluster.slurm_name or job.cluster.is_slurms(name):
        return job.cluster.is_slurms(name)
    return gateway.slurm_name(job.cluster, job.account) == name


def _cancelled(job: Job, accepted: Accepted) -> Rejected:
    states = gateway.cancel_elsewhere(job.cluster, job.account, accepted)
    if remaining := sorted({state for state in states if not _is_over(state)}):
        raise Failed(f"job {accepted.job} on the cluster {accepted.cluster} is {', '.join(remaining)} though cancelled")
    log.warning("job-on-unknown-cluster", cluster=job.cluster.name, where=accepted.cluster, account=job.account)
    known = ", ".join(name for each in Cluster.objects.filter(enabled=True) if (name := each.slurm_name or each.name))
    return Rejected(0, f"{accepted.job};{accepted.cluster}", "", _UNKNOWN.format(name=accepted.cluster, known=known))


def _is_over(state: str) -> bool:
    """Return whether a job in SLURM's `state` has ended or is just being ended; an unknown word says neither."""
    status = status_of(state)
    return state == "COMPLETING" or (status is not None and status.final)
