"""One user submits many jobs at the same moment."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx

from tests.harness.caller import Caller, script
from tests.harness.sandbox_env import Cluster

CROWD = 16  # sshd lets a connection have 10 channels


def test_sixteen_jobs_at_the_same_moment_are_sixteen_jobs(alice: Caller, cluster: Cluster, tag: str) -> None:
    tokens = [uuid.uuid4().hex for _ in range(CROWD)]
    together = Barrier(CROWD)

    def submit(token: str) -> httpx.Response:
        text = script(f"echo {token} $(grep -c ^echo $0)")
        together.wait(30)
        return alice.order(cluster, text, tag=tag)

    with ThreadPoolExecutor(CROWD) as crowd:
        answers = list(crowd.map(submit, tokens))
    assert [answer.status_code for answer in answers] == [201] * CROWD
    jobs = [answer.json() for answer in answers]
    ids = {job["job_id"] for job in jobs}
    assert len(ids) == CROWD
    assert ids == {job["job_id"] for job in alice.call("GET", f"/api/jobs?tag={tag}").json()}
    for token, job in zip(tokens, jobs, strict=True):
        assert alice.written(job) == f"{token} 1\n"
