"""What users' start-up files export for SLURM's commands and for others steers none of the service's own questions."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from sandbox.accounts import POLLER
from tests.harness.caller import Caller, Job
from tests.harness.sandbox_env import Cluster, eventually, new_agents, variable

pytestmark = pytest.mark.alone  # every agent of these users reads these files

EXPORTED = {
    "choices": {
        **{f"SQUEUE_{name}": "nothing" for name in ("NAMES", "LICENSES")},
        "SQUEUE_STATES": "CONFIGURING", "SQUEUE_USERS": "nobody", "SQUEUE_ACCOUNT": "nobody", "SQUEUE_ARRAY": "1",
        **{f"SCANCEL_{name}": "nothing" for name in ("NAME", "PARTITION", "ACCOUNT", "QOS", "WCKEY")},
        "SCANCEL_STATE": "PENDING", "SCANCEL_USER": "nobody", "SCANCEL_INTERACTIVE": "true",
    },
    "words": {"SQUEUE_PARTITION": "nowhere", "SQUEUE_QOS": "nowhere", "SCANCEL_STATE": "nonsense"},
    "forms": {
        "SQUEUE_FORMAT": "%i", "SQUEUE_FORMAT2": "jobid", "SQUEUE_SORT": "-i", "SACCT_FORMAT": "jobid",
        "SLURM_TIME_FORMAT": "relative", "SLURM_BITSTR_LEN": "1", "SLURM_DEBUG_FLAGS": "Protocol",
        "SCANCEL_VERBOSE": "3",
    },
    "clusters": {"SLURM_CLUSTERS": "nowhere"},
    "others": {
        "TZ": "Asia/Kathmandu", "LC_ALL": "pl_PL.UTF-8", "LANG": "pl_PL.UTF-8", "COLUMNS": "7", "POSIXLY_CORRECT": "1",
        "GREP_OPTIONS": "-v", "CDPATH": "/usr:/", "IFS": "0123456789", "ENV": "/nowhere", "BASH_ENV": "/nowhere",
    },
}  # fmt: skip


@contextmanager
def exporting(account: str, variables: dict[str, str]) -> Iterator[None]:
    """Have the start-up file of `account` export `variables` meanwhile."""
    for name, form in ((".bashrc", "export {}='{}'\n"), (".tcshrc", "setenv {} '{}'\n")):
        file = Path("/home") / account / name
        if file.exists():
            before = file.read_text()
            lines = "".join(form.format(*pair) for pair in variables.items())
            try:
                # Behind the greeting, and before whatever returns early.
                greeting, _, rest = before.partition("\n")
                file.write_text(f"{greeting}\n{lines}{rest}")
                yield
            finally:
                file.write_text(before)
            return
    pytest.fail(f"{account} has no start-up file")


Trial = tuple[Caller, str, Cluster, dict[str, str]]


@pytest.fixture(params=["choices alice zeus", "words alice zeus", "forms bob prometheus", "clusters bob prometheus",
                        "others alice zeus"])  # fmt: skip
def trial(request: pytest.FixtureRequest) -> Trial:
    """A caller, the caller's account, a cluster, and variables: one cluster is polled by an operator's account."""
    name, user, cluster = request.param.split()
    return request.getfixturevalue(user), f"plg{user}", request.getfixturevalue(cluster), EXPORTED[name]


@pytest.fixture
def jobs(trial: Trial) -> Iterator[list[Job]]:
    """Four jobs that run, whose owner and whose cluster's poller export the variables from then on."""
    caller, account, cluster, exported = trial
    submitted = [caller.submit(cluster, "exec sleep 300") for _ in range(4)]
    submitted = [caller.running(job) for job in submitted]
    with ExitStack() as stack:
        for one in (account, POLLER):
            stack.enter_context(exporting(one, exported))
        stack.enter_context(new_agents(cluster))
        yield submitted


def state(cluster: Cluster, job: Job) -> str:
    """Return SLURM's own word."""
    return cluster.slurm("squeue", "-h", "-t", "all", "-j", cluster.number(job["job_id"]), "-o", "%T").strip()


def checked_at(job: Job) -> datetime:
    """Return when SLURM was last asked about `job` itself with success, or it changed."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        [[time]] = database.execute("SELECT checked_at FROM jobs_job WHERE job_id = %s", (job["job_id"],)).fetchall()
    assert isinstance(time, datetime)
    return time


def lose(job: Job) -> str:
    """Have the answer to the submission of `job` lost, a minute ago; return the submission's name."""
    with psycopg.connect(variable("DATABASE_URL")) as database:
        [[name]] = database.execute(
            "UPDATE jobs_job SET submission_status = 'PENDING', slurm_id = NULL, job_id = '', status = 'QUEUED',"
            " created_at = created_at - interval '1 minute' WHERE job_id = %s RETURNING id::text",
            (job["job_id"],),
        ).fetchall()
    return str(name)


def test_every_question_is_answered_as_without_them(trial: Trial, jobs: list[Job]) -> None:
    caller, _account, cluster, _exported = trial
    aborted, deleted, ended, lost = jobs
    name = lose(lost)
    caller.end(aborted)
    said = caller.job(aborted["job_id"])
    assert (said["status"], state(cluster, aborted) in {"COMPLETING", "CANCELLED"}) == ("ABORTED", True)
    assert caller.call("DELETE", f"/api/jobs/{deleted['job_id']}").status_code == 204
    assert state(cluster, deleted) in {"COMPLETING", "CANCELLED"}
    before = checked_at(ended)
    refreshed = caller.call("GET", f"/api/jobs/{ended['job_id']}?refresh=true").json()
    assert (refreshed["status"], refreshed["start_time"]) == ("RUNNING", ended["start_time"])
    assert checked_at(ended) > before
    cluster.slurm("scancel", cluster.number(ended["job_id"]))
    whole = caller.complete(ended)  # by polls
    assert (whole["status"], whole["slurm_state"], whole["start_time"]) == ("ABORTED", "CANCELLED", ended["start_time"])
    assert caller.complete(aborted)["slurm_state"] == "CANCELLED"
    found = eventually(
        lambda: caller.call("GET", f"/api/submissions/{name}").json().get("job_id"), "the submission is found again"
    )
    assert found == lost["job_id"]


def test_a_job_has_what_its_owner_exports(alice: Caller, zeus: Cluster) -> None:
    values = EXPORTED["choices"] | EXPORTED["forms"]
    expected = {f"{name}={value}" for name, value in values.items()}

    with exporting("plgalice", values), new_agents(zeus):
        job = alice.submit(zeus, "env -0 | tr '\\0' '\\n'; echo", "sleep 1")
    lines = alice.written(job).splitlines()
    assert expected - set(lines) == set()
    assert not [line for line in lines if line.startswith("js_")]
