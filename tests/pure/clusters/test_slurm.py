"""Scripts for the login node, and what SLURM has printed of jobs."""

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import scripts, shell, slurm
from clusters.errors import Failed
from clusters.shell import Section

RECORDED = Path(__file__).parents[2] / "recorded" / "slurm-22.05"


def utc(epoch: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(epoch, dt.UTC)


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def queue() -> dict[tuple[int, str | None], slurm.Record]:
    return {(r.job, r.task): r for r in slurm.parse_queue(recorded("squeue.txt")).records}


def history() -> dict[tuple[int, str | None], slurm.Record]:
    return {(r.job, r.task): r for r in slurm.parse_history(recorded("sacct.txt")).records}


SCRIPTS = [
    name
    for name in dir(scripts)
    if name.isupper() and name not in {"DIRECTORY", "FIRST", "LONGEST_DIRECTORY", "STEERING"} and name[0] != "_"
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_can_be_quoted_for_every_login_shell(name: str) -> None:
    assert shell.script_line(getattr(scripts, name), ["/usr/bin", "7"], {}, "--0--")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_reckons_with_nothing_but_the_number_that_it_has_looked_at(name: str) -> None:
    script = getattr(scripts, name)
    assert not {"eval", "expr", "let", "source", "."} & set(script.replace(";", " ").split())
    assert script.count("$((") == (name == "SUBMIT")
    assert set(re.findall(r"(\S+) -(?:lt|le|gt|ge|eq|ne) (\S+)", script)) <= {('"$#"', f"{scripts._MANY}")}


def test_every_recorded_line_is_read() -> None:
    assert len(queue()) == len(recorded("squeue.txt").splitlines())
    assert len(history()) == len(recorded("sacct.txt").splitlines())


def test_squeue_tells_a_job_that_ended() -> None:
    record = queue()[23, None]
    assert (record.user, record.state, record.reason) == ("plgalice", "FAILED", "NonZeroExitCode")
    assert (record.submitted_at, record.started_at, record.ended_at) == (
        utc(1795518922), utc(1795518923), utc(1795518923)
    )  # fmt: skip
    assert (record.nodes, record.cores, record.wall_seconds) == (1, 1, 0)
    assert record.exit_code is None
    assert not record.from_accounting


def test_the_expected_start_of_a_waiting_job_is_no_start() -> None:
    record = queue()[24, None]
    assert record.state == "PENDING"
    assert record.started_at is None
    assert (record.nodes, record.cores) == (None, None)


def test_squeue_tells_array_tasks_from_those_that_wait() -> None:
    records = queue()
    assert records[19, "1"].state == "RUNNING"
    assert records[19, "[3-4%2]"].state == "PENDING"


def test_squeue_tells_the_parts_of_a_heterogeneous_job() -> None:
    assert {task for job, task in queue() if job == 5} == {"0", "1"}


def test_sacct_tells_a_job_cancelled_in_the_queue() -> None:
    record = history()[7, None]
    assert record.state == "CANCELLED"
    assert (record.started_at, record.ended_at) == (None, utc(1795518252))
    assert (record.nodes, record.cores, record.wall_seconds) == (None, None, 0)
    assert record.from_accounting


def test_sacct_tells_exit_code_and_signal() -> None:
    assert (history()[4, None].exit_code, history()[4, None].signal) == (3, 0)
    assert (history()[3, None].exit_code, history()[3, None].signal) == (0, 15)


@pytest.mark.parametrize(
    ("words", "word"), [("CANCELLED by 1001", "CANCELLED"), ("COMPLETED", "COMPLETED"), ("CANCELLED+", "CANCELLED")]
)
def test_a_state_is_its_first_word(words: str, word: str) -> None:
    assert slurm.word(words) == word


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "12|plgalice|RUNNING",
        "x|plgalice|RUNNING|1|1|1|0:01|1|1|n1|None",
        "12|plgalice||1|1|1|0:01|1|1|n1|None",
        "12|plgalice|RUNNING|yesterday|1|1|0:01|1|1|n1|None",
        "12|plgalice|RUNNING|1|1|1|0:01|1|1|n1",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    ],
)
def test_a_line_that_is_not_understood_is_shown_and_the_others_count(line: str) -> None:
    whole = recorded("squeue.txt")
    told = slurm.parse_queue(line + "\n" + whole)
    assert repr(line[:300]) in told.unread[0]
    assert "1 lines not understood" in told.complaint
    assert told.records == slurm.parse_queue(whole).records


def test_a_cut_line_of_sacct_is_not_read() -> None:
    told = slurm.parse_history(recorded("sacct.txt")[:-12])
    assert "sacct" in told.complaint
    assert len(told.records) == len(recorded("sacct.txt").splitlines()) - 1


@pytest.mark.parametrize(
    ("task", "tasks"),
    [(None, 1), ("7", 1), ("[2-9]", 8), ("[1,3,5-9%2]", 7), ("[1-9:2]", 5), ("[0-1,4-10:3]", 5), ("[1-3,7-...]", None)],
)
def test_an_arrays_record_says_for_how_many_tasks_it_stands(task: str | None, tasks: int | None) -> None:
    record = replace(queue()[23, None], task=task)
    assert record.tasks == tasks


def test_the_controllers_exit_code_is_a_wait_status() -> None:
    found = [Section(b"23                    768\n24_1                  9\n", 0)]
    statuses = slurm.parse_exit_codes(found)
    ended = queue()[23, None]
    killed = replace(ended, job=24, task="1")
    codes = [(r.exit_code, r.signal) for r in slurm.with_exit_codes([ended, killed, replace(ended, job=25)], statuses)]
    assert codes == [(3, 0), (0, 9), (None, None)]


def test_exit_codes_that_the_controller_no_longer_has_are_not_told() -> None:
    assert slurm.parse_exit_codes([Section(b"23  0\n", 1)]) == {}


def test_a_reason_may_hold_the_separator() -> None:
    line = "12|plgalice|PENDING|1|N/A|N/A|0:00|1|1||a|b\n"
    assert slurm.parse_queue(line).records[0].reason == "a|b"


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:04", 4), ("12:34", 754), ("1:00:00", 3600), ("2-03:04:05", 183_845), ("00:00:00", 0)]
)
def test_squeue_durations(text: str, seconds: int) -> None:
    line = f"12|plgalice|RUNNING|1|1|1|{text}|1|1|n1|None"
    assert slurm.parse_queue(line).records[0].wall_seconds == seconds


def test_a_failed_command_is_told_in_its_words() -> None:
    with pytest.raises(Failed, match="squeue ended with 1: no controller"):
        slurm.checked([Section(b"no controller\n", 1)], "squeue")
    with pytest.raises(Failed, match="did not end"):
        slurm.checked([], "squeue")
