"""Output files that have evil names, or are read through a login that answers in the server's place."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness.client import Client, Posted
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.faults.test_login import configured, start_up_file

Settled = Callable[[Sequence[Posted]], None]


@pytest.fixture
def output(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Path]]:
    """The URL of a held job's output, and where on the cluster it is; the directive `output` names the file."""
    name = getattr(request, "param", "out-%j")
    posted = caller.post(cluster, lines=[f"#SBATCH --output={name}"])
    assert posted.code == 201, posted.body
    query = "SELECT stdout FROM jobs_job WHERE job_id = %s"
    [[path]] = eventually(
        lambda: [row for row in instance.registry.execute(query, posted.body["job_id"]) if row[0]],
        "the job is described",
    )
    yield f"/api/jobs/{posted.body['job_id']}/stdout", Path(str(path))
    settled([posted])


# Debian's default; sshd starts this one through the login shell, and so behind the start-up files.
_EXTERNAL = "Subsystem sftp /usr/lib/openssh/sftp-server"


@pytest.mark.parametrize("text", ["echo welcome\n", "printf '\\377\\377\\377\\377'\n"])
def test_a_start_up_file_that_prints_before_the_server_costs_nobody_the_output(
    caller: Client, output: tuple[str, Path], instance: Instance, text: str
) -> None:
    url, path = output
    instance.accounts[0].write(path.name, "the job's own words")
    with configured(instance, _EXTERNAL), start_up_file(instance, text):
        assert caller.call("GET", url).text == "the job's own words"


def test_a_start_up_file_in_the_place_of_the_server_is_an_error_with_a_reason(
    caller: Client, output: tuple[str, Path], instance: Instance
) -> None:
    url, _path = output
    text = "case $BASH_EXECUTION_STRING in *sftp*) exec yes;; esac\n"
    with configured(instance, _EXTERNAL), start_up_file(instance, text):
        answer = caller.call("GET", url)
    assert answer.status_code == 503
    assert "prints without end" in answer.json()["error_message"]


@pytest.mark.parametrize("output", ["4294967294" * 20 + "x"], indirect=True)
def test_a_file_with_the_name_of_one_that_a_job_has_not_begun_is_not_its_output(
    caller: Client, output: tuple[str, Path], instance: Instance
) -> None:
    url, path = output
    assert path.name == "4294967294" * 20 + "x"
    instance.accounts[0].write("12" * 20 + "x", "another file")
    instance.accounts[0].write(path.name, "of another job")
    answer = caller.call("GET", url)
    assert answer.status_code == 404
    assert "it has not started" in answer.json()["error_message"]
