"""Logins that answer for SLURM whatever is asked: what they say is of their own account's jobs only."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.forgery import forged
from tests.live.attacks.victim import Job, Victim, slurm_id
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually

_LONG = "9" * 30


@contextmanager
def forging(instance: Instance, attacker: Attacker, lane: Lane, bodies: Mapping[str, str]) -> Iterator[Crowd]:
    """Submit, refresh, abort, delete and have lost submissions looked for, all the time, while `bodies` answer."""
    lost = attacker.client.lose(lane)
    lane.restore()
    jobs = [attacker.hold(lane) for _ in range(4)]
    requests = [
        attacker.order(lane),
        attacker.request("GET", f"/api/jobs/{jobs[0]}?refresh=true"),
        attacker.request("PUT", f"/api/jobs/{jobs[1]}", b'{"action": "abort"}'),
        attacker.request("DELETE", f"/api/jobs/{jobs[2]}"),
    ]
    with forged(attacker, lane, **bodies), Crowd(instance.port, requests, 4) as crowd:
        instance.registry.age([lost.tag])
        instance.send("jobs.tasks.recover_submissions")
        eventually(lambda: attacker.strikes, "a forged command has answered")
        yield crowd


def _forgeries(theirs: Job, owner: str) -> dict[str, dict[str, str]]:
    """Return what is said of a job that is somebody else's, and of jobs that cannot be."""
    number = slurm_id(theirs)
    found = f'for token in ~/.job-submitter/*; do echo "{number}|$token/job.sh"; done'
    claim = f"{number}|{owner}|COMPLETED|$now|$now|$now|0:01|1|1|n1|None"
    queue = f'now=$(date +%s); case "$*" in *%o*) {found};; *) echo "{claim}";; esac'
    described = f"JobId={number} JobName=x\n   SubmitTime=1800000000\n   StdOut=/home/{owner}/.bashrc"
    return {
        "somebody else's id": {
            "sbatch": f"cat > /dev/null; echo {number}",
            "scontrol": f"cat << 'END'\n{described}\nEND",
            "squeue": queue,
            "scancel": "exit 0",
        },
        "times and names without measure": {
            "scontrol": f"""for word; do id=$word; done
echo "JobId=$id JobName=x"; echo "   SubmitTime={_LONG}"; printf '   StdOut=/a\\000%050000d\\n' 7""",
            "sacct": f"echo '{number}|{owner}|COMPLETED|0:0|{_LONG}|{_LONG}|{_LONG}|{_LONG}|{_LONG}|{_LONG}|n1'",
        },
        "an end of noise": dict.fromkeys(
            ("sbatch", "squeue", "scancel", "scontrol"), f"exec timeout 60 nice yes '{number}'"
        ),
    }


@pytest.mark.parametrize("kind", _forgeries({"job_id": "1.x"}, ""))
def test_answer_of_a_login_changes_nothing_but_its_own_accounts_jobs(
    instance: Instance, attacker: Attacker, victim: Victim, lane: Lane, kind: str
) -> None:
    theirs = victim.submit("#SBATCH --hold")
    bodies = _forgeries(theirs, instance.accounts[1].name)[kind]
    with forging(instance, attacker, lane, bodies) as crowd:
        victim.watch()
        victim.finds_untouched(theirs)
        shown = attacker.client.call("GET", f"/api/jobs/{theirs['job_id']}")
        assert theirs["tag"] not in shown.text
        assert 500 not in crowd.codes, crowd.codes
