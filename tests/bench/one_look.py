"""Looks at a real cluster in a process of their own: time, CPU and queries, as a line of JSON.

`python -m tests.bench.one_look {cluster} {account} {file with SLURM ids}` with DATABASE_URL naming a database that has
the cluster and no jobs. The jobs are the account's, and wait.
"""

import json
import os
import sys
from pathlib import Path

import django

from tests.bench.one_cycle import measured

_QUIET = 5  # looks of which the median is told
_ASKED = 50  # jobs that are also asked about one by one


def main(name: str, account: str, ids: list[int]) -> None:
    """Print what the first look costs, what one costs where nothing changed, and what a command for each job does."""
    django.setup()
    from clusters import gateway  # noqa: PLC0415 - after Django's setup
    from clusters.models import Cluster  # noqa: PLC0415
    from jobs.models import Job, SubmissionStatus  # noqa: PLC0415
    from jobs.sync import polling  # noqa: PLC0415

    cluster = Cluster.objects.get(name=name)
    gateway.ping(cluster, cluster.poll_account or account)  # logs in: a worker stays so
    common = {
        "cluster": cluster,
        "account": account,
        "submission_status": SubmissionStatus.SUBMITTED,
        "acknowledged": True,
    }
    Job.objects.bulk_create(Job(slurm_id=number, job_id=f"{number}.{name}", **common) for number in ids)

    def one_by_one() -> int:
        return sum(len(gateway.inspect(cluster, account, number, 3600)) for number in ids[:_ASKED])

    looks = [measured(lambda: polling.poll(cluster)) for _ in range(1 + _QUIET)]
    gateway.inspect(cluster, account, ids[0], 3600)  # logs in as the owner
    single = measured(one_by_one)
    quiet = sorted(looks[1:], key=lambda cost: cost["seconds"])[_QUIET // 2]
    print(json.dumps({"looks": {"first": looks[0], "nothing changed": quiet}, "single": single}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")
    main(sys.argv[1], sys.argv[2], [int(line) for line in Path(sys.argv[3]).read_text().split()])
