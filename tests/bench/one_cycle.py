"""One look at a cluster with many active jobs, in a process of its own: CPU, memory and queries, as a line of JSON.

`python -m tests.bench.one_cycle {number of jobs}` with DATABASE_URL naming an empty, migrated database. SLURM's answers
are made here in the form of the recorded ones; they are read, compared and written as in a worker.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import django

ACCOUNTS = 50
_FIRST = 1_000_000
_MOVED = 10  # one job of so many changes in the second cycle
_SUBMIT = int(time.time()) - 600


class Replay:
    """What a gateway's look answers: `lines` of squeue, and nothing of accounting, which no active job needs."""

    def __init__(self, lines: str) -> None:
        self._lines = lines

    def queue(self) -> Any:
        """Read the lines as those of a cluster."""
        from clusters.slurm import listings  # noqa: PLC0415 - after Django's setup

        return listings.parse_queue(self._lines)


def squeue(number: int, accounts: int, *, moved: bool) -> str:
    """Return squeue's answer about `number` jobs of `accounts` that wait, every tenth of which runs if `moved`."""
    lines = []
    for n in range(number):
        runs = moved and n % _MOVED == 0
        state, start, node = ("RUNNING", _SUBMIT + 300, "n1") if runs else ("PENDING", "N/A", "")
        reason = "None" if runs else "Priority"
        lines.append(f"{_FIRST + n}|user{n % accounts}|{state}|{_SUBMIT}|{start}|N/A|0:00|1|12|{node}|{reason}\n")
    return "".join(lines)


def main(number: int) -> None:
    """Print what three cycles over `number` jobs cost: the first, one where nothing and one where a tenth changed."""
    django.setup()
    from clusters.models import Cluster  # noqa: PLC0415 - after Django's setup
    from jobs.models import Job  # noqa: PLC0415
    from jobs.sync import polling  # noqa: PLC0415

    Job.objects.all().delete()
    cluster, _new = Cluster.objects.get_or_create(name="bench", job_domain="b", address="127.0.0.1", host_keys=[])
    cluster.poll_account = "operator"
    fill(cluster.pk, number, ACCOUNTS)
    answers = {moved: squeue(number, ACCOUNTS, moved=moved) for moved in (False, True)}

    looks: list[bool] = []

    def cycle(moved: bool) -> dict[str, float]:
        @contextmanager
        def look(*_: Any, **__: Any) -> Iterator[Replay]:
            looks.append(moved)
            yield Replay(answers[moved])

        with patch("clusters.gateway.poll_session", look):
            return measured(lambda: polling.poll(cluster))

    found = {"first": cycle(False), "nothing changed": cycle(False), "a tenth changed": cycle(True)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    naive = measured(_select_then_save) if number <= 1_000 else {}
    print(json.dumps({"jobs": number, "peak MB": peak, "cycles": found, "looks": len(looks), "naive": naive}))


def fill(cluster: int, number: int, accounts: int) -> None:
    """Register `number` jobs of `accounts` on the cluster with that key, of which SLURM has said nothing yet."""
    from django.db import connection  # noqa: PLC0415 - after Django's setup

    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO jobs_job (id, cluster_id, account, owner_dn, working_directory, created_at, request_digest,
                submission_status, acknowledged, slurm_id, job_id, slurm_id_reused, status, slurm_state, reason,
                is_array, stdout, stderr, accounting_confirmed)
            SELECT gen_random_uuid(), %s, 'user' || n %% %s, '', '', to_timestamp(%s), '', 'SUBMITTED', true, %s + n,
                (%s + n) || '.b', false, 'QUEUED', '', '', false, '', '', false FROM generate_series(0, %s - 1) AS n
            """,
            [cluster, accounts, _SUBMIT, _FIRST, _FIRST, number],
        )
        cursor.execute("ANALYZE jobs_job")


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Return what `work` costs: seconds, CPU seconds, queries, and what it returns as `changed`."""
    from django.db import connection  # noqa: PLC0415 - after Django's setup

    queries = 0

    def counted(execute: Any, *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(counted):
        result = work()
    return {
        "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "queries": queries, "changed": result,
    }  # fmt: skip


def _select_then_save() -> int:
    """Do what is often done: fetch each job, set its fields, save it."""
    from jobs.models import Job  # noqa: PLC0415 - after Django's setup

    keys = list(Job.objects.values_list("pk", flat=True))
    for key in keys:
        job = Job.objects.get(pk=key)
        job.slurm_state = "RUNNING"
        job.save()
    return len(keys)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")
    main(int(sys.argv[1]))
