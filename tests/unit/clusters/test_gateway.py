"""The verbs of the gateway, where a login's start-up files answer instead of SLURM."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from clusters import gateway, job_requests, submitting
from clusters.errors import ClusterError, Interrupted, Malformed, Silent, TimedOut
from clusters.job_requests import _Subject
from clusters.slurm.description import NewJob
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.submitting import SubmissionAnswer, SubmissionUpdate
from clusters.submitting.acknowledgement import (
    AcknowledgedBatch,
    Acknowledgement,
    _counted_and_logged,
    _in_background,
    _Together,
    clear_batch,
    describe_batch,
)
from tests.unit.clusters.logins import CLUSTER, KILLED, Answering, Pool, Printed, answering, new_slot, printed

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it names a submission and opens nothing
LINE = b"12|plgalice|RUNNING|1795518919|1795518919|N/A|0:01|1|1|n1|None\n"
MIB = 1024 * 1024


def look(*, everybody: bool) -> int:
    with gateway.poll_session(CLUSTER, "plgalice", everybody=everybody) as looking:
        return len(looking.queue().records)


def of_size(size: int) -> Answering:
    """Have squeue print whole lines of at most `size` bytes, and no errors."""
    return printed(LINE * (size // len(LINE)), b"")


@override_settings(POLL_ANSWER_LIMIT=3 * MIB, POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_an_account_that_speaks_for_itself_has_less_room_than_one_that_speaks_for_everybody() -> None:
    with answering(of_size(MIB // 2)):
        assert look(everybody=False) == MIB // 2 // len(LINE)
    with answering(of_size(2 * MIB)):
        assert look(everybody=True) == 2 * MIB // len(LINE)
        with pytest.raises(Malformed, match="more than 1048576 bytes"):
            look(everybody=False)
    with answering(of_size(4 * MIB)), pytest.raises(Malformed, match="more than 3145728 bytes"):
        look(everybody=True)


@override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_a_search_for_lost_submissions_has_the_room_of_an_account() -> None:
    with answering(of_size(2 * MIB)), pytest.raises(Malformed, match="more than 1048576 bytes"):
        submitting.find_lost_submissions(CLUSTER, "plgalice", [TOKEN], 60, sbatch_is_over=True)


def of_an_array(tasks: int, commands: int) -> Answering:
    """Have `commands` commands print nothing, and squeue the tasks of an array."""
    return printed(*commands * [b""], b"".join(LINE.replace(b"12|", b"12_%d|" % task) for task in range(tasks)))


@override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_an_array_with_thousands_of_tasks_is_looked_at_and_cancelled_as_any_job() -> None:
    with answering(of_an_array(5_000, 0)):
        assert len(gateway.inspect(CLUSTER, "plgalice", 12, 60)) == 5_000
    with answering(of_an_array(5_000, 1)):
        assert len(gateway.cancel(CLUSTER, "plgalice", 12, 60).records) == 5_000


@override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_what_is_told_of_one_job_has_the_room_of_an_account() -> None:
    for prints, ask in (
        (of_an_array(20_000, 0), lambda: gateway.inspect(CLUSTER, "plgalice", 12, 60)),
        (of_an_array(20_000, 1), lambda: gateway.cancel(CLUSTER, "plgalice", 12, 60)),
    ):
        with answering(prints), pytest.raises(Malformed, match="more than 1048576 bytes"):
            ask()


def running(jobs: list[int]) -> bytes:
    return b"".join(LINE.replace(b"12|", b"%d|" % job) for job in jobs)


def test_cancel_together_is_one_request_that_tells_of_each_job() -> None:
    jobs = list(range(1, gateway.MOST_JOBS_PER_REQUEST + 1))
    with answering(printed(b"", running(jobs))) as asked:
        answers = gateway.cancel_together(CLUSTER, "plgalice", [(job, 60) for job in jobs])
    assert [isinstance(answer, Exception) or [one.job for one in answer.records] for answer in answers] == [
        [job] for job in jobs
    ]
    assert len(asked.channels) == 1
    with pytest.raises(ValueError, match="33 jobs are more than one request takes"):
        gateway.cancel_together(CLUSTER, "plgalice", [(job, 60) for job in range(33)])


@override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_cancel_together_asks_about_each_alone_where_the_answer_has_no_room_for_all() -> None:
    with answering(of_an_array(20_000, 1)) as asked:
        answers = gateway.cancel_together(CLUSTER, "plgalice", [(12, 60), (13, 60)])
    assert [type(answer) for answer in answers] == [Malformed, Malformed]
    assert len(asked.channels) == 3


Login = Callable[[Pool, bytes], Printed]


def on_the_second(first: Printed) -> Login:
    """Have the first agent print this, and the next one what it should."""
    return lambda pool, marker: first if len(pool.channels) == 1 else printed(b"ClusterName = zeus")(marker)


def name_of(login: Login, lost: int = 0) -> tuple[str | Exception, int]:
    """Return what comes of a question, and how many agents were asked; the first connections are `lost`."""
    with answering(lambda marker: login(asked, marker)) as asked:
        asked.lost = lost
        try:
            return gateway.slurm_name(CLUSTER, "plgalice"), len(asked.channels)
        except ClusterError as exc:
            return exc, len(asked.channels)


@pytest.mark.parametrize(
    ("first", "lost"),
    [((b"", None), 1), ((b"half", None), 1), ((b"", KILLED), 1), ((b"", KILLED), 0), ((b"x", 137), 0)],
)
def test_a_question_is_asked_once_more_where_the_connection_or_the_agent_was_lost(first: Printed, lost: int) -> None:
    assert name_of(on_the_second(first), lost) == ("zeus", 2)


@pytest.mark.parametrize(
    ("first", "lost", "kind"),
    [((b"", None), 2, Silent), ((b"", KILLED), 2, Interrupted), ((b"", 137), 0, Malformed)],
)
def test_a_question_is_asked_no_third_time(first: Printed, lost: int, kind: type[ClusterError]) -> None:
    told, asked = name_of(lambda _pool, _marker: first, lost)
    assert (isinstance(told, kind), asked) == (True, 2)


def test_a_question_that_takes_too_long_on_a_connection_that_is_alive_is_not_asked_again() -> None:
    told, asked = name_of(on_the_second((b"half", None)))
    assert (type(told), asked) == (TimedOut, 1)


@pytest.mark.parametrize(("first", "lost"), [((b"", None), 1), ((b"", KILLED), 1)])
def test_a_submission_is_never_made_again(first: Printed, lost: int) -> None:
    with answering(lambda _marker: first) as asked:
        asked.lost = lost
        with pytest.raises(TimedOut):
            submitting.submit(new_slot(), "", "#!/bin/sh\n")
    assert [channel.sent[-1].split()[0] for channel in asked.channels].count(b"submit") == 1


def subjects(*jobs: int) -> list[_Subject]:
    return [_Subject(CLUSTER, "plgalice", job, 60) for job in jobs]


WORDS_OF_ONE = b"scancel: error: Kill job error on job id 13: Invalid job id specified"
WORDS_OF_ALL = b"scancel: error: Unable to contact slurm controller (connect failure)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (WORDS_OF_ONE, [False, True, False]),
        (WORDS_OF_ALL, [True, True, True]),
        (WORDS_OF_ONE + b"\n" + WORDS_OF_ALL, [True, True, True]),
        (b"", [True, True, True]),
    ],
)
def test_what_scancel_says_of_one_job_is_not_told_to_who_cancels_another(words: bytes, told: list[bool]) -> None:
    with answering(printed(words, LINE + LINE.replace(b"12|", b"130|"), b"", statuses=[1])):
        made = job_requests._cancel(subjects(12, 13, 130))
    assert [bool(cancellation.complaint) for cancellation in made] == told
    assert [len(cancellation.records) for cancellation in made] == [1, 0, 1]
    assert made[1].complaint == f"scancel ended with 1: {words.decode()}"


@override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB)
def test_jobs_that_have_no_room_in_one_answer_are_asked_about_alone() -> None:
    def prints(marker: bytes) -> Printed:
        [ids] = [line.split()[-1] for line in asked.channels[-1].sent[-1].splitlines()]
        jobs = [int(job) for job in ids.split(b",")]
        lines = [
            LINE.replace(b"12|", b"%d_%d|" % (job, task))
            for job in jobs
            for task in range(20_000 * (job == 14) or 5_000)
        ]
        return printed(b"".join(lines))(marker)

    with answering(prints) as asked:
        told = job_requests._or_one_by_one(job_requests._inspect)(subjects(12, 13, 14, 15))
    assert [len(each) if isinstance(each, list) else type(each) for each in told] == [5_000, 5_000, Malformed, 5_000]
    assert len(asked.channels) == 5


def test_new_jobs_are_described_together() -> None:
    told: list[object] = []
    one, other = new_slot(), new_slot()
    with answering(printed(b"JobId=12 JobName=x\n   StdErr=/e\n   StdOut=/o\n")) as asked:
        describe_batch(
            AcknowledgedBatch([Acknowledgement(one, Accepted(12)), Acknowledgement(other, Accepted(13))], told.extend)
        )
    assert told == [SubmissionUpdate(one, NewJob("/o", "/e", None, is_array=False)), SubmissionUpdate(other)]
    assert [channel.sent[-1].decode() for channel in asked.channels] == ["describe_many 12,13\n"]


def test_traces_are_cleared_together_and_leave_directories_for_submissions_to_come() -> None:
    told: list[object] = []
    slots = [new_slot(), new_slot(), new_slot()]
    with answering(printed(b"")) as asked:
        clear_batch(AcknowledgedBatch([Acknowledgement(each, None) for each in slots], told.extend))
    assert told == [SubmissionUpdate(each, cleared=True) for each in slots]
    assert len(set(asked.tokens)) == 3
    tokens = [",".join(token.hex for token in some) for some in ([each.token for each in slots], asked.tokens)]
    assert [channel.sent[-1].decode() for channel in asked.channels] == [f"clear {tokens[0]} {tokens[1]}\n"]


@pytest.mark.parametrize("work", [describe_batch, clear_batch])
def test_where_the_cluster_cannot_be_asked_nothing_is_told_and_no_directory_is_expected(
    work: Callable[[AcknowledgedBatch], None],
) -> None:
    told: list[object] = []
    with answering(lambda _marker: (b"", 1)) as asked:
        _counted_and_logged(work, AcknowledgedBatch([Acknowledgement(new_slot(), Accepted(12))], told.extend))
    assert (told, asked.tokens) == ([], [])


def test_at_most_so_many_are_cleared_in_one_request_and_told_at_once() -> None:
    told: list[int] = []
    together = _Together(1, "plgalice", lambda news: told.append(len(news)))
    with answering(printed(b"")) as asked:
        _in_background(clear_batch, together, [Acknowledgement(new_slot(), None) for _ in range(40)])
    assert told == [32, 8]
    assert [channel.sent[-1].split()[1].count(b",") + 1 for channel in asked.channels] == [32, 8]


def submit(prints: Answering) -> SubmissionAnswer:
    with answering(prints):
        return submitting.submit(new_slot(), "", "#!/bin/sh\n")


@pytest.mark.parametrize("status", [1, 65, 75, 126, 137])
def test_an_agent_that_ends_before_sbatch_began_has_submitted_nothing(status: int) -> None:
    words = f"nothing was submitted: the login node ended the submission with {status}"
    assert submit(lambda _marker: (b"\nsh: Cannot fork", status)).outcome == Rejected(status, "", "", words)


def test_an_agent_that_a_signal_ends_before_sbatch_began_has_submitted_nothing() -> None:
    words = "nothing was submitted: the login node ended the submission with a signal"
    assert submit(lambda _marker: (b"", KILLED)).outcome == Rejected(-1, "", "", words)


@pytest.mark.parametrize("status", [0, 137, KILLED])
def test_an_agent_that_ends_while_sbatch_may_be_at_work_leaves_the_outcome_open(status: int) -> None:
    with pytest.raises(Interrupted):
        submit(lambda marker: (b"\n" + marker + b" 0\n", status))


def test_an_agent_that_ends_after_it_has_printed_more_than_is_kept_leaves_the_outcome_open() -> None:
    with pytest.raises(Interrupted):
        submit(lambda _marker: (b"x" * 100_000, 137))


def test_what_an_agent_says_of_a_submission_that_was_claimed_elsewhere_is_certain() -> None:
    words = "nothing was submitted: the login node ended the submission with 75"
    assert submit(printed(b"", statuses=[75])).outcome == Rejected(75, "", "", words)


def history(prints: Answering) -> None:
    with answering(prints), gateway.poll_session(CLUSTER, "plgalice", everybody=False) as looking:
        answer = looking.history([12], 60, [12])
    if answer.error:
        raise answer.error


def test_what_the_controller_still_has_stands_where_accounting_prints_too_much() -> None:
    with (
        answering(printed(b"12 256\n", b"x" * 2 * MIB, b"")),
        override_settings(POLL_ANSWER_LIMIT_PER_ACCOUNT=MIB),
        gateway.poll_session(CLUSTER, "plgalice", everybody=False) as looking,
    ):
        answer = looking.history([12], 60, [12])
    assert isinstance(answer.error, Malformed)
    assert "sacct printed more than" in str(answer.error)
    assert (answer.exit_codes, answer.listing.records) == ({"12": 256}, [])


def within(verb: Callable[[], object]) -> Callable[[Answering], None]:
    def asked(prints: Answering) -> None:
        with answering(prints):
            verb()

    return asked


def _nobody(_told: object) -> None:
    """Be told what became of submissions."""


def acknowledge() -> None:
    acknowledged = [Acknowledgement(new_slot(uuid.UUID(TOKEN)), Accepted(12, cluster)) for cluster in ("", "athena")]
    describe_batch(AcknowledgedBatch(acknowledged, _nobody))
    clear_batch(AcknowledgedBatch(acknowledged, _nobody))


VERBS: dict[str, Callable[[Answering], object]] = {
    "submit": submit,
    "acknowledge": within(acknowledge),
    "history": history,
    "queue": within(lambda: look(everybody=False)),
    "lookup": within(lambda: submitting.find_lost_submissions(CLUSTER, "plgalice", [TOKEN], 60, sbatch_is_over=True)),
    "describe": within(lambda: submitting.describe(CLUSTER, "plgalice", 12)),
    "slurm_name": within(lambda: gateway.slurm_name(CLUSTER, "plgalice")),
    "cancel_elsewhere": within(lambda: gateway.cancel_elsewhere(CLUSTER, "plgalice", Accepted(12, "zeus"))),
    "cancel": within(lambda: gateway.cancel(CLUSTER, "plgalice", 12, 60)),
    "cancel_together": within(lambda: gateway.cancel_together(CLUSTER, "plgalice", [(12, 60), (13, 60)])),
    "inspect": within(lambda: gateway.inspect(CLUSTER, "plgalice", 12, 60)),
    "inspect_together": within(lambda: gateway.inspect_together(CLUSTER, "plgalice", [(12, 60), (13, 60)])),
    "starts": within(lambda: gateway.task_starts(CLUSTER, "plgalice", 12, 60, earliest=1, hosts=True)),
    "ping": within(lambda: gateway.ping(CLUSTER, "plgalice")),
    "tidy": within(lambda: submitting.clean_remote_directory(CLUSTER, "plgalice")),
}

MARKER = b"<marker>"
pieces = st.sampled_from(
    [b"\n" + MARKER + b" 0\n"] * 20
    + [MARKER + b"\n", b"\n" + MARKER + b" 1\n", b"\n" + MARKER + b" 124\n"]
    + [b"\n" + MARKER + b" " + status + b"\n" for status in (b"", b"x", b"9" * 5_000, "٣".encode(), b"-1", b"0 0")]
    + [b"12\n", b"12;zeus\n", b"9" * 5_000 + b"\n", b"0\n", "٣\n".encode(), b"\0", b"\xff\n", b"fenced\n", b"claimed\n"]
    + [LINE, LINE.replace(b"1795518919", b"9" * 20), b"JobId=12 JobName=x\n   StdOut=/a\n   SubmitTime=yesterday\n"]
    + [b"12 " + b"9" * 5_000 + b"\n", b"12|/" + TOKEN.encode() + b"/x\n", b"9" * 30 + b"|/" + TOKEN.encode() + b"/x\n"]
)
ended = st.sampled_from(
    [b"", b"\n" + MARKER + b" 0 end\n", b"\n" + MARKER + b" 1 end\n", b"\n" + MARKER + b" 0 end\nmore"]
)
stream = st.one_of(st.builds(bytes.__add__, st.lists(pieces, max_size=10).map(b"".join), ended), st.binary())


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@given(stream, st.sampled_from([None, None, KILLED, 0, 1, 255]))
def test_whatever_a_login_prints_nothing_but_a_cluster_error_leaves_the_gateway(
    verb: Callable[[Any], None], out: bytes, status: int | None
) -> None:
    with suppress(ClusterError):
        verb(lambda marker: (out.replace(MARKER, marker), status))
