"""The paths that scontrol shows lead back to the files that SLURM makes, whenever it is asked."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.slurm import description, shown_paths
from clusters.slurm.filenames import NO_TASK, Pattern, Task
from clusters.slurm.shell import Section
from clusters.slurm.shown_paths import Filled, Shown

OLD, NEWEST = {"slurm-20.11", "slurm-22.05"}, {"slurm-26.05"}
RECORDED = [
    {**told, "version": path.parent.name}
    for path in sorted((Path(__file__).parents[2] / "recorded").glob("slurm-*/output_files.json"))
    for told in json.loads(path.read_text())
    if told["files"]
]
TASKS = (3, 12)  # of each recorded array, the last of which keeps the array's own id

# Of an array these cannot be told: what looks like the number of a task in each task's path; and where a newer scontrol
# fills them in, the number modulo ten, and zeros between two numbers.
OPEN_ALWAYS, OPEN_NOW = {"4294967294"}, {"%b", "%3b", "%a%b", "%j%5a%%%t"}


def is_known(told: dict[str, Any]) -> bool:
    """Whether the files of a recorded job can be told by what scontrol shows."""
    still_open = OPEN_ALWAYS if told["version"] in OLD else OPEN_ALWAYS | OPEN_NOW
    if told["version"] in NEWEST and "%N" in told["pattern"].replace("12", ""):
        return False  # the nodes' own names, which were not recorded
    return not (told["array"] and told["pattern"] in still_open)


def tasks(told: dict[str, Any]) -> list[Task]:
    """Return the recorded job, or the tasks of the array."""
    array, host = told["job"], "localhost" if told["version"] == "slurm-22.05" else "node"
    if not told["array"]:
        return [Task(array, array, None, host)]
    return [Task(int(own), array, TASKS[int(own) == array], host) for own in told["ended"]]


def shown_description(told: dict[str, Any], job: int, number: str, path: str) -> str:
    """Return what scontrol says of a job or a task."""
    of_array = f"ArrayJobId={told['job']} ArrayTaskId={number} " if told["array"] else ""
    line = "" if told["version"] in OLD else "   SubmitLine=sbatch job.sh\n"
    line += "   OverSubscribe=NO Exclusive=NO\n" if told["version"] in NEWEST else ""
    return (
        f"JobId={job} {of_array}JobName={told['name']}\n   UserId=plgalice(1000) GroupId=plgalice(1000)\n"
        f"   SubmitTime=1795518919\n{line}   WorkDir={told['directory']}\n   StdErr={path}\n   StdOut={path}\n\n"
    )


def asked(told: dict[str, Any], when: str) -> str:
    """Return what scontrol has said of a job before it began, or of all tasks once they had ended."""
    if when == "waiting":
        return shown_description(told, told["job"], "3,12%2", told["waiting"])
    return "".join(
        shown_description(told, task.job, str(task.number), told["ended"][str(task.job)]) for task in tasks(told)
    )


@pytest.mark.parametrize("when", ["waiting", "ended"])
@pytest.mark.parametrize(
    "told",
    [told for told in RECORDED if is_known(told)],
    ids=lambda told: f"{told['version']}-{told['pattern']}-{told['name']}-{told['array']}",
)
def test_a_shown_path_leads_to_the_files_that_slurm_has_made(told: dict[str, Any], when: str) -> None:
    new = description.parse_new_job(told["job"], [Section(asked(told, when).encode(), 0)])
    assert new
    assert new.stdout_path == new.stderr_path
    variants = [
        {os.path.normpath(variant.path(task)) for task in tasks(told)}
        for variant in Pattern.of(new.stdout_path).variants()
    ]
    files = set(told["files"])
    later: list[set[str]] = [set().union(*variants[number:]) for number in range(1, len(variants))]
    found = (
        names
        for names, others in zip(variants, later, strict=False)
        if names - others & files and names & files - others
    )
    assert next(found, variants[-1]) == files


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
    assert shown_paths.pattern(path, ARRAY) == pattern


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
    assert shown_paths.pattern(path, shown, [(other, Shown(111, 112, "3"))]) == pattern


@pytest.mark.parametrize("shown", ["/w/slurm-112_4294967294.out", "/w/slurm-112_7.out", "/w/x_4294967294", "/w/x_7"])
def test_the_one_task_of_an_array_has_its_number_before_it_starts(shown: str) -> None:
    pattern = shown_paths.pattern(shown, Shown(112, 112, "7", directory="/w"))
    assert pattern == shown.replace("4294967294", "%a").replace("_7", "_%a")


NEWER = Shown(112, 112, NO_TASK, "plgalice", "run", "/w", Filled.MOST)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/x_4294967294", "/x_%*"),
        ("/00112", "/%5?"),
        ("/x100112", "/x100%?"),
        ("/%00112", "/%5?"),
        ("/%112", "/%%%?"),
        ("/%a%%j%5j%", "/%%a%%%%j%%5j%%"),
        ("/%N%3t%s%5J", "/%N000batch%5J"),
        ("/w/slurm-112_4294967294.out", "/w/slurm-112_%a.out"),
    ],
)
def test_a_newer_scontrol_fills_in_more(path: str, pattern: str) -> None:
    assert shown_paths.pattern(path, NEWER) == pattern


@pytest.mark.parametrize(
    ("path", "pattern"), [("/%5q%%%j%00112", "/%%5q%%%%%%j%%%5?"), ("/x.(null)", "/x.%N"), ("/x_4294967294", "/x_%*")]
)
def test_the_newest_scontrol_fills_all_in(path: str, pattern: str) -> None:
    assert shown_paths.pattern(path, replace(NEWER, filled=Filled.ALL)) == pattern


def test_padding_that_is_not_known_is_tried() -> None:
    paths = [variant.path(Task(112, 112, 3)) for variant in Pattern.of("/%*").variants()]
    assert paths == ["/3", *(f"/{3:0{width}}" for width in range(2, 11))]


def test_a_default_name_says_nothing_of_its_directory() -> None:
    shown = Shown(7, 7, "", "plgalice", "run", "/d/%N\\")
    assert shown_paths.pattern("/d/%N\\/slurm-7.out", shown) == "/d/%%N\\/slurm-7.out"


@given(
    st.lists(
        st.sampled_from(["/", "12", "11", "3", "00", NO_TASK, "%", "\\", "plgalice", "run%", "%5j", "x"]), max_size=9
    ),
    st.sampled_from(["", "3", NO_TASK]),
    st.sampled_from([11, 12]),
    st.sampled_from(Filled),
)
def test_whatever_is_shown_becomes_a_pattern_with_names(
    pieces: list[str], number: str, own: int, filled: Filled
) -> None:
    shown = Shown(own, 12 if number else own, number, "plgalice", "run%", "/x", filled)
    pattern = Pattern.of(shown_paths.pattern("/" + "".join(pieces), shown, [("/x11", Shown(11, 12, "3"))]))
    for variant in pattern.variants():
        assert variant.path(Task(11, 12, 3, "n1")).startswith("/")
