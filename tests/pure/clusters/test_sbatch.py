"""What becomes of a submission, by what sbatch, the controller and accounting say."""

import datetime as dt
from pathlib import Path

import pytest

from clusters import sbatch
from clusters.errors import Failed, Malformed
from clusters.shell import Section

RECORDED = Path(__file__).parents[2] / "recorded" / "slurm-22.05"
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it names a submission and opens nothing
CONTROLLER = f"JobId=12 JobName=job.sh\n   Command=/home/plgalice/.job-submitter/{TOKEN}/job.sh\n"
COMMAND = f"/home/plgalice/.job-submitter/{TOKEN}/job.sh"
MARKER = "--0123456789abcdef0123456789abcdef--"


def new_job(job: int, name: str) -> sbatch.NewJob:
    new = sbatch.parse_new_job(job, [Section(b"noise", 0), Section((RECORDED / name).read_bytes(), 0)])
    assert new
    return new


def test_a_new_job_is_read_from_scontrol() -> None:
    assert new_job(20, "scontrol_job.txt") == sbatch.NewJob(
        "/home/plgalice/a b 20.out",
        "/home/plgalice/a b 20.out",
        dt.datetime.fromtimestamp(1795518919, dt.UTC),
        is_array=False,
    )


def test_a_new_array_is_read_with_a_place_for_the_task() -> None:
    new = new_job(19, "scontrol_array.txt")
    assert (new.stdout_path, new.is_array) == ("/home/plgalice/slurm-19_%a.out", True)


def array(*descriptions: str) -> sbatch.NewJob | None:
    """Read descriptions of tasks of the array 12, each the first line and the path of its output."""
    lines = [
        f"JobId={first} JobName=x\n   StdOut={path} \n   SubmitTime=1795518919 \n\n"
        for first, path in map(str.split, descriptions)
    ]
    return sbatch.parse_new_job(12, [Section("".join(lines).replace(",", " ").encode(), 0)])


def test_padding_stays_in_the_place_for_the_task() -> None:
    new = array("12,ArrayJobId=12 /home/plgalice/%3a/4294967294-%5a.out")
    assert new
    assert (new.stdout_path, new.stderr_path) == ("/home/plgalice/%3a/%a-%5a.out", "/home/plgalice/%3a/%a-%5a.out")


def test_an_array_is_read_from_the_tasks_that_wait_whatever_comes_first() -> None:
    new = array("13,ArrayJobId=12 /home/1.out", "112,ArrayJobId=112 /other", "12,ArrayJobId=12 /home/4294967294.out")
    assert new
    assert (new.stdout_path, new.is_array) == ("/home/%a.out", True)


def test_an_array_of_which_no_task_has_its_id_any_more_is_read_from_another() -> None:
    new = array("13,ArrayJobId=12 /home/1.out")
    assert new
    assert (new.stdout_path, new.is_array) == ("/home/1.out", True)
    assert array("13,ArrayJobId=112 /home/1.out") is None


def test_a_job_that_scontrol_does_not_show_is_not_described() -> None:
    failed = Section(b"slurm_load_jobs error: Invalid job id specified\n", 1)
    assert sbatch.parse_new_job(20, [failed]) is None
    assert sbatch.parse_new_job(21, [Section((RECORDED / "scontrol_job.txt").read_bytes(), 0)]) is None


def submission(output: str, status: int, *more: str) -> sbatch.Accepted | sbatch.Rejected:
    return sbatch.parse_submission(TOKEN, [Section(output.encode(), status), *(Section(m.encode(), 0) for m in more)])


@pytest.mark.parametrize("output", ["12\n", "12;zeus\n", "12", "Welcome\n12\n", "12\nsee you\n", "\udcff\n12\n"])
def test_an_id_and_success_is_a_job(output: str) -> None:
    found = Section(output.encode("utf-8", "surrogateescape"), 0)
    assert sbatch.parse_submission(TOKEN, [found]) == sbatch.Accepted(12)


def test_an_id_and_failure_is_a_job_if_slurm_knows_the_token() -> None:
    assert submission("12\n", 1, "oops", CONTROLLER) == sbatch.Accepted(12)
    with pytest.raises(Malformed):
        submission("12\n", 1, "oops", CONTROLLER.replace(TOKEN, "other"))


def test_no_id_and_failure_is_a_rejection_in_sbatchs_words() -> None:
    assert submission("half\n", 1, "sbatch: error: no\n") == sbatch.Rejected(1, "half", "sbatch: error: no\n")


def test_where_no_file_kept_the_errors_they_are_in_the_output() -> None:
    assert submission("sbatch: error: no\n", 1, "") == sbatch.Rejected(1, "", "sbatch: error: no\n")


@pytest.mark.parametrize(("output", "status"), [("", 0), ("12\n13\n", 0), ("x12\n", 0), ("", 124), ("", 137)])
def test_an_outcome_that_cannot_be_told_is_malformed(output: str, status: int) -> None:
    with pytest.raises(Malformed):
        submission(output, status)


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: Batch job submission failed: Unexpected message received",
    ],
)
def test_an_error_of_the_way_to_the_controller_leaves_the_outcome_open(words: str) -> None:
    with pytest.raises(Malformed):
        submission("", 1, words)
    with pytest.raises(Malformed):
        submission(words, 1, "")


def looked_up(
    trace: str, error: str = "", squeue: str = "", sacct: str = "", *, over: bool = False
) -> sbatch.Accepted | sbatch.Rejected | sbatch.NotSubmitted | None:
    found = [Section(text.encode(), 0) for text in (trace, error, squeue, sacct)]
    return sbatch.parse_lookup([TOKEN], found, sbatch_is_over=over).get(TOKEN)


def test_a_token_that_slurm_remembers_is_a_job_whatever_else_is_known() -> None:
    assert looked_up("nowhere\n", squeue=f"11|other\n12|{COMMAND}\n") == sbatch.Accepted(12)
    assert looked_up("fenced\n", sacct=f"12_[1-4]|/usr/bin/sbatch --parsable {COMMAND}\n") == sbatch.Accepted(12)
    assert looked_up(f"claimed\n{MARKER} 1\n", "no", squeue=f"12|{COMMAND}\n") == sbatch.Accepted(12)


@pytest.mark.parametrize("trace", [f"claimed\n12\n{MARKER} 0\n", "claimed\n12\n", "claimed\n12;zeus\n"])
def test_an_id_that_was_written_down_is_a_job(trace: str) -> None:
    assert looked_up(trace) == sbatch.Accepted(12)


def test_a_refusal_that_was_written_down_is_told_in_its_words() -> None:
    assert looked_up(f"claimed\n{MARKER} 1\n", "sbatch: error: no") == sbatch.Rejected(1, "", "sbatch: error: no")


def test_what_was_fenced_off_has_no_job_and_gets_none() -> None:
    assert looked_up("fenced\n") == sbatch.NotSubmitted()


@pytest.mark.parametrize(
    ("trace", "error"),
    [
        ("claimed\n", ""),
        ("nowhere\n", ""),
        (f"claimed\n{MARKER} 124\n", ""),
        (f"claimed\n{MARKER} 0\n", ""),
        (f"claimed\n{MARKER} 1\n", "Socket timed out on send/recv operation"),
        (f"claimed\n12\n{MARKER} 1\n", ""),
    ],
)
def test_missing_is_believed_only_once_sbatch_is_over(trace: str, error: str) -> None:
    assert looked_up(trace, error) is None
    assert looked_up(trace, error, over=True) == sbatch.NotSubmitted(error)


@pytest.mark.parametrize("broken", [2, 3])
def test_missing_is_not_believed_unless_squeue_and_sacct_both_answered(broken: int) -> None:
    found = [Section(b"fenced\n", 0), Section(b"", 0), Section(b"", 0), Section(b"", 0)]
    found[broken] = Section(b"Unable to contact slurm controller", 1)
    with pytest.raises(Failed):
        sbatch.parse_lookup([TOKEN], found, sbatch_is_over=True)
    with pytest.raises(Failed):
        sbatch.parse_lookup([TOKEN], found[:broken], sbatch_is_over=True)
