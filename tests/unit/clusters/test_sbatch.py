"""What becomes of a submission, by what sbatch, the controller and accounting say."""

import datetime as dt
from pathlib import Path

import pytest

from clusters.errors import Failed, Malformed
from clusters.slurm import description, lookup, sbatch
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.slurm.shell import Section

RECORDED = Path(__file__).parents[2] / "recorded" / "slurm-22.05"
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it names a submission and opens nothing
CONTROLLER = f"JobId=12 JobName=job.sh\n   Command=/home/plgalice/.job-submitter/{TOKEN}/job.sh\n"
COMMAND = f"/home/plgalice/.job-submitter/{TOKEN}/job.sh"
MARKER = "--0123456789abcdef0123456789abcdef--"


def new_job(job: int, name: str) -> description.NewJob:
    new = description.parse_new_job(job, [Section(b"noise", 0), Section((RECORDED / name).read_bytes(), 0)])
    assert new
    return new


def test_a_new_job_is_read_from_scontrol() -> None:
    assert new_job(20, "scontrol_job.txt") == description.NewJob(
        "/home/plgalice/a b 20.out",
        "/home/plgalice/a b 20.out",
        dt.datetime.fromtimestamp(1795518919, dt.UTC),
        is_array=False,
    )


def test_a_new_array_is_read_with_a_place_for_the_task() -> None:
    new = new_job(19, "scontrol_array.txt")
    assert (new.stdout_path, new.is_array) == ("/home/plgalice/slurm-19_%a.out", True)


def array(*descriptions: str) -> description.NewJob | None:
    """Read descriptions of tasks of the array 12, each the first line and the path of its output."""
    lines = [
        f"JobId={first} JobName=x\n   StdOut={path} \n   SubmitTime=1795518919 \n\n"
        for first, path in map(str.split, descriptions)
    ]
    return description.parse_new_job(12, [Section("".join(lines).replace(",", " ").encode(), 0)])


@pytest.mark.parametrize("time", ["yesterday", "INVALID", "2026-05-01T10:00:00", "9" * 300])
def test_a_time_that_cannot_be_read_leaves_the_files(time: str) -> None:
    printed = f"JobId=12 JobName=x\n   StdOut=/home/a.out\n   SubmitTime={time} \n"
    new = description.parse_new_job(12, [Section(printed.encode(), 0)])
    assert new
    assert (new.stdout_path, new.submitted_at) == ("/home/a.out", None)
    assert new.complaint == f"scontrol: SubmitTime={time[:40]!r}"


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
    assert description.parse_new_job(20, [failed]) is None
    assert description.parse_new_job(21, [Section((RECORDED / "scontrol_job.txt").read_bytes(), 0)]) is None


def submission(output: str, status: int, *more: str) -> sbatch.Accepted | sbatch.Rejected:
    return sbatch.parse_submission(TOKEN, [Section(output.encode(), status), *(Section(m.encode(), 0) for m in more)])


@pytest.mark.parametrize("output", ["12\n", "12", "Welcome\n12\n", "12\nsee you\n", "\udcff\n12\n", "12\n13; x\n"])
def test_an_id_and_success_is_a_job(output: str) -> None:
    found = Section(output.encode("utf-8", "surrogateescape"), 0)
    assert sbatch.parse_submission(TOKEN, [found]) == sbatch.Accepted(12)


@pytest.mark.parametrize("name", ["zeus", "a.b-c_9", "x" * 64])
def test_behind_the_id_is_the_name_of_the_cluster_that_has_the_job(name: str) -> None:
    assert submission(f"12;{name}\n", 0) == sbatch.Accepted(12, name)
    assert looked_up(f"claimed\n12;{name}\n") == sbatch.Accepted(12, name)
    assert sbatch.accepted(f"12;{name}") == [sbatch.Accepted(12, name)]


@pytest.mark.parametrize("name", ["", " ", "a b", "-M", "$(id)", "a;b", "żeus", "x" * 65, "a\0"])
def test_what_is_no_name_of_a_cluster_makes_no_job_of_a_number(name: str) -> None:
    with pytest.raises(Malformed):
        submission(f"12;{name}\n", 0)
    assert sbatch.accepted(f"12;{name}") == []


def without_id(own: str = "", everybody: str = "", *, statuses: tuple[int, int] = (0, 0)) -> object:
    listings = [Section(text.encode(), status) for text, status in zip((own, everybody), statuses, strict=True)]
    return sbatch.parse_submission(TOKEN, [Section(b"", 0), Section(b"Job 12 to start at", 0), *listings])


def test_an_sbatch_that_ends_well_without_an_id_has_submitted_nothing_if_no_controller_has_a_job() -> None:
    found = without_id("11|/other/job.sh\n", "11|/other/job.sh\n13|(null)\n")
    assert found == sbatch.Rejected(0, "", "Job 12 to start at", "sbatch ended without submitting a job")


def test_an_sbatch_that_ends_well_without_an_id_has_the_job_that_the_controller_has() -> None:
    assert without_id(f"12|{COMMAND}\n", f"12|{COMMAND}\n") == sbatch.Accepted(12)


@pytest.mark.parametrize("statuses", [(1, 0), (0, 1)])
def test_an_sbatch_without_an_id_leaves_the_outcome_open_where_a_controller_does_not_answer(
    statuses: tuple[int, int],
) -> None:
    with pytest.raises(Malformed):
        without_id(statuses=statuses)
    with pytest.raises(Malformed):
        submission("", 0, "Job 12 to start at", "")


def test_an_sbatch_that_ends_well_without_an_id_has_the_job_that_another_cluster_has() -> None:
    listing = f"CLUSTER: athena\nJOBID|COMMAND\n\nCLUSTER: prometheus\nJOBID|COMMAND\n12|{COMMAND}\n"
    assert without_id("", listing) == sbatch.Accepted(12, "prometheus")


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
    return lookup.parse_lookup([TOKEN], found, sbatch_is_over=over).get(TOKEN)


def test_a_token_that_slurm_remembers_is_a_job_whatever_else_is_known() -> None:
    assert looked_up("nowhere\n", squeue=f"11|other\n12|{COMMAND}\n") == sbatch.Accepted(12)
    assert looked_up("fenced\n", sacct=f"12_[1-4]|/usr/bin/sbatch --parsable {COMMAND}\n") == sbatch.Accepted(12)
    assert looked_up(f"claimed\n{MARKER} 1\n", "no", squeue=f"12|{COMMAND}\n") == sbatch.Accepted(12)


@pytest.mark.parametrize("trace", [f"claimed\n12\n{MARKER} 0\n", "claimed\n12\n"])
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
        (f"claimed\n{MARKER} 1\n", "Socket timed out on send/recv operation"),
        (f"claimed\n12\n{MARKER} 1\n", ""),
    ],
)
def test_missing_is_believed_only_once_sbatch_is_over(trace: str, error: str) -> None:
    assert looked_up(trace, error) is None
    assert looked_up(trace, error, over=True) == sbatch.NotSubmitted(error)


def test_an_sbatch_that_ended_well_without_an_id_is_told_so_once_it_is_certain() -> None:
    trace = f"claimed\n{MARKER} 0\n"
    assert looked_up(trace, "words") is None
    assert looked_up(trace, "words", over=True) == sbatch.Rejected(
        0, "", "words", "sbatch ended without submitting a job"
    )


def elsewhere(queue: str, history: str, *statuses: int) -> dict[str, sbatch.Accepted]:
    found = zip((queue, history), statuses or (0, 0), strict=True)
    return lookup.parse_lookup_elsewhere([TOKEN], [Section(text.encode(), status) for text, status in found])


def test_controllers_and_accounting_tell_which_cluster_has_a_submission() -> None:
    job = {TOKEN: sbatch.Accepted(12, "prometheus")}
    queue = f"CLUSTER: zeus\nJOBID|COMMAND\n11|x\n\nCLUSTER: prometheus\nJOBID|COMMAND\n12|{COMMAND}\n"
    history = f"zeus|11|sbatch other\nprometheus|12_[1-4]|sbatch --parsable {COMMAND}\nprometheus|12_1|{COMMAND}\n"
    assert elsewhere(queue, "") == elsewhere("", history) == elsewhere(queue, history) == job
    assert elsewhere("", "") == elsewhere(f"12|{COMMAND}\n", f"a b|12|{COMMAND}\n") == {}
    for statuses in ((1, 0), (0, 1)):
        with pytest.raises(Failed):
            elsewhere(queue, history, *statuses)
    with pytest.raises(Malformed):
        elsewhere("", f"zeus|{'9' * 30}|{COMMAND}\n")


def test_scontrol_tells_what_slurm_calls_the_cluster() -> None:
    text = "Configuration data as of 1795549454\nClusterName             = zeus\nCommunicationParameters = (null)\n"
    assert sbatch.parse_name([Section(text.encode(), 0)]) == "zeus"
    for other in ("", "ClusterName = \n", "ClusterName = a b\n"):
        with pytest.raises(Malformed):
            sbatch.parse_name([Section(other.encode(), 0)])
    with pytest.raises(Failed):
        sbatch.parse_name([Section(text.encode(), 1)])


@pytest.mark.parametrize("broken", [2, 3])
def test_missing_is_not_believed_unless_squeue_and_sacct_both_answered(broken: int) -> None:
    found = [Section(b"fenced\n", 0), Section(b"", 0), Section(b"", 0), Section(b"", 0)]
    found[broken] = Section(b"Unable to contact slurm controller", 1)
    with pytest.raises(Failed):
        lookup.parse_lookup([TOKEN], found, sbatch_is_over=True)
    with pytest.raises(Failed):
        lookup.parse_lookup([TOKEN], found[:broken], sbatch_is_over=True)


@pytest.mark.parametrize("status", [124, 129, 130, 137, 139, 143, 192, 257, 265, 271])
def test_an_sbatch_that_was_ended_may_have_reached_the_controller(status: int) -> None:
    with pytest.raises(Malformed):
        sbatch.parse_submission(TOKEN, [Section(b"", status), Section(b"slurmstepd: gone\n", 0)])


@pytest.mark.parametrize("status", [1, 2, 126, 127, 255])
def test_an_sbatch_that_ends_with_an_error_is_a_refusal(status: int) -> None:
    outcome = sbatch.parse_submission(TOKEN, [Section(b"", status), Section(b"sbatch: error: no\n", 0)])
    assert outcome == Rejected(status, "", "sbatch: error: no\n")


@pytest.mark.parametrize("status", [0, 1])
def test_an_sbatch_that_says_nothing_is_asked_of_slurm(status: int) -> None:
    """`#SBATCH --quiet` tells no id, and with `--wait` sbatch ends as the job does."""
    job = f"77|/home/x/.job-submitter/{TOKEN}/job.sh\n".encode()
    said = [Section(b"", status), Section(b"", 0)]
    assert sbatch.parse_submission(TOKEN, [*said, Section(job, 0), Section(b"", 0)]) == Accepted(77)
    assert isinstance(sbatch.parse_submission(TOKEN, [*said, Section(b"", 0), Section(b"", 0)]), Rejected)
    with pytest.raises(Malformed):
        sbatch.parse_submission(TOKEN, [*said, Section(b"", 1), Section(b"", 1)])
