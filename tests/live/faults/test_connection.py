"""The connection to the login node is cut, stalls or is slow, at every point of a submission."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from submitter.gunicorn import conf
from tests.harness.client import Client, Posted, answers, new_tag
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.relay import Action, Direction, Fault
from tests.live.faults.conftest import TakeCluster

Settled = Callable[[Sequence[Posted]], None]

_HALF = 2 * 1024 * 1024
_LONG = ["#" * 1023] * (4 * 1024 - 1)  # nearly 4 MiB


def bytes_of_a_post(caller: Client, cluster: FaultCluster, direction: Direction) -> int:
    """Warm the cluster up, and return how many bytes one submission takes in `direction`."""
    for _ in range(3):
        assert caller.post(cluster).code == 201
    cluster.relay.arm(None)
    assert caller.post(cluster).code == 201
    return cluster.relay.carried[direction]


@pytest.mark.parametrize("direction", Direction)
def test_a_cut_at_any_byte_costs_no_job_and_doubles_none(
    caller: Client, cluster: FaultCluster, settled: Settled, direction: Direction
) -> None:
    whole = bytes_of_a_post(caller, cluster, direction)
    posts = []
    for part in range(12):
        cluster.relay.arm(Fault(Action.CUT, direction, whole * part // 10))
        posts.append(caller.post(cluster))
    cluster.relay.heal()
    assert set(answers(posts)) <= {201, 408, 503}, answers(posts)
    assert any(posted.code != 201 for posted in posts), "no cut has hit a submission"
    settled(posts)


def test_a_stall_at_any_byte_costs_no_job_and_doubles_none_however_late_the_rest_arrives(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    cases = [(direction, part, take_cluster(command_timeout=10)) for direction in Direction for part in (0, 2, 5, 8)]

    def post(case: tuple[Direction, int, FaultCluster]) -> Posted:
        direction, part, cluster = case
        cluster.relay.arm(Fault(Action.STALL, direction, sizes[direction] * part // 10))
        return caller.post(cluster)

    sizes = {direction: bytes_of_a_post(caller, cases[0][2], direction) for direction in Direction}
    for _, _, cluster in cases:
        warm = instance.make_ready(cluster)
        assert set(answers(warm)) == {201}, answers(warm)
    with ThreadPoolExecutor(len(cases)) as crowd:
        posts = list(crowd.map(post, cases))
    assert set(answers(posts)) <= {201, 408, 503}, answers(posts)
    assert any(posted.code == 408 for posted in posts), "no stall has hit a submission"
    instance.recover(posts)
    instance.let_arrive([cluster for _, _, cluster in cases])
    settled(posts)


def test_a_connection_that_falls_silent_costs_each_web_process_one_submission(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    cluster = take_cluster(command_timeout=10)
    warm = instance.make_ready(cluster)
    assert set(answers(warm)) == {201}, answers(warm)
    cluster.relay.stall()  # what is open says nothing more, without being closed; what is new is carried
    posts = [caller.post(cluster) for _ in range(6)]
    codes = [posted.code for posted in posts]
    assert set(codes) == {201, 408}, answers(posts)
    assert codes.count(408) <= conf.workers, codes
    instance.recover(posts)
    instance.let_arrive([cluster])
    settled([*warm, *posts])


def test_on_a_connection_that_falls_silent_a_command_is_late_and_does_not_fail(
    caller: Client, take_cluster: TakeCluster
) -> None:
    cluster = take_cluster(command_timeout=10)
    warm = caller.post_many(cluster, 8)
    assert set(answers(warm)) == {201}, answers(warm)
    cluster.relay.stall()
    aborted = [caller.call("DELETE", f"/api/jobs/{posted.body['job_id']}") for posted in warm]
    assert {answer.status_code for answer in aborted} == {204}, [answer.text for answer in aborted]


def test_a_slow_connection_is_only_slow(caller: Client, cluster: FaultCluster, settled: Settled) -> None:
    assert caller.post(cluster).code == 201
    cluster.relay.arm(Fault(Action.DELAY, Direction.DOWN, 100, seconds=2))
    posted = caller.post(cluster)
    assert posted.code == 201
    settled([posted])


def test_without_a_connection_nothing_is_submitted_and_the_key_stays_free(
    caller: Client, cluster: FaultCluster, settled: Settled
) -> None:
    cluster.relay.shut()
    key = str(uuid.uuid4())
    refused = caller.post(cluster, key=key)
    assert (refused.code, refused.body["exit_code"]) == (503, 0)
    assert int(refused.headers["Retry-After"]) > 0
    assert caller.told(refused)["status"] == "failed"
    cluster.relay.heal()
    posted = caller.post(cluster, key=key, tag=refused.tag)
    assert (posted.code, "Idempotency-Replayed" in posted.headers) == (201, False)
    settled([posted])


def test_an_idle_connection_that_was_cut_is_replaced_unnoticed(
    caller: Client, cluster: FaultCluster, settled: Settled
) -> None:
    posts = [caller.post(cluster) for _ in range(4)]
    for _ in range(3):
        cluster.relay.cut()
        posts.append(caller.post(cluster))
    assert set(answers(posts)) == {201}, answers(posts)
    settled(posts)


def test_a_job_whose_id_never_arrived_is_found_and_its_key_answers(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    key, tag = str(uuid.uuid4()), new_tag()
    lost = caller.lose(cluster, key=key, tag=tag)
    assert (lost.code, lost.body["exit_code"]) == (408, -1)
    assert lost.submission in lost.body["error_message"]
    assert caller.told(lost)["status"] == "pending"
    assert caller.post(cluster, key=key, tag=tag).code == 409
    instance.recover([lost])
    told = caller.told(lost)
    assert told["status"] == "submitted"
    assert caller.listed(tag) == [told["job_id"]]
    again = caller.post(cluster, key=key, tag=tag)
    assert (again.code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.body["job_id"] == told["job_id"]
    settled([again])


def test_a_cut_between_the_id_and_its_commit_changes_nothing(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    assert caller.post(cluster).code == 201
    gate = cluster.hold_after("sbatch")
    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(caller.post, cluster)
        gate.reached()
        with instance.registry.locked() as blocked:
            gate.open()
            blocked()
            cluster.relay.cut()
        posted = call.result(60)
    assert posted.code == 201
    settled([posted])


@pytest.mark.parametrize("action", [Action.CUT, Action.STALL])
def test_half_of_a_4_mib_script_is_no_job(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance, action: Action
) -> None:
    cluster = take_cluster(command_timeout=10)
    assert caller.post(cluster).code == 201
    cluster.relay.arm(Fault(action, Direction.UP, _HALF))
    posted = caller.post(cluster, lines=_LONG)
    assert posted.code == 408, posted.body
    instance.recover([posted])
    instance.let_arrive([cluster])
    assert caller.told(posted)["status"] == "failed"
    settled([posted])
    whole = caller.post(cluster, lines=_LONG)
    assert whole.code == 201
    settled([whole])
