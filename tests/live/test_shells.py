"""A user whose login shell is tcsh, and whose start-up files talk: everything works the same."""

import pwd
import shutil
from pathlib import Path

from tests.harness.caller import Caller, script
from tests.harness.contract import check_job, error
from tests.harness.sandbox_env import Cluster

ODD = "dir $HOME `x` 'q' \"d\" !1 ; ü"


def test_bob_s_shell_is_another_and_talks() -> None:
    bob = pwd.getpwnam("plgbob")
    assert Path(bob.pw_shell).name == "tcsh"
    assert "echo" in (Path(bob.pw_dir) / ".tcshrc").read_text()


def test_the_life_of_a_job(bob: Caller, cluster: Cluster, tag: str) -> None:
    job = bob.submit(cluster, "#SBATCH --error=b.err", "echo mine", "echo yours >&2", "exit 4", tag=tag)
    check_job(job, cluster)
    ended = bob.complete(job)
    check_job(ended, cluster)
    assert (ended["status"], ended["exit_code"]) == ("ERROR", 4)
    assert (bob.output(ended), bob.output(ended, "stderr")) == ("mine\n", "yours\n")
    assert [one["job_id"] for one in bob.call("GET", f"/api/jobs?tag={tag}").json()] == [job["job_id"]]
    assert bob.call("DELETE", f"/api/jobs/{job['job_id']}").status_code == 204
    error(bob.call("GET", f"/api/jobs/{job['job_id']}"), 404)


def test_an_odd_directory(bob: Caller, cluster: Cluster) -> None:
    directory = Path(str(bob.directory)) / f"{cluster.domain} {ODD}"
    directory.mkdir()
    shutil.chown(directory, "plgbob", "plgbob")
    job = bob.submit(cluster, "pwd", working_directory=str(directory))
    assert bob.written(job) == f"{directory}\n"


def test_an_abort(bob: Caller, cluster: Cluster) -> None:
    job = bob.submit(cluster, "#SBATCH --hold")
    bob.end(job)
    assert bob.job(job["job_id"])["status"] == "ABORTED"
    assert cluster.slurm("squeue", "-h", "-o", "%A").split().count(cluster.number(job["job_id"])) == 0


def test_refusals_are_sbatch_s_own_words_and_not_the_shell_s(bob: Caller, cluster: Cluster) -> None:
    told = error(bob.order(cluster, script("#SBATCH -A nogrant")), 422)
    assert told["exit_code"] == 1
    assert told["error_output"].startswith("sbatch: error: ")
    assert told["standard_output"] == ""
    error(bob.order(cluster, script(), working_directory="/nowhere"), 422)
