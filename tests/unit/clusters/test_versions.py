"""What the agent answers is read alike whichever version of SLURM it has asked."""

import hashlib

import pytest

from clusters import job_requests
from clusters.slurm import description, listings, lookup, sbatch, starts
from clusters.slurm.records import Record
from clusters.slurm.shell import Section
from tests.recorded import EVERY, Recording
from tests.unit.clusters.logins import CLUSTER

every_version = pytest.mark.parametrize("recording", EVERY, ids=str)
SUBMITLINE_IS_MISSING = {"20.11"}


def token(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


@every_version
@pytest.mark.parametrize("look", ["look_early", "look_end"])
def test_every_line_of_a_look_is_read(recording: Recording, look: str) -> None:
    squeue, codes, sacct = recording.sections(look)
    assert (squeue.status, codes.status, sacct.status) == (0, 0, 0)
    queue, history = listings.parse_queue(squeue.text), listings.parse_history(sacct.text)
    assert (queue.complaint, history.complaint) == ("", "")
    assert len(queue.records) == squeue.text.count("\n")
    assert len(history.records) == sacct.text.count("\n")
    assert {record.user for record in (*queue.records, *history.records)} == {"plgalice"}


@every_version
def test_the_controllers_exit_codes_are_read_of_every_job(recording: Recording) -> None:
    squeue, codes, _sacct = recording.sections("look_early")
    statuses = listings.parse_exit_codes([codes])
    assert set(statuses) == {record.name for record in listings.parse_queue(squeue.text).records}
    jobs = recording.jobs
    assert [statuses[str(jobs[name])] for name in ("finished", "failed", "killed")] == [0, 3 << 8, 9]


@every_version
def test_a_version_is_told(recording: Recording) -> None:
    version, controller = recording.sections("ping")
    assert version.text.startswith(f"slurm-wlm {recording.version}.")
    assert "is UP" in controller.text


def told_of(recording: Recording, name: str, found: list[Section]) -> list[Record]:
    """Return what is read of the job `name`, or of 4000000 where that is none of the recording's."""
    subject = job_requests._Subject(CLUSTER, "plgalice", recording.jobs.get(name, 4_000_000), 3600)
    [records] = job_requests._records_of_each([subject], found)
    return records


@every_version
@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("begins_later", {"CANCELLED"}),
        ("to_cancel", {"COMPLETING", "CANCELLED"}),
        ("finished", {"COMPLETED"}),
        ("array_waiting", {"COMPLETED", "FAILED", "COMPLETING", "CANCELLED"}),
        ("parts_running", {"COMPLETING", "CANCELLED"}),
    ],
)
def test_cancelling_tells_what_became_of_the_job(recording: Recording, name: str, states: set[str]) -> None:
    scancel, *rest = recording.sections(f"cancel_{name}")
    assert scancel.status == 0
    records = told_of(recording, name, rest)
    assert {record.job for record in records} == {recording.jobs[name]}
    assert {record.state for record in records} <= states


@every_version
def test_one_job_is_told_by_the_controller_and_once_forgotten_by_accounting(recording: Recording) -> None:
    jobs = {"running": "running", "forgotten": "finished", "unknown": ""}
    of = {name: told_of(recording, job, recording.sections(f"inspect_{name}")) for name, job in jobs.items()}
    assert [(record.state, record.from_accounting) for record in of["running"]] == [("RUNNING", False)]
    assert [(record.state, record.from_accounting) for record in of["forgotten"]] == [("COMPLETED", True)]
    assert of["unknown"] == []


def described(recording: Recording, name: str) -> description.NewJob:
    new = description.parse_new_job(recording.jobs[name], recording.sections(f"describe_{name}"))
    assert new
    return new


@every_version
def test_a_job_is_described_with_both_of_its_files(recording: Recording) -> None:
    job = recording.jobs["running"]
    new = described(recording, "running")
    assert new.stdout_path == new.stderr_path == f"/home/plgalice/slurm-{job}.out"
    assert new.submitted_at
    assert not new.is_array
    own, job = described(recording, "own_files"), recording.jobs["own_files"]
    assert (own.stdout_path, own.stderr_path) == (f"/home/plgalice/a b-{job}.out", "/home/plgalice/name.err")


@every_version
def test_an_array_is_described_with_a_place_for_the_task_also_while_tasks_run(recording: Recording) -> None:
    job = recording.jobs["array_waiting"]
    new = described(recording, "array_waiting")
    assert (new.stdout_path, new.is_array) == (f"/home/plgalice/slurm-{job}_%a.out", True)


@every_version
def test_what_is_unknown_is_not_described(recording: Recording) -> None:
    assert description.parse_new_job(4_000_000, recording.sections("describe_unknown")) is None


@pytest.mark.parametrize("recording", [recording for recording in EVERY if recording.has("describe_many")], ids=str)
def test_jobs_that_are_described_together_are_told_apart(recording: Recording) -> None:
    """They are a job, one that never was, an array, and a job with files of its own: scontrol echoes each question."""
    found = recording.sections("describe_many")
    asked = [
        int(line.rpartition(" ")[2]) for line in found[0].text.split("\n") if line.startswith("scontrol: show job ")
    ]
    described = [description.parse_new_job(job, found) for job in asked]
    told = [(new.stdout_path.rpartition("/")[2], new.is_array) if new else None for new in described]
    job, _unknown, array, own = asked
    assert told == [(f"slurm-{job}.out", False), None, (f"slurm-{array}_%a.out", True), (f"a b-{own}.out", False)]


@pytest.mark.parametrize("recording", [recording for recording in EVERY if recording.has("inspect_many")], ids=str)
def test_jobs_that_are_inspected_together_are_told_apart(recording: Recording) -> None:
    found = recording.sections("inspect_many")
    jobs = sorted({record.job for record in listings.parse_queue(found[0].text).records})
    subjects = [job_requests._Subject(CLUSTER, "plgalice", job, 3600) for job in (*jobs, 4_000_000)]
    records = job_requests._records_of_each(subjects, found)
    assert [{record.job for record in each} for each in records] == [*({job} for job in jobs), set()]
    assert [len(each) for each in records] == [found[0].text.count(str(job)) for job in jobs] + [0]


def looked_up(recording: Recording, name: str, trace: Section) -> object:
    """Return what is found of the submission of `name`, whose token's directory says `trace`."""
    squeue, sacct = recording.sections("lookup")[-2:]
    found = [trace, Section(b"", 0), squeue, sacct]
    return lookup.parse_lookup([token(name)], found, sbatch_is_over=True)[token(name)]


@every_version
def test_a_lost_submission_is_found_by_the_controllers_memory(recording: Recording) -> None:
    tokens = [token(name) for name in ("finished", "running", "nowhere")]
    found = lookup.parse_lookup(tokens, recording.sections("lookup"), sbatch_is_over=True)
    assert found[token("running")] == sbatch.Accepted(recording.jobs["running"])
    assert found[token("nowhere")] == sbatch.NotSubmitted()


@every_version
def test_a_lost_submission_that_the_controller_forgot_is_found_all_the_same(recording: Recording) -> None:
    job = recording.jobs["finished"]
    assert looked_up(recording, "finished", Section(f"claimed\n{job}\n".encode(), 0)) == sbatch.Accepted(job)
    by_accounting = looked_up(recording, "finished", Section(b"claimed\n", 0))
    if recording.version in SUBMITLINE_IS_MISSING:  # then the id that was written down is all there is
        assert by_accounting == sbatch.NotSubmitted()
    else:
        assert by_accounting == sbatch.Accepted(job)


@every_version
def test_a_submission_is_read(recording: Recording) -> None:
    _cd, said, scontrol = recording.sections("submit")
    accepted = sbatch.parse_submission(token("submit"), [said])
    assert isinstance(accepted, sbatch.Accepted)
    assert token("submit") in scontrol.text
    new = description.parse_new_job(accepted.job, [scontrol])
    assert new
    assert new.stdout_path == new.stderr_path == f"/home/plgalice/slurm-{accepted.job}.out"


@every_version
def test_a_refusal_is_read_in_sbatchs_words(recording: Recording) -> None:
    _cd, said, words = recording.sections("submit_refused")
    refused = sbatch.parse_submission(token("submit_refused"), [said, words])
    assert isinstance(refused, sbatch.Rejected)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "invalid partition specified: nowhere" in refused.stderr


@pytest.mark.parametrize("recording", [recording for recording in EVERY if recording.has("starts_array")], ids=str)
def test_the_tasks_that_have_started_are_read_with_their_own_ids(recording: Recording) -> None:
    array = recording.sections("starts_array")
    job = int(array[0].text.partition("_")[0])
    told = starts.parse_starts(job, array, 1)
    assert [(task.number, task.array) for task in told.tasks] == [(1, job), (2, job)]
    assert len({task.job for task in told.tasks} | {job}) == 3
    assert {task.host for task in told.tasks} == {array[2].text.split("|")[1].split("\n")[0].strip()}
    alone = recording.sections("starts_job")
    number = int(alone[1].text.partition("|")[0])
    assert [(task.job, task.number) for task in starts.parse_starts(number, alone, 1).tasks] == [(number, None)]
    assert starts.parse_starts(4_000_000, recording.sections("starts_unknown"), 1) == starts.Starts(
        known=False, tasks=()
    )
