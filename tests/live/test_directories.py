"""Working directories of any name: jobs run there, and no shell makes anything of the name."""

import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.harness.caller import Caller, Job, script, together
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster

CANARY = "canary-of-test-directories"  # the file that is made if a name is interpreted

NAMES = [
    "plain",
    "with two  spaces",
    " around ",
    "single'quote",
    'double"quote',
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY};",
    f"x';touch {CANARY};'",
    f"& touch {CANARY} &",
    "zażółć gęślą jaźń, Übergröße",
    "-leading-dash",
    "--chdir=tmp",
    "~",
    "$HOME",
    "!history !!",
    "* ? [a-z] {a,b}",
    "#comment",
    "tab\tand bell\a",
    "percent 100 % sure",
]


@pytest.fixture(scope="module")
def place(alice: Caller) -> Iterator[Path]:
    """Where the directories are made, below alice's home."""
    assert alice.directory
    yield Path(alice.directory)
    left = [
        str(found)
        for root in (Path("/home/plgalice"), Path("/root"), Path.cwd(), Path("/"))
        for found in root.glob("canary-*")
    ]
    assert not left


def make(directory: Path) -> Path:
    """Make a directory that is alice's."""
    directory.mkdir()
    shutil.chown(directory, "plgalice", "plgalice")
    return directory


@pytest.fixture(scope="module")
def absolute(alice: Caller, zeus: Cluster, place: Path) -> dict[str, Future[Job]]:
    """A job in each directory, named by its absolute path."""
    return together(lambda name: submit(alice, zeus, make(place / name)), NAMES)


@pytest.fixture(scope="module")
def relative(
    alice: Caller, prometheus: Cluster, place: Path, absolute: dict[str, Future[Job]]
) -> dict[str, Future[Job]]:
    """A job in each directory, named by its path from the home directory."""
    return together(lambda name: submit(alice, prometheus, Path(place.name) / name), absolute)


def submit(alice: Caller, cluster: Cluster, directory: Path) -> Job:
    """Have a job say where it runs."""
    return alice.submit(cluster, "#SBATCH --output=told.%j", "pwd -P", working_directory=str(directory))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["absolute", "relative"])
def test_a_job_runs_in_the_directory_of_exactly_this_name(
    alice: Caller, zeus: Cluster, prometheus: Cluster, place: Path, request: pytest.FixtureRequest, name: str, way: str
) -> None:
    jobs: dict[str, Future[Job]] = request.getfixturevalue(way)
    cluster = zeus if way == "absolute" else prometheus
    job = jobs[name].result()
    assert alice.written(job) == f"{place / name}\n"
    assert (place / name / f"told.{cluster.number(job['job_id'])}").is_file()
    assert not list(place.rglob(CANARY))


@pytest.mark.parametrize("name", ["back\\slash", "back\\nslash\\", f"x\\';touch {CANARY};'", "\\044HOME"])
def test_a_job_runs_in_a_directory_with_backslashes(alice: Caller, cluster: Cluster, place: Path, name: str) -> None:
    directory = make(place / f"{cluster.host} {name}")
    # SLURM drops the backslashes of an output file's path, and would not find the directory.
    lines = [f"#SBATCH --output={place}/told.%j", "pwd -P"]
    assert alice.written(alice.submit(cluster, *lines, working_directory=str(directory))) == f"{directory}\n"


def test_a_directory_of_a_leading_dash_alone_is_a_directory(alice: Caller, zeus: Cluster) -> None:
    directory = make(Path("/home/plgalice") / f"-P {uuid.uuid4().hex}")
    try:
        assert alice.written(submit(alice, zeus, Path(directory.name))) == f"{directory}\n"
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("absent", [{}, {"working_directory": None}, {"working_directory": ""}])
def test_without_a_directory_a_job_runs_at_home(alice: Caller, zeus: Cluster, absent: dict[str, None]) -> None:
    body = {"host": zeus.host, "script": script("#SBATCH --output=/dev/null", "sleep 60")} | absent
    answer = alice.call("POST", "/api/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["job_id"]
    told = zeus.slurm("scontrol", "show", "job", zeus.number(job_id))
    assert alice.call("DELETE", f"/api/jobs/{job_id}").status_code == 204
    assert "\n   WorkDir=/home/plgalice\n" in told


@pytest.mark.parametrize(
    "missing", ["/nowhere", "nowhere", "/home/plgbob", "/etc/passwd", ".bashrc", "-", "$HOME", "~", "\\"]
)
def test_a_directory_that_cannot_be_entered_is_refused_and_nothing_is_submitted(
    alice: Caller, zeus: Cluster, missing: str, tag: str
) -> None:
    answer = alice.order(zeus, script(f"#SBATCH --comment={tag}"), working_directory=missing, tag=tag)
    told = error(answer, 422)
    assert "working_directory" in told["error_message"]
    assert (told["exit_code"], told["tag"]) == (0, tag)
    assert tag not in zeus.slurm("squeue", "-h", "-t", "all", "-o", "%k")
    assert alice.call("GET", f"/api/jobs?tag={tag}").json() == []


@pytest.mark.parametrize("wrong", ["line\nbreak", "carriage\rreturn", "nul\0", "/tmp\n", 7, ["/tmp"], {"a": 1}, True])  # noqa: S108 - a name, no use of it
def test_a_directory_that_is_no_name_is_refused(alice: Caller, zeus: Cluster, wrong: object) -> None:
    told = error(alice.order(zeus, script(), working_directory=wrong), 422)
    assert "working_directory" in told["error_message"]
