"""A job that takes longer than it may: SLURM ends it, after a minute and more."""

import pytest

from tests.live.caller import Caller, Job
from tests.live.contract import check_job
from tests.live.ground import Cluster
from tests.live.runtime import check_runtime


@pytest.mark.parametrize("name", ["zeus", "prometheus"])
def test_a_job_over_its_time_limit_is_an_error(
    name: str, overdue: dict[str, tuple[Caller, Job]], request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(name)
    owner, job = overdue[cluster.host]
    ended = owner.complete(job, seconds=150)
    check_job(ended, cluster)
    assert (ended["status"], ended["slurm_state"]) == ("ERROR", "TIMEOUT")
    check_runtime(ended, cluster)
    assert (ended["exit_code"], ended["signal"]) == (None, None), "not 0: SLURM ended it"
    assert "00:01:00" <= ended["wall_time"] < "00:03:00"
    assert owner.output(ended) == "begun\n"
    assert owner.output(ended, "stderr").startswith("odd\n")
