"""Who may do what: the owner, a stranger, somebody without an account, nobody; every call, every one of them."""

import pytest

from tests.harness.caller import Caller, Job
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster

ABSENT = "1.batch.grid.cyf-kr.edu.pl"
ABORT = {"action": "abort"}

# How a job's calls are written: method, what follows the job's address, body.
OF_A_JOB = [
    ("GET", "", None),
    ("PUT", "", ABORT),
    ("DELETE", "", None),
    ("GET", "/stdout", None),
    ("GET", "/stderr", None),
]
OF_ALL = [("POST", "", {"host": "zeus.cyfronet.pl", "script": "#!/bin/sh\n"}), ("GET", "", None)]


@pytest.fixture(scope="module")
def waiting(alice: Caller, zeus: Cluster) -> Job:
    """A job of alice's that waits."""
    return alice.submit(zeus, "#SBATCH --hold", tag="of-alice")


@pytest.fixture(scope="module")
def secret(alice: Caller, zeus: Cluster) -> Job:
    """A job of alice's that has written something."""
    job = alice.complete(alice.submit(zeus, "echo alice only"))
    assert alice.output(job) == "alice only\n"
    return job


@pytest.mark.parametrize(("method", "rest", "body"), OF_A_JOB)
def test_somebody_else_s_job_is_like_one_that_does_not_exist(
    alice: Caller, bob: Caller, secret: Job, waiting: Job, method: str, rest: str, body: object
) -> None:
    for end in (rest, f"{rest}/"):
        absent = error(bob.call(method, f"/api/jobs/{ABSENT}{end}", json=body), 404)
        assert absent["error_message"] == f"Job with {ABSENT} not found"
        for job in (secret, waiting):
            told = error(bob.call(method, f"/api/jobs/{job['job_id']}{end}", json=body), 404)
            assert told == absent | {"error_message": f"Job with {job['job_id']} not found"}
    assert alice.job(waiting["job_id"])["status"] == "QUEUED"
    assert alice.output(secret) == "alice only\n"


def test_a_stranger_lists_nothing_of_another_s(alice: Caller, bob: Caller, waiting: Job) -> None:
    assert waiting["job_id"] in [job["job_id"] for job in alice.call("GET", "/api/jobs?tag=of-alice").json()]
    assert bob.call("GET", "/api/jobs?tag=of-alice").json() == []
    assert waiting["job_id"] not in bob.call("GET", "/api/jobs").text


def test_a_stranger_s_head_finds_nothing_either(bob: Caller, secret: Job) -> None:
    for path in (f"/api/jobs/{secret['job_id']}", f"/api/jobs/{secret['job_id']}/stdout"):
        answer = bob.call("HEAD", path)
        assert (answer.status_code, answer.content) == (404, b"")


def test_a_part_of_an_id_finds_nothing(alice: Caller, secret: Job) -> None:
    number, _, domain = secret["job_id"].partition(".")
    for part in (
        number,
        f"{number}.",
        f"{number}.batch",
        f"{number[1:]}.{domain}",
        f"{number}_.{domain}",
        "%25",
        "...",
    ):
        assert alice.call("GET", f"/api/jobs/{part}").status_code == 404, part


@pytest.mark.parametrize(("method", "rest", "body"), OF_A_JOB)
def test_who_has_no_account_is_forbidden_each_call_on_a_job(
    carol: Caller, secret: Job, method: str, rest: str, body: object
) -> None:
    told = error(carol.call(method, f"/api/jobs/{secret['job_id']}{rest}", json=body), 403)
    absent = error(carol.call(method, f"/api/jobs/{ABSENT}{rest}", json=body), 403)
    assert told == absent, "not even that there is such a job"


@pytest.mark.parametrize(("method", "rest", "body"), OF_ALL)
def test_who_has_no_account_is_forbidden_to_submit_and_to_list(
    carol: Caller, method: str, rest: str, body: object
) -> None:
    error(carol.call(method, f"/api/jobs{rest}", json=body), 403)


@pytest.mark.parametrize(("method", "rest", "body"), OF_A_JOB)
def test_nobody_is_asked_for_a_proxy_at_each_call_on_a_job(
    nobody: Caller, secret: Job, method: str, rest: str, body: object
) -> None:
    answer = nobody.call(method, f"/api/jobs/{secret['job_id']}{rest}", json=body)
    told = error(answer, 401)
    assert answer.headers["WWW-Authenticate"]
    assert told == error(nobody.call(method, f"/api/jobs/{ABSENT}{rest}", json=body), 401)


@pytest.mark.parametrize(("method", "rest", "body"), OF_ALL)
def test_nobody_is_asked_for_a_proxy_before_anything_is_submitted_or_listed(
    nobody: Caller, method: str, rest: str, body: object
) -> None:
    answer = nobody.call(method, f"/api/jobs{rest}", json=body)
    error(answer, 401)
    assert answer.headers["WWW-Authenticate"]


def test_the_owner_still_has_everything(alice: Caller, secret: Job, waiting: Job) -> None:
    assert alice.job(secret["job_id"])["status"] == "FINISHED"
    assert alice.output(secret) == "alice only\n"
    assert alice.job(waiting["job_id"])["status"] == "QUEUED"
