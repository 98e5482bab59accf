"""The forms in which a request may come: slashes, unknown parameters, what is accepted, HEAD and OPTIONS."""

from collections.abc import Iterator

import pytest

from tests.harness.caller import Caller, Job, script
from tests.harness.contract import check_job
from tests.harness.sandbox_env import Cluster


@pytest.fixture(scope="module")
def job(alice: Caller, zeus: Cluster) -> Iterator[Job]:
    """A job that has ended."""
    ended = alice.complete(alice.submit(zeus, "echo 0123456789", tag="requests"))
    yield ended
    alice.call("DELETE", f"/api/jobs/{ended['job_id']}")


@pytest.mark.parametrize("slash", ["", "/"])
def test_each_call_answers_with_and_without_a_slash(alice: Caller, zeus: Cluster, slash: str) -> None:
    body = {"host": zeus.host, "script": script("#SBATCH --hold")}
    posted = alice.call("POST", f"/api/jobs{slash}", json=body)
    assert posted.status_code == 201, posted.text
    path = f"/api/jobs/{posted.json()['job_id']}{slash}"
    assert alice.call("GET", f"/api/jobs{slash}").status_code == 200
    assert alice.call("GET", path).status_code == 200
    assert alice.call("PUT", path, json={"action": "abort"}).status_code == 204
    assert alice.call("DELETE", path).status_code == 204
    assert alice.call("DELETE", path).status_code == 404
    assert posted.headers["Location"].endswith(f"/api/jobs/{posted.json()['job_id']}")


@pytest.mark.parametrize("query", ["format=short", "format=json", "format=api", "format=", "format=a&format=b"])
def test_a_parameter_of_the_original_s_clients_changes_nothing(
    alice: Caller, zeus: Cluster, job: Job, query: str
) -> None:
    body = {"host": zeus.host, "script": script("#SBATCH --hold")}
    posted = alice.call("POST", f"/api/jobs?{query}", json=body)
    assert posted.status_code == 201, posted.text
    check_job(posted.json(), zeus)
    assert alice.call("DELETE", f"/api/jobs/{posted.json()['job_id']}?{query}").status_code == 204
    assert alice.call("GET", f"/api/jobs/{job['job_id']}?{query}").json() == alice.job(job["job_id"])
    assert [one["job_id"] for one in alice.call("GET", f"/api/jobs?tag=requests&{query}").json()][:1] == [job["job_id"]]


def test_whatever_a_client_accepts_it_gets_json(alice: Caller, job: Job) -> None:
    for accept in ("*/*", "application/json", "text/html,application/xhtml+xml,*/*;q=0.8"):
        answer = alice.call("GET", f"/api/jobs/{job['job_id']}", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json"), accept


def test_the_output_comes_whatever_a_client_accepts(alice: Caller, job: Job) -> None:
    for accept in ("*/*", "text/plain", "application/json", "text/html"):
        answer = alice.call("GET", job["stdout_path"], headers={"Accept": accept})
        assert (answer.status_code, answer.text) == (200, "0123456789\n"), accept
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["Content-Length"] == "11"


def test_head_is_get_without_the_body(alice: Caller, job: Job) -> None:
    for path in ("/api/jobs", f"/api/jobs/{job['job_id']}", f"/api/jobs/{job['job_id']}/stdout"):
        answer = alice.call("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b""), path


def test_options_does_no_harm(alice: Caller, job: Job) -> None:
    for path in ("/api/jobs", f"/api/jobs/{job['job_id']}"):
        answer = alice.call("OPTIONS", path)
        assert answer.status_code in {200, 204}
        assert "GET" in answer.headers["Allow"]
    assert alice.job(job["job_id"]) == job | {"checked_at": alice.job(job["job_id"])["checked_at"]}


def test_the_answers_to_put_and_delete_have_no_body(alice: Caller, zeus: Cluster) -> None:
    path = f"/api/jobs/{alice.submit(zeus, '#SBATCH --hold')['job_id']}"
    for answer in (alice.call("PUT", path, json={"action": "abort"}), alice.call("DELETE", path)):
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Content-Type" not in answer.headers
