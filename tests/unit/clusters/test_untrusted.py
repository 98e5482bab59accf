"""Whatever a login prints: values that the registry's columns hold, or a ClusterError; never another exception."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clusters import job_requests
from clusters.errors import ClusterError, Failed, Interrupted, Malformed, Refused, TimedOut
from clusters.job_requests import _Subject
from clusters.slurm import description, listings, lookup, records, sbatch, shell
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted, NotSubmitted, Rejected
from clusters.slurm.shell import Section
from clusters.submitting.submission import answer_while_running
from jobs.models import Job
from jobs.sync.interpret import job_state
from tests.unit.clusters.logins import CLUSTER, answering, new_slot, printed

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it names a submission and opens nothing
MARKER = f"--{TOKEN}--"
BIGINT, INTEGER = 2**63, 2**31
ENDS = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2250, 1, 1, tzinfo=dt.UTC)]

NUMBERS = [
    "0", "1", "12", "4294967294", "4294967295", "4294967296", "2147483647", "2147483648", "8589934592", "8589934593",
    "9" * 20, "9" * 5_000, "-1", "+1", "1.5", "1e9", "0x1", "1_0", " 1", "1 ", "٣", "²", "1K", "",
]  # fmt: skip
WORDS = [
    "RUNNING", "PENDING", "COMPLETED", "CANCELLED by 1001", "TIMEOUT+", "A" * 32, "A" * 33, "running", "RUN\0NING",
    "None", "N/A", "plgalice", "x" * 257, "a\0b", "\x1b[2J", "\ud7ff", "\u2028", "0:04", "2-03:04:05", "1:1:1:1",
    "9999999999-0:0:0", "-1:0", "3:0", "256:0", "0:128", "0:9", "", "None assigned",
]  # fmt: skip
TASKS = [
    "_1", "_[1-3]", "_[1,3,5-9%2]", "_[1-3,7-...]", "_[3-1]", "_[1-9:0]", "_[0-4294967295]", f"_[{'9' * 30}]",
    f"_[1-{'9' * 5000}]", "+1", "_", "+", "_x", f"_[{'1,' * 70_000}1]", "_٣", "_4294967296",
]  # fmt: skip

number = st.sampled_from(NUMBERS)
name = st.tuples(number, st.sampled_from(["", *TASKS])).map("".join)
field = st.one_of(number, name, st.sampled_from(WORDS), st.text(max_size=5))
line = st.one_of(
    st.lists(field, min_size=11, max_size=11).map("|".join),
    st.tuples(*[st.sampled_from(["12_[1-3]", "1", *NUMBERS])], st.lists(number, min_size=10, max_size=10)).map(
        lambda pair: "|".join([pair[0], "plgalice", "RUNNING", *pair[1]])
    ),
    st.lists(field, max_size=4).map(" ".join),
    st.text(max_size=20),
)
output = st.one_of(st.lists(line, max_size=5).map("\n".join).map(str.encode), st.binary(max_size=200))
sections = st.lists(st.builds(Section, output, st.sampled_from([0, 0, 1, 124, 999])), max_size=7)
many = settings(max_examples=3 * settings().max_examples)


def holds(column: str, value: Any) -> bool:
    """Return whether the registry's column holds `value`."""
    kind = Job._meta.get_field(column)
    assert isinstance(kind, models.Field)
    if value is None:
        return True
    if isinstance(kind, models.DateTimeField):
        return bool(ENDS[0] < value < ENDS[1])
    if isinstance(kind, models.PositiveIntegerField | models.PositiveBigIntegerField):
        return bool(0 <= value < (BIGINT if isinstance(kind, models.PositiveBigIntegerField) else INTEGER))
    if isinstance(kind, models.IntegerField):
        return bool(abs(value) < (BIGINT if isinstance(kind, models.BigIntegerField) else INTEGER))
    return is_text(value, kind.max_length or 4_096)


def is_text(value: str, longest: int) -> bool:
    """Return whether PostgreSQL takes `value`, at most so long, as text and in jsonb."""
    return len(value) <= longest and "\0" not in value and value.encode().decode() == value


def check_records(records: list[records.Record]) -> None:
    for record in records:
        assert 1 <= record.job < 2**32
        assert len(record.user) <= 256
        assert record.user.isprintable()
        assert is_text(record.reason or "", 200)
        assert record.tasks is None or 1 <= record.tasks < INTEGER
    for said in [*([record] for record in records), records]:
        for told in (job_state(said, []), job_state([], said)):
            columns = {name: getattr(told, name) for name in COLUMNS} if told else {}
            assert {name: value for name, value in columns.items() if not holds(name, value)} == {}


COLUMNS = [
    "slurm_state", "reason", "submitted_at", "started_at", "ended_at", "wall_seconds", "nodes", "cores", "exit_code",
    "signal",
]  # fmt: skip


@many
@given(output)
@example(b"12|plgalice|RUNNING|99999999999999999999|1|1|0:01|1|1|n1|None")
@example(b"12|plgalice|" + b"A" * 40 + b"|1|1|1|0:01|1|1|n1|None")
@example(b"12|plgalice|RUNNING|1|1|1|0:01|99999999999|1|n1|None")
@example(b"12|plgalice|RUNNING|1|1|1|0:01|1|1|n1|a\0b\x1b[2J")
@example(b"12_[1-3]|plgalice|RUNNING|1|5|1|0:01|1|1|n1|None")
@example(
    b"12_1|plgalice|RUNNING|1|1|1|0:01|2147483647|1|n1|None\n12_2|plgalice|RUNNING|1|1|1|0:01|2147483647|1|n1|None"
)
@example(b"x\n" * 5_000)
def test_squeues_lines_are_bounded_records_or_not_understood(printed: bytes) -> None:
    told = listings.parse_queue(Section(printed, 0).text)
    check_records(told.records)
    assert len(told.unread) <= 10
    assert is_text(told.complaint, 500)


@many
@given(output)
@example(b"12_1|plgalice|COMPLETED|0:0|5|9|1|1|1|1|n1")
@example(b"12|plgalice|FAILED|99999999999:1|1|1|1|1|1|1|n1")
@example(b"12|plgalice|FAILED|1:" + b"9" * 5_000 + b"|1|1|1|1|1|1|n1")
@example("12|plgalice|FAILED|1:0|1|1|1|٣|1|1|n1".encode())
def test_saccts_lines_are_bounded_records_or_not_understood(printed: bytes) -> None:
    told = listings.parse_history(Section(printed, 0).text)
    check_records(told.records)
    assert is_text(told.complaint, 500)


@many
@given(sections)
@example([Section(b"12 " + b"9" * 5_000, 0), Section("12 ٣".encode(), 0)])
@example([Section(b"12 4294967294", 0)])
def test_exit_codes_are_wait_statuses(found: list[Section]) -> None:
    statuses = listings.parse_exit_codes(found)
    assert all(0 <= status < 2**16 for status in statuses.values())
    record = listings.parse_queue("12|plgalice|COMPLETED|1|1|1|0:01|1|1|n1|None").records[0]
    check_records(records.with_exit_codes([record], dict.fromkeys(["12"], 0xFFFF)))


def check_outcome(outcome: object) -> None:
    match outcome:
        case Accepted(job, cluster):
            assert 1 <= job < 2**32
            assert is_text(cluster, 64)
        case Rejected(code, stdout, stderr):
            assert 0 <= code < 1_000
            assert is_text(stdout, 10**6)
            assert is_text(stderr, 10**6)
        case NotSubmitted(stderr):
            assert is_text(stderr, 10**6)
        case _:
            assert outcome is None


@many
@given(sections)
@example([Section(b"9" * 20, 0)])
@example([Section(b"0\n", 0)])
@example([Section("٣\n".encode(), 0)])
@example([Section(b"", 1), Section(b"sbatch: a\0b", 0)])
def test_the_outcome_of_a_submission_is_bounded_or_malformed(found: list[Section]) -> None:
    with suppress(Malformed):
        check_outcome(sbatch.parse_submission(TOKEN, found))


@many
@given(output, output)
@example(b"zeus|" + b"9" * 5_000 + f"|/{TOKEN}/x".encode(), b"ClusterName = " + b"x" * 100)
@example(b"CLUSTER: " + b"x" * 100 + f"\n12|/{TOKEN}/x".encode(), b"")
@example(b"zeus|12" + f"|/{TOKEN}/x\0".encode(), b"ClusterName = \0")
def test_other_clusters_are_told_in_bounded_names_or_by_a_cluster_error(jobs: bytes, config: bytes) -> None:
    with suppress(ClusterError):
        for outcome in lookup.parse_lookup_elsewhere([TOKEN], [Section(jobs, 0), Section(jobs, 0)]).values():
            check_outcome(outcome)
    with suppress(ClusterError):
        assert is_text(sbatch.parse_name([Section(config, 0)]), 64)


@many
@given(st.lists(output, min_size=4, max_size=4), st.booleans())
@example([f"claimed\n{MARKER} {'9' * 5_000}\n".encode(), b"a\0b", b"", b""], True)
@example([b"claimed\n", b"", b"9" * 5_000 + f"|/{TOKEN}/x".encode(), b""], True)
@example([b"claimed\n" + b"9" * 5_000, b"", b"", b""], True)
def test_what_became_of_lost_submissions_is_bounded_or_a_cluster_error(printed: list[bytes], over: bool) -> None:
    found = [Section(each, 0) for each in printed]
    with suppress(ClusterError):
        for outcome in lookup.parse_lookup([TOKEN], found, sbatch_is_over=over).values():
            check_outcome(outcome)


PATHS = st.one_of(
    st.sampled_from(
        ["/a/b.out", "", "relative", "/" + "x" * 4_096, "/" + "ż" * 2_048, "/a\0b", "/a\x1b", "/a\tb", "(null)"]
    ),
    st.text(max_size=20).map(lambda text: f"/{text}"),
)


@many
@given(PATHS, PATHS, field, output)
@example("/a", "/b", "9" * 5_000, b"")
@example("/a", "/b", "2026-05-01T10:00:00", b"")
@example("/a", "/b", "٣", b"")
@example("/" + "x" * 4_096, "/a\0b", "1", b"")
def test_what_the_controller_says_of_a_new_job_is_bounded_or_malformed(
    stdout: str, stderr: str, submitted: str, more: bytes
) -> None:
    printed = (
        f"JobId=12 JobName=x\n   StdErr={stderr}\n   StdOut={stdout}\n   SubmitTime={submitted} \n".encode() + more
    )
    new: NewJob | None = None
    with suppress(Malformed):
        new = description.parse_new_job(12, [Section(printed, 0)])
    if new:
        for path in (new.stdout_path, new.stderr_path):
            assert path == "" or path.startswith("/")
            assert len(path.encode()) <= 4_096
            assert is_text(path, 4_096)
        assert holds("submitted_at", new.submitted_at)


@many
@given(sections.filter(bool))
def test_what_is_said_of_one_job_is_bounded_or_a_cluster_error(found: list[Section]) -> None:
    with suppress(ClusterError):
        [records] = job_requests._records_of_each([_Subject(CLUSTER, "plgalice", 12, 60)], found)
        assert {record.job for record in records} <= {12}
        check_records(records)


@many
@given(st.binary(max_size=100), output, st.sampled_from([*NUMBERS, "\0", "9" * 5_000]))
def test_an_answer_has_sections_with_exit_statuses_or_is_malformed(noise: bytes, printed: bytes, status: str) -> None:
    answer = noise + printed + f"\n{MARKER} {status}\n".encode()
    with suppress(Malformed):
        assert all(0 <= section.status < 1_000 for section in shell.sections(answer, MARKER))
    assert shell.without_markers(answer, MARKER) == noise + printed


@many
@given(output)
@example(b"9" * 20 + b"\n")
@example("٣\n".encode())
def test_an_unfinished_submission_has_an_id_or_stays_open(said: bytes) -> None:
    with answering(printed(f"JobId=12 Comment={TOKEN}\n".encode())):
        running = answer_while_running(new_slot(UUID(TOKEN)), said)
    if running:
        check_outcome(running.outcome)


@pytest.mark.parametrize("kind", [Failed, Malformed, Refused, TimedOut, Interrupted])
@given(st.text(max_size=50), st.sampled_from(["\0", "\x1b[31m", "\r", "\ud800", "x" * 100_000]))
def test_a_message_repeats_what_was_said_within_bounds(
    kind: Callable[[str], ClusterError], text: str, odd: str
) -> None:
    message = str(kind(f"squeue: {text}{odd}"))
    assert is_text(message, 2_000)
    assert message.startswith("squeue: ")
    assert all(letter.isprintable() or letter in "\n\t" or ord(letter) > 0x9F for letter in message)


def test_a_reason_is_cut_and_has_no_control_characters() -> None:
    line = f"12|plgalice|PENDING|1|N/A|N/A|0:00|1|1||a\x1bb{'x' * 1_000}"
    assert listings.parse_queue(line).records[0].reason == "a\ufffdb" + "x" * 197


def test_of_many_lines_that_are_not_understood_the_number_is_told() -> None:
    told = listings.parse_queue("x\n" * 100_000)
    assert (len(told.unread), told.complaint[:28]) == (10, "100000 lines not understood,")
