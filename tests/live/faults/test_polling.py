"""What happens to SLURM, the workers, Redis and PostgreSQL while jobs are followed: no status is guessed or missed."""

import shelve
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from sandbox.commands import run
from tests.harness.client import Client, Posted
from tests.harness.daemon import Daemon
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import INTERVAL, Instance
from tests.harness.waiting import eventually

_ORDERED = (
    "SELECT count(*) FROM clusters_poll p JOIN clusters_cluster c ON c.id = p.cluster_id "
    "WHERE c.name = %s AND ordered_at IS NOT NULL"
)
_AWAY = 'echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1'


def submitted(caller: Client, cluster: FaultCluster) -> Posted:
    posted = caller.post(cluster)
    assert posted.code == 201, posted.body
    return posted


def cancelled_behind_our_back(cluster: FaultCluster, posted: Posted) -> None:
    run(["scancel", str(posted.slurm_id)], env={"SLURM_CONF": cluster.slurm_conf})


def status(caller: Client, posted: Posted) -> str:
    answer = caller.call("GET", f"/api/jobs/{posted.body['job_id']}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


def turns_aborted(caller: Client, posted: Posted, *, seconds: float = 40) -> None:
    eventually(lambda: status(caller, posted) == "ABORTED", "the job is ABORTED", seconds=seconds)


def complaint(instance: Instance, cluster: FaultCluster) -> str:
    """Return what the registry keeps as the last error of asking this cluster."""
    rows = instance.registry.execute(
        "SELECT error FROM clusters_poll p JOIN clusters_cluster c ON c.id = p.cluster_id WHERE c.name = %s",
        cluster.host,
    )
    return "".join(str(error) for (error,) in rows)


def test_a_worker_killed_in_the_middle_of_a_look_is_followed_by_another(
    caller: Client, cluster: FaultCluster, instance: Instance
) -> None:
    gate = cluster.hold_before("squeue")
    posted = submitted(caller, cluster)
    gate.reached()
    instance.worker.kill()
    gate.open()
    cancelled_behind_our_back(cluster, posted)
    instance.registry.let_minutes_pass()  # the order is given again when nobody has carried it out for half a minute
    instance.worker.start()
    turns_aborted(caller, posted)


def test_an_emptied_redis_delays_and_loses_nothing(caller: Client, cluster: FaultCluster, instance: Instance) -> None:
    posted = submitted(caller, cluster)
    for _ in range(3):
        instance.redis.flush()
    cancelled_behind_our_back(cluster, posted)
    turns_aborted(caller, posted)


def test_while_beat_is_down_nothing_moves_and_then_everything_does(
    caller: Client, cluster: FaultCluster, instance: Instance
) -> None:
    posted = submitted(caller, cluster)
    instance.beat.kill()
    try:
        orders_are_carried_out(instance, cluster)
        cancelled_behind_our_back(cluster, posted)
        time.sleep(2 * INTERVAL)
        assert status(caller, posted) == "QUEUED"
    finally:
        instance.beat.start()
    turns_aborted(caller, posted)


def orders_are_carried_out(instance: Instance, cluster: FaultCluster) -> None:
    """Wait until no order to poll is left that was given already; what no worker takes within a tick is void."""
    time.sleep(INTERVAL)
    eventually(lambda: instance.registry.execute(_ORDERED, cluster.host) == [(0,)], "every order was carried out")


def asked_by_squeue(cluster: FaultCluster, body: str = 'exec "$real" "$@"') -> Callable[[], int]:
    """Return what counts how often squeue has been run since now; `body` is what it does."""
    begun = begun_by_squeue(cluster, body)
    return lambda: len(begun())


def begun_by_squeue(cluster: FaultCluster, body: str) -> Callable[[], list[float]]:
    """Return what tells when squeue has been run since now, in seconds since the epoch; `body` is what it does."""
    notes = cluster.folder / "gates" / "begun"
    notes.touch(0o666)
    notes.chmod(0o666)
    cluster.replace("squeue", f"date +%s.%N >> {notes}; {body}")
    return lambda: [float(line) for line in notes.read_text().split()]


@contextmanager
def no_more_than_one_an_interval(asked: Callable[[], int], what: str) -> Iterator[None]:
    """See that what `asked` counts rises at most once an interval meanwhile: with each end of the time, once more."""
    before, began = asked(), time.monotonic()
    yield
    count, seconds = asked() - before, time.monotonic() - began
    assert count <= seconds / INTERVAL + 2, f"{what}: {count} times in {seconds:.1f} s"


def test_ten_minutes_without_beat_are_followed_by_one_look_and_no_burst(
    caller: Client, cluster: FaultCluster, instance: Instance
) -> None:
    asked = asked_by_squeue(cluster)
    submitted(caller, cluster)
    eventually(asked, "squeue was asked")
    instance.beat.stop()  # it writes down when it has last ordered what
    try:
        orders_are_carried_out(instance, cluster)
        ten_minutes_pass(instance)
        before = asked()
    finally:
        instance.beat.start()
    with (
        no_more_than_one_an_interval(asked, "squeue was asked"),
        no_more_than_one_an_interval(lambda: orders_of(instance.beat), "polls were ordered"),
    ):
        eventually(lambda: asked() - before >= 4, "squeue is asked again, and it goes on")


def orders_of(beat: Daemon) -> int:
    """Count how often `beat` has ordered polls."""
    return beat.log.read_bytes().count(b"Sending due task poll-clusters")


def ten_minutes_pass(instance: Instance) -> None:
    """Move what the service and its beat (which is down) remember of the time ten minutes back."""
    instance.registry.let_minutes_pass(10)
    with shelve.open(str(instance.folder / "beat" / "schedule")) as kept:  # noqa: S301 - our own beat wrote it
        entries = kept["entries"]
        for entry in entries.values():
            entry.last_run_at -= timedelta(minutes=10)
        kept["entries"] = entries


def test_looks_that_take_longer_than_the_interval_do_not_pile_up(
    caller: Client, cluster: FaultCluster, instance: Instance
) -> None:
    """They come one at a time, and take at most a fifth of it."""
    ends = cluster.folder / "gates" / "ends"
    squeue = f'sleep {2 * INTERVAL}; "$real" "$@"; status=$?; date +%s.%N >> {ends}; exit $status'
    begun = begun_by_squeue(cluster, squeue)
    posted = submitted(caller, cluster)
    seen = "SELECT slurm_state FROM jobs_job WHERE job_id = %s"
    eventually(lambda: instance.registry.execute(seen, posted.body["job_id"]) == [("PENDING",)], "the look ends")
    eventually(lambda: len(begun()) == 2, "there is another look")
    [first, second], [ended, *_] = begun(), [float(line) for line in ends.read_text().split()]
    assert ended < second, "one at a time"
    assert second - first >= 5 * (ended - first)


def test_postgresql_may_be_restarted(caller: Client, cluster: FaultCluster, instance: Instance) -> None:
    posted = submitted(caller, cluster)
    instance.postgres.daemon.stop(signal.SIGINT)
    cancelled_behind_our_back(cluster, posted)
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
    caller: Client, cluster: FaultCluster, instance: Instance, body: str, words: str
) -> None:
    posted = submitted(caller, cluster)
    cluster.replace("sacct", "exit 1")
    asked = asked_by_squeue(cluster, body)
    eventually(lambda: asked() and words in complaint(instance, cluster), "squeue was asked, and the error is shown")
    eventually(lambda: asked() >= 2, "it is asked again, once the first answer was read")
    assert status(caller, posted) == "QUEUED"
    cluster.restore()
    cancelled_behind_our_back(cluster, posted)
    turns_aborted(caller, posted)


@pytest.mark.parametrize("body", ["exit 1", "sleep 60; exit 1"], ids=["down", "slow by a minute"])
def test_without_accounting_the_controllers_word_is_enough(
    caller: Client, cluster: FaultCluster, instance: Instance, body: str
) -> None:
    instance.registry.change(cluster.host, command_timeout=6)
    posted = submitted(caller, cluster)
    cluster.replace("sacct", body)
    cancelled_behind_our_back(cluster, posted)
    turns_aborted(caller, posted)
    assert complaint(instance, cluster)
    cluster.restore()
    instance.registry.let_minutes_pass()  # who is slow is asked less often
    confirmed = "SELECT accounting_confirmed FROM jobs_job WHERE job_id = %s"
    job_id = posted.body["job_id"]
    eventually(lambda: instance.registry.execute(confirmed, job_id) == [(True,)], "accounting confirms", seconds=60)


def test_two_beats_do_not_ask_twice(caller: Client, cluster: FaultCluster, instance: Instance) -> None:
    asked = asked_by_squeue(cluster)
    submitted(caller, cluster)
    eventually(asked, "squeue was asked")
    instance.second_beat.start()
    try:
        before = asked()
        with no_more_than_one_an_interval(asked, "squeue was asked"):
            eventually(lambda: orders_of(instance.second_beat) >= 6, "the second beat orders polls, too")
            eventually(lambda: asked() - before >= 6, "it goes on")
    finally:
        instance.second_beat.kill()
