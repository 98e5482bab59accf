"""PostgreSQL and Redis are restarted, stopped and emptied at the worst moments."""

import signal
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.harness.client import Client, Posted, answers
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually

Settled = Callable[[Sequence[Posted]], None]


def warm_up(caller: Client, cluster: FaultCluster) -> None:
    """Submit until it works: the tests before may have left the service without database connections."""
    eventually(lambda: caller.post(cluster).code == 201, "a POST works", seconds=40)


def post_while_the_database_stops(
    caller: Client, cluster: FaultCluster, instance: Instance, key: str, *, is_back_in_time: bool
) -> Posted:
    """Submit, and stop the database between SSH and the commit; it starts again before that, or after the answer."""
    warm_up(caller, cluster)
    gate = cluster.hold_after("sbatch")
    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(caller.post, cluster, key=key)
        gate.reached()
        instance.postgres.daemon.stop(signal.SIGINT)
        if is_back_in_time:
            instance.postgres.daemon.start()
        gate.open()
        posted = call.result(60)
    if not is_back_in_time:
        instance.postgres.daemon.start()
    instance.web.wait()
    return posted


def is_kept(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, posted: Posted, key: str
) -> None:
    """See that the job is known, and that the key answers with it."""
    settled([posted])
    assert instance.registry.rows([posted.tag])[posted.tag][0].state == "SUBMITTED"
    again = caller.post(cluster, key=key, tag=posted.tag)
    assert (again.code, again.headers.get("Idempotency-Replayed")) == (201, "true"), again.body
    settled([again])


def test_a_database_restarted_between_ssh_and_commit_costs_no_job_and_no_answer(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    key = str(uuid.uuid4())
    posted = post_while_the_database_stops(caller, cluster, instance, key, is_back_in_time=True)
    assert posted.code == 201, posted.body
    is_kept(caller, cluster, settled, instance, posted, key)


def test_a_database_lost_between_ssh_and_commit_costs_no_job(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    key = str(uuid.uuid4())
    posted = post_while_the_database_stops(caller, cluster, instance, key, is_back_in_time=False)
    assert posted.code == 408, posted.body
    assert posted.submission in posted.body["error_message"], posted.body
    is_kept(caller, cluster, settled, instance, posted, key)


def test_without_a_database_nothing_is_submitted(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    warm_up(caller, cluster)
    instance.postgres.daemon.stop(signal.SIGINT)
    try:
        posted = caller.post(cluster)
    finally:
        instance.postgres.daemon.start()
    assert posted.code == 503, posted.body
    assert int(posted.headers["Retry-After"]) > 0
    settled([posted])
    assert instance.registry.rows([posted.tag]) == {}


def test_the_service_is_back_with_the_database(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    warm_up(caller, cluster)
    for _ in range(2):
        instance.postgres.daemon.stop(signal.SIGINT)
        instance.postgres.daemon.start()
        posts = [caller.post(cluster) for _ in range(4)]
        assert set(answers(posts)) == {201}, answers(posts)
        settled(posts)


def test_redis_is_not_needed_to_submit_and_recovery_returns_with_it(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    instance.redis.daemon.kill()
    lost = caller.lose(cluster)
    posted = caller.post(cluster)
    instance.redis.daemon.start()
    assert (lost.code, posted.code) == (408, 201), (lost.body, posted.body)
    settled([lost, posted])
    assert caller.told(lost)["status"] == "submitted"


def test_an_emptied_redis_costs_nothing_but_time(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    lost = caller.lose(cluster, meanwhile=instance.redis.flush)
    instance.registry.age([lost.tag])
    for _ in range(3):
        instance.send("jobs.tasks.recover_submissions")
        instance.redis.flush()
    settled([lost])
    assert caller.told(lost)["status"] == "submitted"
