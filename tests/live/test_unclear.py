"""SLURM's commands that print what cannot be read in some columns of their lines: the others count."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.harness.caller import Caller
from tests.harness.sandbox_env import Cluster, at_once, eventually, variable

pytestmark = pytest.mark.alone  # everybody's jobs of the cluster are asked about with these programs

PROGRAM = """#!/bin/sh
out=$(/usr/bin/{tool} "$@"); status=$?
[ -z "$out" ] || printf '%s\\n' "$out" | awk -F '|' -v OFS='|' 'NF == 11 {{ {change} }} 1'
exit $status
"""
# A login node's clock that is behind, and a release that writes thousands otherwise, or something else.
CHANGES = {"squeue": '$7 = "INVALID"; $8 = "2K"', "sacct": '$9 = "2K"; $10 = "?"'}


@contextmanager
def unclear(cluster: Cluster) -> Iterator[None]:
    """Have the cluster's commands print such columns meanwhile."""
    directory = Path("/home") / f"unclear-{uuid.uuid4().hex}"
    directory.mkdir(mode=0o755)
    for tool in ("sbatch", "scancel", "scontrol"):
        (directory / tool).symlink_to(f"/usr/bin/{tool}")
    for tool, change in CHANGES.items():
        (directory / tool).write_text(PROGRAM.format(tool=tool, change=change))
        (directory / tool).chmod(0o755)
    change = "UPDATE clusters_cluster SET slurm_bin = %s WHERE name = %s"
    with psycopg.connect(variable("DATABASE_URL"), autocommit=True) as database:
        database.execute(change, (str(directory), cluster.host))
        try:
            yield
        finally:
            database.execute(change, ("/usr/bin", cluster.host))
            shutil.rmtree(directory)


def complaint(cluster: Cluster) -> str:
    """Return what the last poll of the cluster complains of."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        found = database.execute(
            "SELECT error FROM clusters_poll JOIN clusters_cluster ON cluster_id = clusters_cluster.id WHERE name = %s"
            " AND error <> ''", (cluster.host,),
        ).fetchall()  # fmt: skip
    return "".join(error for (error,) in found)


def test_a_job_lives_and_ends_although_columns_cannot_be_read(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    at_once(partial(lives_and_ends, alice), zeus, prometheus)


def lives_and_ends(alice: Caller, cluster: Cluster) -> None:
    with unclear(cluster):
        over = Path(str(alice.directory)) / f"over-{uuid.uuid4().hex}"
        waits = f"until [ -e {over} ]; do sleep 0.1; done"
        job = alice.running(alice.submit(cluster, "#SBATCH -n2", waits, "exit 5"))
        assert (job["nodes"], job["cores"]) == ("2048", "2")
        assert "start_time" in job
        error = eventually(lambda: complaint(cluster), "the poll complains of what it cannot read")
        assert "columns not understood, the first: squeue: run time 'INVALID' of " in error
        over.touch()
        ended = alice.complete(job)
        assert (ended["status"], ended["exit_code"], ended["nodes"], ended["cores"]) == ("ERROR", 5, "2048", "2")
        assert ended["start_time"] == job["start_time"]
        assert {"end_time", "wall_time"} <= set(ended)


def test_a_job_is_refreshed_and_aborted_although_columns_cannot_be_read(
    alice: Caller, zeus: Cluster, prometheus: Cluster
) -> None:
    at_once(partial(is_refreshed_and_aborted, alice), zeus, prometheus)


def is_refreshed_and_aborted(alice: Caller, cluster: Cluster) -> None:
    with unclear(cluster):
        job = alice.submit(cluster, "exec sleep 300")
        path = f"/api/jobs/{job['job_id']}"
        eventually(
            lambda: alice.call("GET", f"{path}?refresh=true").json()["status"] == "RUNNING", "it runs, as refreshed"
        )
        alice.end(job)
        assert alice.job(job["job_id"])["status"] == "ABORTED"
