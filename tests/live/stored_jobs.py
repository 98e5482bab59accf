"""What the service has written down, looked at behind its back: nobody calls it meanwhile."""

import psycopg

from tests.harness.caller import Job
from tests.harness.sandbox_env import Cluster, variable


def status(job: Job) -> str:
    """Return the job's status."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        [found] = database.execute("SELECT status FROM jobs_job WHERE job_id = %s", (job["job_id"],)).fetchone() or [""]
    return str(found)


def is_confirmed(job: Job) -> bool:
    """Return whether accounting has told the job's end."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        query = "SELECT accounting_confirmed FROM jobs_job WHERE job_id = %s"
        return (database.execute(query, (job["job_id"],)).fetchone() or (False,))[0] is True


def submitted_at(job: Job) -> int:
    """Return the epoch of the job's first submission."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        query = "SELECT extract(epoch FROM submitted_at)::bigint FROM jobs_job WHERE job_id = %s"
        [found] = database.execute(query, (job["job_id"],)).fetchone() or [0]
    return int(found)


def poll_error(cluster: Cluster) -> str:
    """Return why the last look at the cluster failed; empty if none did."""
    query = (
        "SELECT error FROM clusters_poll JOIN clusters_cluster ON clusters_cluster.id = cluster_id"
        " WHERE name = %s AND error <> ''"
    )
    with psycopg.connect(variable("DATABASE_URL")) as database:
        found = database.execute(query, (cluster.host,)).fetchone()
    return str(found[0]) if found else ""
