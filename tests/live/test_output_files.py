"""Which files SLURM makes of each pattern of sbatch's manual page, and that a job's output is those and no other's.

The table holds what SLURM 22.05 was seen to make. `{j}` is the job's own id, `{A}` the array's; the tasks are 3 and 12.
"""

import os
import shutil
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.caller import Caller, Job, together
from tests.harness.contract import error
from tests.harness.sandbox_env import Cluster, eventually

NAME = "%a-n"  # of each job
HOST = "localhost"  # of the sandbox's nodes, whose own names are others
NONE = "4294967294"
TABLE = {
    # pattern: the file of a job, and that of a task
    "plain": ("plain", "plain"),
    "r/%j.o": ("r/{j}.o", "r/{j}.o"),
    "%A": ("{j}", "{A}"),
    "%A_%a_%j": ("{j}_" + NONE + "_{j}", "{A}_{a}_{j}"),
    "%a": (NONE, "{a}"),
    "%b": ("%b", "%b"),
    "%J": ("{j}", "{j}"),
    "%j.%N": ("{j}." + HOST, "{j}." + HOST),
    "%12N-%a": (f"{HOST}-{NONE}", HOST + "-{a}"),
    "%n-%t-%s": ("0-0-batch", "0-0-batch"),
    "%3n%2t%7s": ("00000batch", "00000batch"),
    "%u-%9u": ("plgalice-plgalice", "plgalice-plgalice"),
    "%x": (NAME, NAME),
    "%9x-%j": (NAME + "-{j}", NAME + "-{j}"),
    "%%": ("%", "%"),
    "%%a": ("%a", "%a"),
    "%%j": ("%j", "%j"),
    "%%A": ("%A", "%A"),
    "%%u%%x": ("%u%x", "%u%x"),
    "%%%j": ("%{j}", "%{j}"),
    "%%%%a": ("%%a", "%%a"),
    "%j%%a": ("{j}%a", "{j}%a"),
    "%5j": ("{j}", "{j}"),
    "%20j": ("00{j}", "00{j}"),
    "%012J": ("00{j}", "00{j}"),
    "%0j": ("{j}", "{j}"),
    "%3a": (NONE, "{a:03}"),
    "%99a": (NONE, "{a:010}"),
    "%j%5a%%%t": ("{j}" + NONE + "%0", "{j}{a:05}%0"),
    "%3b": ("3b", "3b"),
    "%5%": ("5%", "5%"),
    "%4%j": ("4{j}", "4{j}"),
    "%q%": ("%q%", "%q%"),
    "%-5j": ("%-5j", "%-5j"),
    "%jobs": ("{j}obs", "{j}obs"),
    "\\%j": ("%j", "%j"),
    "\\\\%j": ("\\%j", "\\%j"),
    "a\\b%A-%a": ("ab%A-%a", "ab%A-%a"),
    "\\%u": ("%u", "%u"),
    "é ü%j": ("é ü{j}", "é ü{j}"),
    "./r/../%j": ("./r/../{j}", "./r/../{j}"),
    "r%a/out": (f"r{NONE}/out", "r{a}/out"),
}
TASKS = (3, 12)


@dataclass(frozen=True)
class Submitted:
    """The job and the array of one pattern, each in a directory of its own."""

    job: Job
    array: Job
    directory: Path


# The two clusters' tests run side by side.
_CLUSTERS = [pytest.param(name, marks=pytest.mark.xdist_group(f"output on {name}")) for name in ("zeus", "prometheus")]


@pytest.fixture(scope="module", params=_CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each of the two clusters."""
    one: Cluster = request.getfixturevalue(request.param)
    return one


@pytest.fixture(scope="session")
def rooms(alice: Caller) -> Path:
    """Where the directories are."""
    return Path(str(alice.directory))


def room(rooms: Path, name: str) -> Path:
    """Make a directory of alice's, with what the patterns have in it."""
    path = rooms / name
    for each in (path, *(path / f"r{number}" for number in ("", NONE, *TASKS))):
        each.mkdir()
        shutil.chown(each, "plgalice", "plgalice")
    return path


def submit(caller: Caller, cluster: Cluster, pattern: str, directory: Path, *lines: str) -> Job:
    """Submit a script that says which job and task it is, with this pattern for its output."""
    said = "echo $SLURM_JOB_ID $SLURM_ARRAY_TASK_ID"
    quoted = pattern.replace("\\", "\\\\")  # one is taken away where #SBATCH lines are read
    output = f'#SBATCH --output="{quoted}"'
    return caller.submit(cluster, f"#SBATCH -J {NAME}", output, *lines, said, working_directory=str(directory))


@pytest.fixture(scope="module")
def submitted(alice: Caller, cluster: Cluster, rooms: Path) -> dict[str, Future[Submitted]]:
    """A job and an array of each pattern on the cluster, submitted together; each test waits for its own one's end."""

    def submit_both(pattern: str) -> Submitted:
        number = list(TABLE).index(pattern)
        alone, tasks = (room(rooms, f"{cluster.domain}-{number}-{kind}") for kind in ("job", "array"))
        job = submit(alice, cluster, pattern, alone)
        array = submit(alice, cluster, pattern, tasks, "#SBATCH --array=3,12", "#SBATCH --open-mode=append")
        return Submitted(job, array, alone.parent / alone.name.removesuffix("-job"))

    return together(submit_both, TABLE)


@pytest.mark.parametrize("pattern", TABLE)
def test_a_jobs_output_is_the_file_that_slurm_makes(
    alice: Caller, cluster: Cluster, submitted: dict[str, Future[Submitted]], pattern: str
) -> None:
    one = submitted[pattern].result()
    alice.complete(one.job)
    number = cluster.number(one.job["job_id"])
    expected = TABLE[pattern][0].format(j=number)
    assert files(Path(f"{one.directory}-job")) == {os.path.normpath(expected): f"{number}\n"}
    assert alice.output(one.job) == f"{number}\n"
    assert alice.output(one.job, "stderr") == f"{number}\n"


@pytest.mark.parametrize("pattern", TABLE)
def test_an_arrays_output_is_the_files_of_its_tasks_in_their_order(
    alice: Caller, cluster: Cluster, submitted: dict[str, Future[Submitted]], pattern: str
) -> None:
    one = submitted[pattern].result()
    alice.complete(one.array)
    array = cluster.number(one.array["job_id"])
    found = files(Path(f"{one.directory}-array"))
    ids = {int(task): own for own, task in (line.split() for text in found.values() for line in text.splitlines())}
    assert set(ids) == set(TASKS)
    made = [os.path.normpath(TABLE[pattern][1].format(j=ids[task], A=array, a=task)) for task in TASKS]
    assert set(made) == set(found)
    answer = alice.call("GET", one.array["stdout_path"])
    assert answer.text == "".join(found[name] for name in dict.fromkeys(made))
    sizes = {task: len(found[name]) for task, name in reversed(list(zip(TASKS, made, strict=True)))}
    if len(found) == 1:
        del sizes[12]
    told = answer.headers.get("Output-Tasks")
    assert told in (None, ", ".join(f"{task};size={sizes[task]}" for task in sorted(sizes)))
    assert told or len(found) == 1


def ended(caller: Caller, job: Job) -> str:
    """Wait for the end of a job, and return its output."""
    return caller.output(caller.complete(job))


def test_the_files_of_an_earlier_array_are_not_those_of_a_later_one(
    alice: Caller, cluster: Cluster, rooms: Path
) -> None:
    here = room(rooms, f"{cluster.domain}-again")
    first = submit(alice, cluster, "log_%a.txt", here, "#SBATCH --array=3,7,12")
    assert len(ended(alice, first).splitlines()) == 3
    second = submit(alice, cluster, "log_%a.txt", here, "#SBATCH --array=7")
    assert ended(alice, second) == f"{cluster.number(second['job_id'])} 7\n"
    waiting = submit(alice, cluster, "log_%a.txt", here, "#SBATCH --array=3,12", "#SBATCH --hold")
    told = error(alice.call("GET", waiting["stdout_path"]), 404)
    assert "has no output file yet: it has not started" in told["error_message"]
    alice.end(waiting)
    told = error(alice.call("GET", alice.complete(waiting)["stdout_path"]), 404)
    assert "before it started" in told["error_message"]


def test_a_job_that_is_no_array_has_one_file_among_those_of_arrays(
    alice: Caller, cluster: Cluster, rooms: Path
) -> None:
    here = room(rooms, f"{cluster.domain}-alone")
    ended(alice, submit(alice, cluster, "log_%a.txt", here, "#SBATCH --array=3,12"))
    alone = submit(alice, cluster, "log_%a.txt", here)
    assert ended(alice, alone) == f"{cluster.number(alone['job_id'])}\n"


def test_a_job_that_waits_has_not_written_the_file_of_an_earlier_one(
    alice: Caller, cluster: Cluster, rooms: Path
) -> None:
    here = room(rooms, f"{cluster.domain}-waits")
    first = submit(alice, cluster, "log.txt", here)
    assert ended(alice, first) == f"{cluster.number(first['job_id'])}\n"
    second = submit(alice, cluster, "log.txt", here, "#SBATCH --hold")
    told = error(alice.call("GET", second["stdout_path"]), 404)
    assert "has no output file yet: it has not started" in told["error_message"]
    cluster.slurm("scontrol", "release", cluster.number(second["job_id"]))
    eventually(
        lambda: alice.call("GET", second["stdout_path"]).text == f"{cluster.number(second['job_id'])}\n",
        "its own output is there as soon as it runs",
    )
    alice.complete(second)


def test_of_an_array_that_runs_the_tasks_that_have_started_are_told(
    alice: Caller, cluster: Cluster, rooms: Path
) -> None:
    here = room(rooms, f"{cluster.domain}-runs")
    for task in (1, 2, 3):
        (here / f"{task}.txt").write_text("of another time")
        shutil.chown(here / f"{task}.txt", "plgalice", "plgalice")
    lines = ["#SBATCH --array=1-3%1", "test $SLURM_ARRAY_TASK_ID = 1 || { echo second; exec sleep 300; }"]
    job = submit(alice, cluster, "%a.txt", here, *lines)
    eventually(lambda: "second" in alice.call("GET", job["stdout_path"]).text, "the second task runs")
    answer = alice.call("GET", job["stdout_path"])
    first = (here / "1.txt").read_text()
    assert answer.text == f"{first}second\n"
    assert answer.headers["Output-Tasks"] == f"1;size={len(first)}, 2;size=7"
    alice.end(job)


def test_output_that_is_thrown_away_is_told(alice: Caller, cluster: Cluster, rooms: Path) -> None:
    here = room(rooms, f"{cluster.domain}-none")
    for output in ("none", "/dev/null"):
        job = alice.complete(submit(alice, cluster, output, here))
        told = error(alice.call("GET", job["stdout_path"]), 404)
        assert "what it writes goes to /dev/null" in told["error_message"]


def test_a_file_that_was_removed_is_told(alice: Caller, cluster: Cluster, rooms: Path) -> None:
    here = room(rooms, f"{cluster.domain}-removed")
    job = alice.complete(submit(alice, cluster, "x%j", here))
    (here / f"x{cluster.number(job['job_id'])}").unlink()
    told = error(alice.call("GET", job["stdout_path"]), 404)
    assert "has ended, and has no such output file" in told["error_message"]


def files(directory: Path) -> dict[str, str]:
    """Return what is in the files below `directory`, by their paths in it."""
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
