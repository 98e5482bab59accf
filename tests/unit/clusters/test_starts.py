"""Which tasks of a job have started is read from what squeue, sacct and sinfo say."""

import pytest

from clusters.errors import ClusterError, Failed, Malformed
from clusters.slurm import starts
from clusters.slurm.filenames import Task
from clusters.slurm.shell import Section

THEN, SINCE = 1795518919, 1795518900


def parse(queue: str, history: str = "", nodes: str | None = None, *, failed: int = 0) -> starts.Starts:
    found = [Section(queue.encode(), failed), Section(history.encode(), 0)]
    if nodes is not None:
        found.append(Section(nodes.encode(), 0))
    return starts.parse_starts(20, found, SINCE)


def test_the_tasks_of_an_array_have_their_own_ids_and_hosts() -> None:
    queue = f"20_[5-6%2]|20|{THEN}|\n20_4|32|{THEN}|n[01-02]\n"
    history = f"20_3|31|{THEN}|n02\n20_4|32|{THEN}|None assigned\n20_[5-6]|20|{THEN}|None assigned\n"
    told = parse(queue, history, "n01|one.example.org\nn02|two\n")
    assert told == starts.Starts(known=True, tasks=(Task(31, 20, 3, "two"), Task(32, 20, 4, "one")))


def test_what_waits_or_was_cancelled_before_it_began_has_not_started() -> None:
    history = f"20_3|31|{THEN}|None assigned\n20_[4-5]|20|{THEN}|\n"
    assert parse("", history) == starts.Starts(known=True, tasks=())


def test_a_job_has_no_number_and_what_was_queued_again_has_started() -> None:
    history = f"20|20|{THEN}|n1\n20|20|{THEN + 5}|n[2-3]\n"
    assert parse(f"20|20|{THEN + 9}|\n", history).tasks == (Task(20, 20, None, "n2"),)


def test_of_a_heterogeneous_job_the_first_part_has_the_script() -> None:
    assert parse(f"20+0|20|{THEN}|n1\n20+1|21|{THEN}|n2\n").tasks == (Task(20, 20, None, "n1"),)


def test_an_earlier_job_with_the_same_id_is_another() -> None:
    assert parse("", f"20_1|20|{SINCE - 1}|n1\n") == starts.Starts(known=False, tasks=())


def test_a_job_that_the_controller_has_forgotten_is_in_accounting() -> None:
    words = "slurm_load_jobs error: Invalid job id specified\n"
    assert parse(words, f"20|20|{THEN}|n1\n", failed=1).tasks == (Task(20, 20, None, "n1"),)
    assert parse(words, failed=1) == starts.Starts(known=False, tasks=())


def test_a_question_that_failed_is_no_answer() -> None:
    with pytest.raises(Failed, match="Unable to contact"):
        parse("slurm_load_jobs error: Unable to contact slurm controller\n", failed=1)
    with pytest.raises(Failed):
        starts.parse_starts(20, [Section(b"", 0)], SINCE)


@pytest.mark.parametrize(
    "line", ["20|20|x|n1", "20_x|20|1|n1", "20", "20|4294967296||n1", "20|20|1|n1|more", "20_[9-1]|20|1|"]
)
def test_a_line_that_is_none_is_malformed(line: str) -> None:
    with pytest.raises(Malformed):
        parse(line)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n1", "n1"),
        ("n[1-3]", "n1"),
        ("n[001,007-9],m2", "n001"),
        ("login,n[1-3]", "login"),
        ("r[1-2]n[3-4]x", "r1n3x"),
        ("n1.example.org", "n1"),
        ("n[", "n"),
        ("/etc", None),
        ("x" * 300, None),
        ("\x1b[2J", None),
    ],
)
def test_the_script_runs_on_the_first_host(nodes: str, first: str | None) -> None:
    [task] = parse(f"20|20|{THEN}|{nodes}\n").tasks
    assert task.host == first


def test_whatever_is_printed_is_tasks_or_an_error() -> None:
    for text in ("|||", "20_1|1|1|[", "\0", "20_4294967294|1|2|" + "[" * 1000):
        try:
            told = parse(text, text, text)
        except ClusterError:
            continue
        assert all(task.host is None or len(task.host) <= 255 for task in told.tasks)
