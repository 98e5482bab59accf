"""What SLURM has printed of jobs."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.errors import Failed
from clusters.slurm import columns, listings, records
from clusters.slurm.shell import Section

RECORDED = Path(__file__).parents[2] / "recorded" / "slurm-22.05"


def utc(epoch: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(epoch, dt.UTC)


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def queue() -> dict[tuple[int, str | None], records.Record]:
    return {(r.job, r.task): r for r in listings.parse_queue(recorded("squeue.txt")).records}


def history() -> dict[tuple[int, str | None], records.Record]:
    return {(r.job, r.task): r for r in listings.parse_history(recorded("sacct.txt")).records}


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
    assert columns.state_of(words) == word


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
    told = listings.parse_queue(line + "\n" + whole)
    assert repr(line[:300]) in told.unread[0]
    assert "1 lines not understood" in told.complaint
    assert told.records == listings.parse_queue(whole).records


SQUEUE = "12|plgalice|COMPLETED|100|110|170|1:00|2|24|n[1-2]|None"
SACCT = "12|plgalice|FAILED|3:0|100|110|170|60|2|24|n[1-2]"
QUEUE_COLUMNS = {4: "started_at", 5: "ended_at", 6: "wall_seconds", 7: "nodes", 8: "cores"}
HISTORY_COLUMNS = {5: "started_at", 6: "ended_at", 7: "wall_seconds", 8: "nodes", 9: "cores"}
ODD = ["INVALID", "UNLIMITED", "NOT_SET", "yesterday", "-1", "1e3", "1.50K", "9" * 30, "٣", "2026-05-01T10:00:00"]


def without(record: records.Record, *fields: str) -> records.Record:
    """Return `record` as it is where these fields could not be read."""
    unknown: dict[str, Any] = dict.fromkeys(fields)
    return replace(record, **unknown, unread=frozenset(fields))


def with_column(line: str, index: int, text: str) -> str:
    columns = line.split("|")
    columns[index] = text
    return "|".join(columns)


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("index", QUEUE_COLUMNS)
def test_a_column_of_squeue_that_cannot_be_read_leaves_the_others(index: int, text: str) -> None:
    [whole] = listings.parse_queue(SQUEUE).records
    told = listings.parse_queue(f"{with_column(SQUEUE, index, text)}\n{SQUEUE}")
    field = QUEUE_COLUMNS[index]
    assert told.records == [without(whole, field), whole]
    assert told.unread == ()
    assert told.complaint.startswith("1 columns not understood, the first: squeue: ")
    assert told.complaint.endswith(f" {text!r} of 12")


@pytest.mark.parametrize("text", [*ODD, ""])
@pytest.mark.parametrize("index", HISTORY_COLUMNS)
def test_a_column_of_sacct_that_cannot_be_read_leaves_the_others(index: int, text: str) -> None:
    field = HISTORY_COLUMNS[index]
    if text == "" and field in {"started_at", "ended_at"}:
        text = "?"  # an empty time is one of SLURM's words for none
    [whole] = listings.parse_history(SACCT).records
    [record] = listings.parse_history(with_column(SACCT, index, text)).records
    assert record == without(whole, field)


@pytest.mark.parametrize("text", ["", "3", ":", "3:", ":9", "x:0", "0:x", "99999999999:0"])
def test_an_exit_code_that_cannot_be_read_is_none_and_not_0(text: str) -> None:
    [record] = listings.parse_history(with_column(SACCT, 3, text)).records
    assert (record.exit_code, record.signal, record.unread) == (None, None, frozenset({"exit_code", "signal"}))
    assert (record.state, record.nodes, record.wall_seconds) == ("FAILED", 2, 60)


@pytest.mark.parametrize("index", [0, 1, 2, 4])
def test_a_line_of_sacct_whose_job_is_not_certain_tells_nothing(index: int) -> None:
    told = listings.parse_history(with_column(SACCT, index, "\x00?"))
    assert (told.records, len(told.unread)) == ([], 1)


@pytest.mark.parametrize("index", [8, 9])
def test_a_count_that_accounting_has_not_heard_yet_is_unread_and_no_fault(index: int) -> None:
    told = listings.parse_history(with_column(SACCT, index, "0"))
    assert told.records[0].unread == {HISTORY_COLUMNS[index]}
    assert told.complaint == ""


def test_several_columns_of_a_line_may_be_unread() -> None:
    told = listings.parse_queue("12|plgalice|RUNNING|100|INVALID|INVALID|INVALID|?|?|n1|None")
    [record] = told.records
    assert (record.state, record.unread) == ("RUNNING", frozenset(QUEUE_COLUMNS.values()))
    assert told.complaint.startswith("5 columns not understood, the first: squeue: start time 'INVALID' of 12")


def test_columns_that_say_nothing_of_a_waiting_job_are_not_read() -> None:
    told = listings.parse_queue("12|plgalice|PENDING|100|soon|N/A|INVALID|1-2|?||Priority")
    [record] = told.records
    assert (record.started_at, record.nodes, record.cores, record.unread) == (
        None,
        None,
        None,
        frozenset({"wall_seconds"}),
    )
    assert told.complaint.startswith("1 columns")


def test_of_many_columns_that_are_not_understood_the_number_is_told() -> None:
    told = listings.parse_queue(f"{with_column(SQUEUE, 6, 'INVALID' * 1_000)}\n" * 5_000)
    assert (len(told.records), len(told.unclear)) == (5_000, 10)
    assert told.complaint.startswith("5000 columns not understood, the first: squeue: run time 'INVALID")
    assert len(told.complaint) < 200


@pytest.mark.parametrize(
    ("text", "count"), [("1024", 1024), ("1K", 1024), ("2K", 2048), ("64k", 65_536), ("1M", 2**20), ("1G", 2**30)]
)
def test_a_suffix_multiplies_a_count(text: str, count: int) -> None:
    for parse, line, index in ((listings.parse_queue, SQUEUE, 7), (listings.parse_history, SACCT, 8)):
        told = parse(with_column(with_column(line, index, text), index + 1, text))
        assert [(record.nodes, record.cores) for record in told.records] == [(count, count)]
        assert told.complaint == ""


@pytest.mark.parametrize("text", ["K", "0", "0K", "1 K", "1P", "4G", "1KK", "-1K"])
def test_what_is_no_count_of_nodes_is_not_read(text: str) -> None:
    [record] = listings.parse_history(with_column(SACCT, 8, text)).records
    assert (record.nodes, record.cores, record.unread) == (None, 24, frozenset({"nodes"}))


@pytest.mark.parametrize("text", ["N/A", "Unknown", "None", "NONE", "0", ""])
def test_slurms_words_for_no_time_are_read(text: str) -> None:
    told = listings.parse_history(with_column(with_column(SACCT, 6, text), 5, text))
    assert [(one.started_at, one.ended_at, one.unread) for one in told.records] == [(None, None, frozenset())]
    assert told.complaint == ""


def test_a_job_may_run_for_years() -> None:
    [record] = listings.parse_queue(with_column(SQUEUE, 6, "900-01:02:03")).records
    assert record.wall_seconds == 900 * 86_400 + 3_723


def test_a_cut_line_of_sacct_is_not_read() -> None:
    told = listings.parse_history(recorded("sacct.txt")[:-12])
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
    statuses = listings.parse_exit_codes(found)
    ended = queue()[23, None]
    killed = replace(ended, job=24, task="1")
    codes = [
        (r.exit_code, r.signal) for r in records.with_exit_codes([ended, killed, replace(ended, job=25)], statuses)
    ]
    assert codes == [(3, 0), (0, 9), (None, None)]


def test_exit_codes_that_the_controller_no_longer_has_are_not_told() -> None:
    assert listings.parse_exit_codes([Section(b"23  0\n", 1)]) == {}


def test_a_reason_may_hold_the_separator() -> None:
    line = "12|plgalice|PENDING|1|N/A|N/A|0:00|1|1||a|b\n"
    assert listings.parse_queue(line).records[0].reason == "a|b"


@pytest.mark.parametrize(
    ("text", "seconds"), [("0:04", 4), ("12:34", 754), ("1:00:00", 3600), ("2-03:04:05", 183_845), ("00:00:00", 0)]
)
def test_squeue_durations(text: str, seconds: int) -> None:
    line = f"12|plgalice|RUNNING|1|1|1|{text}|1|1|n1|None"
    assert listings.parse_queue(line).records[0].wall_seconds == seconds


def test_a_failed_command_is_told_in_its_words() -> None:
    with pytest.raises(Failed, match="squeue ended with 1: no controller"):
        listings.checked([Section(b"no controller\n", 1)], "squeue")
    with pytest.raises(Failed, match="did not end"):
        listings.checked([], "squeue")
