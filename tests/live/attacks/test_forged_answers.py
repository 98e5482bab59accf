"""Logins that answer for SLURM whatever is asked: what they say is of their own account's jobs only."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import forged
from tests.live.attacks.victim import Job, Victim, slurm_id

_LONG = "9" * 30


@contextmanager
def forging(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], bodies: Mapping[str, str]
) -> Iterator[Crowd]:
    """Submit, refresh, abort, delete and have lost submissions looked for, all the time, while `bodies` answer."""
    lost = [attacker.client.lose(cluster).tag for cluster in clusters]
    for cluster in clusters:
        cluster.restore()
    jobs = attacker.hold_each(clusters, 4)  # on one after the other
    requests = [
        *map(attacker.order, clusters),
        *(attacker.request("GET", f"/api/jobs/{job}?refresh=true") for job in jobs[:2]),
        *(attacker.request("PUT", f"/api/jobs/{job}", b'{"action": "abort"}') for job in jobs[2:4]),
        *(attacker.request("DELETE", f"/api/jobs/{job}") for job in jobs[4:6]),
    ]
    with forged(attacker, *clusters, **bodies), Crowd(instance.port, requests, 8) as crowd:
        instance.registry.age(lost)
        instance.send("jobs.tasks.recover_submissions")
        eventually(lambda: attacker.strikes, "a forged command has answered")
        yield crowd


def _forgeries(theirs: Sequence[Job], owner: str) -> dict[str, dict[str, str]]:
    """Return what is said of jobs that are somebody else's, by turns, and of jobs that cannot be."""
    numbers = [slurm_id(job) for job in theirs]
    cases = " ".join(f"{turn}) number={number};;" for turn, number in enumerate(numbers))
    one = f"case $(($(wc -l < ~/strikes) % {len(numbers)})) in {cases} esac"
    found = 'for token in ~/.job-submitter/*; do echo "$number|$token/job.sh"; done'
    claim = f"$number|{owner}|COMPLETED|$now|$now|$now|0:01|1|1|n1|None"
    queue = f'{one}; now=$(date +%s); case "$*" in *%o*) {found};; *) echo "{claim}";; esac'
    described = f"JobId=$number JobName=x\n   SubmitTime=1800000000\n   StdOut=/home/{owner}/.bashrc"
    return {
        "somebody else's id": {
            "sbatch": f"{one}; cat > /dev/null; echo $number",
            "scontrol": f"{one}; cat << END\n{described}\nEND",
            "squeue": queue,
            "scancel": "exit 0",
        },
        "times and names without measure": {
            "scontrol": f"""for word; do id=$word; done
echo "JobId=$id JobName=x"; echo "   SubmitTime={_LONG}"; printf '   StdOut=/a\\000%050000d\\n' 7""",
            "sacct": f'{one}; echo "$number|{owner}|COMPLETED|0:0{f"|{_LONG}" * 6}|n1"',
        },
        "an end of noise": dict.fromkeys(
            ("sbatch", "squeue", "scancel", "scontrol"), f"{one}; exec timeout 60 nice yes $number"
        ),
    }


@pytest.mark.parametrize("kind", _forgeries([{"job_id": "1.x"}], ""))
def test_answer_of_a_login_changes_nothing_but_its_own_accounts_jobs(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], kind: str
) -> None:
    theirs = [victim.submit(cluster, "#SBATCH --hold") for cluster in clusters]
    bodies = _forgeries(theirs, instance.accounts[1].name)[kind]
    with forging(instance, attacker, clusters, bodies) as crowd:
        victim.watch()
        for job in theirs:
            victim.finds_untouched(job)
            shown = attacker.client.call("GET", f"/api/jobs/{job['job_id']}")
            assert job["tag"] not in shown.text
        assert 500 not in crowd.codes, crowd.codes
