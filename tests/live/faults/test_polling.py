"""What happens to SLURM, the workers, Redis and PostgreSQL while jobs are followed: no status is guessed or missed."""

import shelve
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from sandbox.commands import run
from tests.live.faults.client import Client, Posted
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually

_AWAY = 'echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1'


def submitted(caller: Client, lane: Lane) -> Posted:
    posted = caller.post(lane)
    assert posted.code == 201, posted.body
    return posted


def cancelled_behind_our_back(lane: Lane, posted: Posted) -> None:
    run(["scancel", str(posted.slurm_id)], env={"SLURM_CONF": lane.slurm_conf})


def status(caller: Client, posted: Posted) -> str:
    answer = caller.call("GET", f"/api/jobs/{posted.body['job_id']}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def turns_aborted(caller: Client, posted: Posted, *, seconds: float = 40) -> None:
    eventually(lambda: status(caller, posted) == "ABORTED", "the job is ABORTED", seconds=seconds)


def complaint(instance: Instance, lane: Lane) -> str:
    """Return what the registry keeps as the last error of asking this cluster."""
    rows = instance.registry.execute(
        "SELECT error FROM clusters_poll p JOIN clusters_cluster c ON c.id = p.cluster_id WHERE c.name = %s", lane.host
    )
    return "".join(str(error) for (error,) in rows)


def test_a_worker_killed_in_the_middle_of_a_look_is_followed_by_another(
    caller: Client, lane: Lane, instance: Instance
) -> None:
    gate = lane.hold_before("squeue")
    posted = submitted(caller, lane)
    gate.reached()
    instance.worker.kill()
    gate.open()
    cancelled_behind_our_back(lane, posted)
    instance.worker.start()
    turns_aborted(caller, posted)


def test_an_emptied_redis_delays_and_loses_nothing(caller: Client, lane: Lane, instance: Instance) -> None:
    posted = submitted(caller, lane)
    for _ in range(3):
        instance.redis.flush()
    cancelled_behind_our_back(lane, posted)
    turns_aborted(caller, posted)


def test_while_beat_is_down_nothing_moves_and_then_everything_does(
    caller: Client, lane: Lane, instance: Instance
) -> None:
    posted = submitted(caller, lane)
    instance.beat.kill()
    try:
        time.sleep(2)  # orders that were given already
        cancelled_behind_our_back(lane, posted)
        time.sleep(3)
        assert status(caller, posted) == "QUEUED"
    finally:
        instance.beat.start()
    turns_aborted(caller, posted)


def asked_by_squeue(lane: Lane, body: str = 'exec "$real" "$@"') -> Callable[[], int]:
    """Return what counts how often squeue has been run since now; `body` is what it does."""
    notes = lane.folder / "gates" / "asked"
    notes.touch(0o666)
    notes.chmod(0o666)
    lane.replace("squeue", f"echo . >> {notes}; {body}")
    return lambda: len(notes.read_text().split())


def test_ten_minutes_without_beat_are_followed_by_one_look_and_no_burst(
    caller: Client, lane: Lane, instance: Instance
) -> None:
    asked = asked_by_squeue(lane)
    submitted(caller, lane)
    eventually(asked, "squeue was asked")
    instance.beat.stop()  # it writes down when it has last ordered what
    try:
        time.sleep(2)  # orders that were given already
        ten_minutes_pass(instance)
        before, orders = asked(), instance.beat.log.read_text().count("poll-clusters")
    finally:
        instance.beat.start()
    eventually(lambda: asked() > before, "squeue is asked again")
    time.sleep(6)
    assert asked() - before <= 5, "every two seconds at most"
    eventually(lambda: asked() - before >= 2, "it goes on")
    assert instance.beat.log.read_text().count("poll-clusters") - orders <= 15, "every second"


def ten_minutes_pass(instance: Instance) -> None:
    """Move what the service and its beat (which is down) remember of the time ten minutes back."""
    instance.registry.execute(
        "UPDATE clusters_poll SET due_at = due_at - interval '10 min', succeeded_at = succeeded_at - interval '10 min'"
    )
    with shelve.open(str(instance.folder / "beat" / "schedule")) as kept:  # noqa: S301 - our own beat wrote it
        entries = kept["entries"]
        for entry in entries.values():
            entry.last_run_at -= timedelta(minutes=10)
        kept["entries"] = entries


def test_looks_that_take_longer_than_the_interval_do_not_pile_up(
    caller: Client, lane: Lane, instance: Instance
) -> None:
    ends = lane.folder / "gates" / "ends"
    asked = asked_by_squeue(lane, f'sleep 3; "$real" "$@"; status=$?; echo . >> {ends}; exit $status')
    posted = submitted(caller, lane)
    seen = "SELECT slurm_state FROM jobs_job WHERE job_id = %s"
    job_id = posted.body["job_id"]
    deadline = time.monotonic() + 14  # seven intervals
    while time.monotonic() < deadline:
        begun = asked()
        assert begun - (len(ends.read_text().split()) if ends.exists() else 0) <= 1, "one at a time"
        time.sleep(0.2)
    assert asked() == 1, "a look takes at most a fifth of the time"
    assert instance.registry.execute(seen, job_id) == [("PENDING",)]


def test_postgresql_may_be_restarted(caller: Client, lane: Lane, instance: Instance) -> None:
    posted = submitted(caller, lane)
    instance.postgres.daemon.stop(signal.SIGINT)
    cancelled_behind_our_back(lane, posted)
    instance.postgres.daemon.start()
    instance.web.wait()
    turns_aborted(caller, posted)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('"$real" "$@" | head -c 12; exit 0', "not understood"),
        ('"$real" "$@" | head -c 12; kill -9 $PPID', ""),
        (_AWAY, "Unable to contact"),
        ("exit 0", ""),
    ],
    ids=["cut in the middle of a line", "cut with its shell", "controller away", "nothing at all"],
)
def test_an_answer_that_is_no_answer_changes_nothing(
    caller: Client, lane: Lane, instance: Instance, body: str, words: str
) -> None:
    posted = submitted(caller, lane)
    lane.replace("sacct", "exit 1")
    lane.replace("squeue", body)
    if words:
        eventually(lambda: words in complaint(instance, lane), "the error is shown", seconds=20)
    else:
        time.sleep(4)
    assert status(caller, posted) == "QUEUED"
    lane.restore()
    cancelled_behind_our_back(lane, posted)
    turns_aborted(caller, posted)


@pytest.mark.parametrize("body", ["exit 1", "sleep 60; exit 1"], ids=["down", "slow by a minute"])
def test_without_accounting_the_controllers_word_is_enough(
    caller: Client, lane: Lane, instance: Instance, body: str
) -> None:
    instance.registry.change(lane.host, command_timeout=10)
    posted = submitted(caller, lane)
    lane.replace("sacct", body)
    cancelled_behind_our_back(lane, posted)
    turns_aborted(caller, posted)
    assert complaint(instance, lane)
    lane.restore()
    confirmed = "SELECT accounting_confirmed FROM jobs_job WHERE job_id = %s"
    job_id = posted.body["job_id"]
    eventually(lambda: instance.registry.execute(confirmed, job_id) == [(True,)], "accounting confirms", seconds=60)


def test_two_beats_do_not_ask_twice(caller: Client, lane: Lane, instance: Instance) -> None:
    asked = asked_by_squeue(lane)
    submitted(caller, lane)
    eventually(asked, "squeue was asked")
    instance.second_beat.start()
    try:
        before = asked()
        time.sleep(10)
        times = asked() - before
        eventually(lambda: asked() - before >= 2, "it goes on")
    finally:
        instance.second_beat.kill()
    assert times <= 6, "every two seconds at most"
