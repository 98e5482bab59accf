"""The sample calls of the original's documentation, run as they stand there by bash and curl, on both clusters."""

import datetime as dt
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.caller import Job
from tests.harness.contract import check_job
from tests.harness.sandbox_env import GRANT, Cluster, eventually, variable

pytestmark = pytest.mark.xdist_group("curl")  # here the key is on the command line

SAMPLES = Path(__file__).parents[1] / "recorded" / "seed_calls.txt"
Submit = Callable[..., "Answer"]

SAMPLE_JOB = "50463091.batch.grid.cyf-kr.edu.pl"


@dataclass(frozen=True)
class Answer:
    """What curl has got: the status code, the headers by their names in lower case, the body."""

    code: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def sample(name: str) -> str:
    """Return the sample call `name` as it was published."""
    blocks: dict[str, str] = dict(
        re.findall(r"^=== (\w+)\n(.*?)(?=^=== |\Z)", SAMPLES.read_text(), re.MULTILINE | re.DOTALL)
    )
    return blocks[name].strip()


def only(text: str, cluster: Cluster) -> str:
    """Return the proxy's line and the call for one cluster, of the sample that shows a call for each."""
    assignment, *calls = text.split("\n\n")
    return f"{assignment}\n{next(call for call in calls if call.startswith(f'#{cluster.host}'))}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A place for curl's own settings: it writes the headers down, since the samples do not ask for them."""
    (tmp_path / ".curlrc").write_text(f'silent\nshow-error\nmax-time = 60\ndump-header = "{tmp_path}/headers"\n')
    return tmp_path


def run(text: str, home: Path, job_id: str = SAMPLE_JOB) -> Answer:
    """Put this run's words in the place of the sample's, and run it."""
    words = {
        "{path-to-proxy-file}": variable("ALICE_PROXY"),
        "{grantid}": GRANT,
        "https://submit.plgrid.pl": variable("BASE_URL"),
        SAMPLE_JOB: job_id,
    }
    for sample_word, word in words.items():
        text = text.replace(sample_word, word)
    done = subprocess.run(
        ["bash", "-c", text],  # noqa: S607 - whichever bash a reader has
        env=os.environ | {"CURL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    status, *lines = (home / "headers").read_text().strip().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(status.split()[1]), headers, done.stdout)


@pytest.fixture(scope="module")
def submitted() -> Iterator[list[Path]]:
    """The output files of all jobs, which go to the home directory as the samples name no other; removed at the end."""
    files: list[Path] = []
    yield files
    for file in files:
        file.unlink(missing_ok=True)


@pytest.fixture
def submit(cluster: Cluster, home: Path, submitted: list[Path]) -> Submit:
    """Call the sample that submits a job, with another word in the place of one if a test says so."""

    def call(word: str = "", instead: str = "") -> Answer:
        answer = run(only(sample("submit"), cluster).replace(word, instead), home)
        submitted.append(Path(f"/home/plgalice/slurm-{cluster.number(answer.json['job_id'])}.out"))
        return answer

    return call


def finished(job: Job, home: Path) -> Job:
    """Call the sample until the job has ended and accounting has told its exit code."""

    def look() -> Job | None:
        now: Job = run(sample("get"), home, job["job_id"]).json
        return now if now["status"] not in {"QUEUED", "RUNNING"} and now["exit_code"] is not None else None

    return eventually(look, f"{job['job_id']} is complete")


def test_the_sample_submits_a_job(cluster: Cluster, home: Path, submit: Submit) -> None:
    answer = submit()
    assert answer.code == 201
    assert answer.headers["content-type"] == "application/json"
    job = answer.json
    check_job(job, cluster)
    assert (job["status"], job["tag"]) == ("QUEUED", None)
    assert answer.headers["location"] == f"{variable('BASE_URL')}/api/jobs/{job['job_id']}"
    assert job["stdout_path"] == f"{answer.headers['location']}/stdout"
    owner = cluster.slurm("squeue", "-h", "-t", "all", "-j", cluster.number(job["job_id"]), "-o", "%u")
    assert owner.strip() == "plgalice"
    run(sample("delete"), home, job["job_id"])


def test_the_sample_gets_the_job_with_its_runtime_information(cluster: Cluster, home: Path, submit: Submit) -> None:
    job = finished(submit().json, home)
    check_job(job, cluster)
    assert (job["status"], job["exit_code"], job["slurm_state"]) == ("FINISHED", 0, "COMPLETED")
    assert (job["nodes"], job["cores"]) == ("1", "1")
    now = dt.datetime.now(cluster.zone).replace(tzinfo=None)
    started, ended = (dt.datetime.fromisoformat(job[name]) for name in ("start_time", "end_time"))
    assert now - dt.timedelta(minutes=5) < started <= ended <= now, "the times are the cluster's own"
    hours, minutes, seconds = (int(part) for part in job["wall_time"].split(":"))
    assert dt.timedelta(hours=hours, minutes=minutes, seconds=seconds) == ended - started
    run(sample("delete"), home, job["job_id"])


def test_the_sample_lists_the_jobs_newest_first(cluster: Cluster, home: Path, submit: Submit) -> None:
    first, second = submit().json["job_id"], submit().json["job_id"]
    answer = run(sample("list"), home)
    assert answer.code == 200
    assert isinstance(answer.json, list)
    ids = [one["job_id"] for one in answer.json]
    assert ids.index(second) < ids.index(first)
    for listed in answer.json:
        if listed["host"] == cluster.host:
            check_job(listed, cluster)
    for job_id in (first, second):
        run(sample("delete"), home, job_id)


def test_the_sample_aborts_a_job(cluster: Cluster, home: Path, submit: Submit) -> None:
    job = submit("echo hello", r"#SBATCH --hold\necho hello").json
    answer = run(sample("abort"), home, job["job_id"])
    assert (answer.code, answer.body) == (204, "")
    assert "content-type" not in answer.headers
    aborted = run(sample("get"), home, job["job_id"]).json
    check_job(aborted, cluster)
    assert aborted["status"] == "ABORTED"
    assert "start_time" not in aborted
    assert run(sample("delete"), home, job["job_id"]).code == 204


def test_after_the_sample_has_deleted_a_job_it_is_not_found_in_the_documented_words(home: Path, submit: Submit) -> None:
    job_id = submit().json["job_id"]
    answer = run(sample("delete"), home, job_id)
    assert (answer.code, answer.body) == (204, "")
    for name in ("get", "delete", "abort"):
        missing = run(sample(name), home, job_id)
        assert missing.code == 404
        assert missing.json == {
            "status": "error",
            "exit_code": 0,
            "standard_output": "",
            "error_output": "",
            "error_message": f"Job with {job_id} not found",
            "tag": None,
        }
    assert job_id not in [one["job_id"] for one in run(sample("list"), home).json]
