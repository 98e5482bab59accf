"""Where a submission is made, and under which token."""

import uuid
from dataclasses import dataclass

from clusters.calls import pool
from clusters.models import Cluster


@dataclass(frozen=True)
class SubmissionSlot:
    """A submission to come: as `account` on `cluster`; `token` names it both in the registry and on the login node."""

    cluster: Cluster
    account: str
    token: uuid.UUID


def acquire_slot(cluster: Cluster, account: str) -> SubmissionSlot:
    """Return a slot for one submission, at once: the cluster is not asked.

    Its token is one whose directory is there already, if the account's connection has prepared some.
    """
    return SubmissionSlot(cluster, account, pool.current().token(cluster.endpoint, account))
