"""The paths that scontrol shows lead back to the files that SLURM makes, whenever it is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters import sbatch, shownpaths
from clusters.filenames import NO_TASK, Pattern, Task
from clusters.shell import Section
from clusters.shownpaths import Shown

RECORDED = json.loads((Path(__file__).parents[2] / "recorded" / "slurm-22.05" / "output_files.json").read_text())
TASKS = (3, 12)  # of each recorded array, the last of which keeps the array's own id


def tasks(told: dict[str, Any]) -> list[Task]:
    """Return the recorded job, or the tasks of the array."""
    array = told["job"]
    if not told["array"]:
        return [Task(array, array, None, "localhost")]
    return [Task(int(own), array, TASKS[int(own) == array], "localhost") for own in told["ended"]]


def description(told: dict[str, Any], job: int, number: str, path: str) -> str:
    """Return what scontrol says of a job or a task."""
    of_array = f"ArrayJobId={told['job']} ArrayTaskId={number} " if told["array"] else ""
    return (
        f"JobId={job} {of_array}JobName={told['name']}\n   UserId=plgalice(1000) GroupId=plgalice(1000)\n"
        f"   SubmitTime=1795518919\n   WorkDir={told['directory']}\n   StdErr={path}\n   StdOut={path}\n\n"
    )


def asked(told: dict[str, Any], when: str) -> str:
    """Return what scontrol has said of a job before it began, or of all tasks, or of the last one, once they began."""
    if when == "waiting":
        return description(told, told["job"], "3,12%2", told["waiting"])
    every = [description(told, task.job, str(task.number), told["ended"][str(task.job)]) for task in tasks(told)]
    return every[0] if when == "one" else "".join(every)


@pytest.mark.parametrize("when", ["waiting", "ended", "one"])
@pytest.mark.parametrize("told", RECORDED, ids=lambda told: f"{told['pattern']}-{told['name']}-{told['array']}")
def test_a_shown_path_leads_to_the_files_that_slurm_has_made(told: dict[str, Any], when: str) -> None:
    new = sbatch.parse_new_job(told["job"], [Section(asked(told, when).encode(), 0)])
    assert new
    assert new.stdout_path == new.stderr_path
    *own, last = [{variant.path(task) for task in tasks(told)} for variant in Pattern.of(new.stdout_path).variants()]
    files = set(told["files"])
    assert next((names for names in own if names - last and names & files - last), last) == files


ARRAY = Shown(12, 12, NO_TASK, "plgalice", "run", "/home/plgalice/w")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/home/plgalice/w/slurm-12_4294967294.out", "/home/plgalice/w/slurm-12_%a.out"),
        ("/home/plgalice/w/x-12.txt", "/home/plgalice/w/x-%?.txt"),
        ("/12/4294967294/%3a", "/%?/%a/%3a"),
        ("/%12", "/%%%!"),
        ("/%4294967294", "/%%a"),
        ("/%plgalice", "/%%u"),
        ("/%run", "/%%x"),
        ("/%5u%5x%3A%s", "/plgalicerun012batch"),
        ("/\\12", "/%%%!"),
        ("/%?%!%a%j", "/%%?%%!%%a%%j"),
    ],
)
def test_what_scontrol_leaves_open_stays_open(path: str, pattern: str) -> None:
    assert shownpaths.pattern(path, ARRAY) == pattern


@pytest.mark.parametrize(
    ("path", "other", "pattern"),
    [
        ("/x-112_12", "/x-111_3", "/x-%j_%a"),
        ("/x-112_12", "/x-112_3", "/x-112_%a"),
        ("/x-112_12", "/x-112_12", "/x-112_12"),
        ("/112", "/111", "/%j"),
        ("/x-112_4294967294", "/x-111_3", "/x-%j_%a"),
        ("/x-112_4294967294", "/x-112_3", "/x-112_%a"),
        ("/%112", "/%111", "/%%j"),
        ("/\\112\\12", "/\\112\\3", "/%%A%%a"),
        ("/run2012", "/run2012", "/run2012"),
        ("/run-12/12.out", "/run-12/3.out", "/run-12/%a.out"),
        ("/12/12/12/12/12/12/12/12/x-112_12", "/12/12/12/12/12/12/12/12/x-111_3", "/12" * 8 + "/x-%j_%a"),
    ],
)
def test_another_tasks_path_closes_it(path: str, other: str, pattern: str) -> None:
    shown = Shown(112, 112, NO_TASK if NO_TASK in path else "12")
    assert shownpaths.pattern(path, shown, [(other, Shown(111, 112, "3"))]) == pattern


@pytest.mark.parametrize("shown", ["/w/slurm-112_4294967294.out", "/w/slurm-112_7.out", "/w/x_4294967294", "/w/x_7"])
def test_the_one_task_of_an_array_has_its_number_before_it_starts(shown: str) -> None:
    pattern = shownpaths.pattern(shown, Shown(112, 112, "7", directory="/w"))
    assert pattern == shown.replace("4294967294", "%a").replace("_7", "_%a")


def test_a_default_name_says_nothing_of_its_directory() -> None:
    shown = Shown(7, 7, "", "plgalice", "run", "/d/%N\\")
    assert shownpaths.pattern("/d/%N\\/slurm-7.out", shown) == "/d/%%N\\/slurm-7.out"


@given(
    st.lists(st.sampled_from(["/", "12", "11", "3", NO_TASK, "%", "\\", "plgalice", "run%", "%5j", "x"]), max_size=9),
    st.sampled_from(["", "3", NO_TASK]),
    st.sampled_from([11, 12]),
)
def test_whatever_is_shown_becomes_a_pattern_with_names(pieces: list[str], number: str, own: int) -> None:
    shown = Shown(own, 12 if number else own, number, "plgalice", "run%", "/x")
    pattern = Pattern.of(shownpaths.pattern("/" + "".join(pieces), shown, [("/x11", Shown(11, 12, "3"))]))
    for variant in pattern.variants():
        assert variant.path(Task(11, 12, 3, "n1")).startswith("/")
