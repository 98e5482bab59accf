"""What SLURM has other words for than waiting and running: held, suspended, and jobs of several parts."""

from tests.harness.caller import Caller
from tests.harness.contract import check_job
from tests.harness.sandbox_env import Cluster


def test_a_held_job_says_so_until_it_is_released(alice: Caller, cluster: Cluster) -> None:
    job = alice.submit(cluster, "#SBATCH --hold", "exit 0")
    held = alice.until(job, lambda now: now["reason"] is not None, "has a reason")
    check_job(held, cluster)
    assert (held["status"], held["slurm_state"], held["reason"]) == ("QUEUED", "PENDING", "JobHeldUser")
    cluster.slurm("scontrol", "release", cluster.number(job["job_id"]))
    ended = alice.complete(job)
    assert (ended["status"], ended["reason"]) == ("FINISHED", None)


def test_a_suspended_job_runs_on_when_it_is_resumed(alice: Caller, cluster: Cluster) -> None:
    job = alice.running(alice.submit(cluster, "sleep 8"))
    number = cluster.number(job["job_id"])
    cluster.slurm("scontrol", "suspend", number)
    asleep = alice.until(job, lambda now: now["slurm_state"] == "SUSPENDED", "is suspended")
    check_job(asleep, cluster)
    assert (asleep["status"], asleep["start_time"]) == ("RUNNING", job["start_time"])
    assert "end_time" not in asleep
    cluster.slurm("scontrol", "resume", number)
    ended = alice.complete(job)
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"], ended["start_time"]) == ("FINISHED", 0, job["start_time"])


def test_a_heterogeneous_job_is_one_job_of_several_parts(alice: Caller, cluster: Cluster) -> None:
    parts = ["#SBATCH -n 1", "#SBATCH hetjob", "#SBATCH -n 2"]
    job = alice.running(alice.submit(cluster, *parts, "sleep 6"))
    check_job(job, cluster)
    assert (job["tasks"], job["nodes"], job["cores"]) == ({"RUNNING": 2}, "2", "3")
    ended = alice.until(alice.complete(job), lambda now: now["tasks"] == {"FINISHED": 2}, "has two ended parts")
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"], ended["nodes"], ended["cores"]) == ("FINISHED", 0, "2", "3")
