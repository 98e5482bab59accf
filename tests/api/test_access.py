"""Every call, tried by the owner, a stranger, an unmapped and an anonymous caller."""

from typing import Any

import pytest

from jobs.models import Job
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway

ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/bash\n", "tag": "t1"}
CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/api/jobs", None),
    ("GET", "/api/jobs?tag=t1", None),
    ("POST", "/api/jobs", ORDER),
    ("GET", "/api/jobs/{job_id}", None),
    ("PUT", "/api/jobs/{job_id}", {"action": "abort"}),
    ("DELETE", "/api/jobs/{job_id}", None),
    ("GET", "/api/jobs/{job_id}/stdout", None),
    ("GET", "/api/jobs/{job_id}/stderr", None),
]
OF_A_JOB = [call for call in CALLS if "{job_id}" in call[1]]

pytestmark = pytest.mark.usefixtures("zeus")


@pytest.fixture
def job_id(cast: Cast, fake: FakeGateway) -> str:
    """A job of alice's, with output."""
    job_id: str = cast.alice("POST", "/api/jobs", ORDER).json()["job_id"]
    fake.files["/home/plgalice/slurm-100.out"] = b"hello\n"
    fake.calls.clear()
    return job_id


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_the_owner_gets_through(cast: Cast, job_id: str, method: str, path: str, body: Any) -> None:
    assert cast.alice(method, path.format(job_id=job_id), body).status_code in {200, 201, 204}


@pytest.mark.parametrize(("method", "path", "body"), OF_A_JOB)
def test_a_strangers_job_is_like_one_that_does_not_exist(
    cast: Cast, fake: FakeGateway, job_id: str, method: str, path: str, body: Any
) -> None:
    strange = cast.bob(method, path.format(job_id=job_id), body)
    missing = cast.bob(method, path.format(job_id="999.batch.grid.cyf-kr.edu.pl"), body)
    assert (strange.status_code, missing.status_code) == (404, 404)
    assert strange.json()["error_message"] == f"Job with {job_id} not found"
    assert strange.content.replace(job_id.encode(), b"X") == missing.content.replace(
        b"999.batch.grid.cyf-kr.edu.pl", b"X"
    )
    assert fake.calls == []
    assert Job.objects.filter(job_id=job_id, status="QUEUED").exists()


def test_a_strangers_list_is_empty(cast: Cast, job_id: str) -> None:
    assert [job["job_id"] for job in cast.alice("GET", "/api/jobs").json()] == [job_id]
    assert cast.bob("GET", "/api/jobs").json() == []


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_the_unmapped_are_forbidden(
    cast: Cast, fake: FakeGateway, job_id: str, method: str, path: str, body: Any
) -> None:
    answer = cast.carol(method, path.format(job_id=job_id), body)
    assert answer.status_code == 403
    assert answer.json()["status"] == "error"
    assert fake.calls == []


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_the_anonymous_are_told_how_to_authenticate(
    cast: Cast, fake: FakeGateway, job_id: str, method: str, path: str, body: Any
) -> None:
    answer = cast.nobody(method, path.format(job_id=job_id), body)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"]
    assert answer.json()["status"] == "error"
    assert fake.calls == []


@pytest.mark.parametrize("job_id", ["100", "100.batch", "%00", "100.batch.grid.cyf-kr.edu.pl%00", "1' OR '1'='1"])
def test_a_part_of_an_id_is_no_id(cast: Cast, fake: FakeGateway, job_id: str) -> None:
    assert cast.alice("POST", "/api/jobs", ORDER).status_code == 201
    assert cast.alice("GET", f"/api/jobs/{job_id}").status_code == 404
    assert "describe" not in fake.calls


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "/api/jobs/1.x"), ("PUT", "/api/jobs"), ("DELETE", "/api/jobs")]
)
def test_another_method_is_405(cast: Cast, method: str, path: str) -> None:
    answer = cast.alice(method, path, {})
    assert answer.status_code == 405
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize("path", ["/api/", "/api/job", "/api/jobs/1.x/stdin", "/api/jobs/1.x/y/z"])
def test_a_path_that_is_not_routed_is_404_in_the_same_form(cast: Cast, path: str) -> None:
    answer = cast.nobody("GET", path)
    assert answer.status_code == 404
    assert answer.json()["status"] == "error"


def test_an_address_that_is_refused_too_often_is_429_and_told_for_how_long(cast: Cast, settings: Any) -> None:
    settings.PROXY_REFUSALS_PER_MINUTE = 2
    address = "192.0.2.99"
    codes = [cast.nobody("GET", "/api/jobs", REMOTE_ADDR=address).status_code for _ in range(3)]
    refused = cast.nobody("GET", "/api/jobs", REMOTE_ADDR=address)
    assert codes[-1] == refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused.json()["status"] == "error"
    assert cast.alice("GET", "/api/jobs", REMOTE_ADDR="192.0.2.100").status_code == 200


def test_who_is_known_is_heard_from_an_address_that_others_abuse(cast: Cast, settings: Any) -> None:
    settings.PROXY_REFUSALS_PER_MINUTE = 2
    address = "192.0.2.97"
    assert cast.alice("GET", "/api/jobs", REMOTE_ADDR=address).status_code == 200
    codes = [cast.nobody("GET", "/api/jobs", REMOTE_ADDR=address).status_code for _ in range(3)]
    assert codes[-1] == 429
    assert cast.alice("GET", "/api/jobs", REMOTE_ADDR=address).status_code == 200


def test_an_unmapped_caller_is_not_slowed_down(cast: Cast, settings: Any) -> None:
    settings.PROXY_REFUSALS_PER_MINUTE = 2
    codes = {cast.carol("GET", "/api/jobs", REMOTE_ADDR="192.0.2.98").status_code for _ in range(5)}
    assert codes == {403}
