"""A web server that is told to stop while somebody waits for a job to move does not wait with him."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import httpx

from tests.harness.caller import Caller
from tests.harness.sandbox_env import Cluster
from tests.server.conftest import running
from tests.server.test_stop import has_ended, stop

WAITING = 3  # seconds after which a request waits; one that does not yet is answered like one that does


def test_who_prefers_to_wait_is_answered_when_the_web_server_stops(
    alice: Caller, zeus: Cluster, tmp_path: Path
) -> None:
    job = alice.submit(zeus, "#SBATCH --hold", "exit 0")
    path, headers = f"/api/jobs/{job['job_id']}", alice.headers | {"Prefer": "wait=60"}
    plain = {"SECURE_SSL_REDIRECT": "false"}
    with running(tmp_path, application="submitter.wsgi", environment=plain) as server, ThreadPoolExecutor() as threads:

        def wait() -> httpx.Response:
            return httpx.get(f"{server.url}{path}", headers=headers, timeout=90)

        waits = [threads.submit(wait) for _ in range(2)]
        done, _ = wait_for(waits, WAITING)
        assert not done
        stop(server)
        assert has_ended(server)
        answers = [each.result(5) for each in waits]
    for answer in answers:
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=60")
        assert answer.json()["status"] == "QUEUED"
