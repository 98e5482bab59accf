"""A job that takes longer than it may: SLURM ends it, after a minute and more."""

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import check_job
from tests.harness.sandbox_env import Cluster
from tests.live.runtime import check_runtime


@pytest.fixture(scope="module")
def overdue(alice: Caller, bob: Caller, zeus: Cluster, prometheus: Cluster) -> dict[str, tuple[Caller, Job]]:
    """A job on each cluster that wants more time than it may take: SLURM looks after a minute, every half a minute."""
    lines = ["#SBATCH --time=1", "#SBATCH --error=overdue.err", "echo begun", "echo odd >&2", "exec sleep 300"]
    return {cluster.host: (who, who.submit(cluster, *lines)) for who, cluster in ((alice, zeus), (bob, prometheus))}


@pytest.mark.parametrize("name", ["zeus", "prometheus"])
def test_a_job_over_its_time_limit_is_an_error(
    name: str, overdue: dict[str, tuple[Caller, Job]], request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(name)
    owner, job = overdue[cluster.host]
    ended = owner.complete(job)
    check_job(ended, cluster)
    assert (ended["status"], ended["slurm_state"]) == ("ERROR", "TIMEOUT")
    check_runtime(ended, cluster)
    assert (ended["exit_code"], ended["signal"]) == (None, None), "not 0: SLURM ended it"
    assert "00:01:00" <= ended["wall_time"] < "00:03:00"
    assert owner.output(ended) == "begun\n"
    assert owner.output(ended, "stderr").startswith("odd\n")
