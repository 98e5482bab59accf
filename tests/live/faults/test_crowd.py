"""Many calls at once about the same submission or the same job."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.harness.client import Client, Posted, answers, new_tag
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance

Settled = Callable[[Sequence[Posted]], None]

_CROWD = 20


def test_one_key_from_twenty_clients_is_one_job(caller: Client, cluster: FaultCluster, settled: Settled) -> None:
    key, tag = str(uuid.uuid4()), new_tag()
    posts = caller.post_many(cluster, _CROWD, key=key, tag=tag)
    assert set(answers(posts)) <= {201, 409}, answers(posts)
    made = [posted for posted in posts if posted.code == 201]
    assert sum("Idempotency-Replayed" not in posted.headers for posted in made) == 1
    later = caller.post_many(cluster, _CROWD, key=key, tag=tag)
    assert {posted.code for posted in later} == {201}
    assert len({posted.body["job_id"] for posted in made + later}) == 1
    settled(made + later)


def test_one_key_from_twenty_clients_is_one_job_also_where_the_answer_is_lost(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    key, tag = str(uuid.uuid4()), new_tag()
    gate = cluster.hold_after("sbatch")
    with ThreadPoolExecutor(1) as aside:
        call = aside.submit(caller.post_many, cluster, _CROWD, key=key, tag=tag)
        gate.reached()
        cluster.relay.cut()
        posts = call.result(60)
    gate.open()
    assert set(answers(posts)) == {408, 409}, answers(posts)
    assert sum(posted.code == 408 for posted in posts) == 1
    instance.recover(posts)
    later = caller.post_many(cluster, _CROWD, key=key, tag=tag)
    assert {posted.code for posted in later} == {201}
    assert {posted.headers["Idempotency-Replayed"] for posted in later} == {"true"}
    settled(later)


def test_the_same_job_aborted_and_deleted_by_twenty_at_once(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    kept, removed = caller.post(cluster), caller.post(cluster)

    def end(number: int) -> tuple[int, int]:
        abort = caller.call("PUT", f"/api/jobs/{kept.body['job_id']}", json={"action": "abort"})
        path = f"/api/jobs/{removed.body['job_id']}"
        call = caller.call("DELETE", path) if number % 2 else caller.call("PUT", path, json={"action": "abort"})
        return abort.status_code, call.status_code

    with ThreadPoolExecutor(_CROWD) as crowd:
        codes = list(crowd.map(end, range(_CROWD)))
    assert {abort for abort, _ in codes} == {204}
    assert {other for _, other in codes} <= {204, 404}
    assert 204 in {other for number, (_, other) in enumerate(codes) if number % 2}
    assert caller.call("GET", f"/api/jobs/{kept.body['job_id']}").json()["status"] == "ABORTED"
    assert caller.call("GET", f"/api/jobs/{removed.body['job_id']}").status_code == 404
    assert instance.controller.active([kept.slurm_id, removed.slurm_id]) == []
    settled([kept, removed])


def test_an_abort_that_races_with_the_jobs_own_end_tells_the_truth(
    caller: Client, cluster: FaultCluster, instance: Instance
) -> None:
    """Half of the jobs have ended, and no poll has seen it, when all are aborted."""
    words = {"COMPLETED": "FINISHED", "CANCELLED": "ABORTED"}
    posts = caller.post_many(cluster, 6)
    cluster.replace("squeue", 'case " $* " in *" -j "*) exec "$real" "$@";; esac; exit 1')  # polls fail, aborts do not
    instance.controller.release([posted.slurm_id for posted in posts[:3]])
    assert {instance.controller.ended(posted.slurm_id) for posted in posts[:3]} == {"COMPLETED"}

    def abort(posted: Posted) -> int:
        return caller.call("PUT", f"/api/jobs/{posted.body['job_id']}", json={"action": "abort"}).status_code

    with ThreadPoolExecutor(len(posts)) as crowd:
        assert set(crowd.map(abort, posts)) == {204}
    for posted in posts:
        told = caller.call("GET", f"/api/jobs/{posted.body['job_id']}").json()["status"]
        assert told == words[instance.controller.ended(posted.slurm_id)]


def test_a_cluster_that_is_down_leaves_the_job_as_it_was(
    caller: Client, cluster: FaultCluster, settled: Settled
) -> None:
    posted = caller.post(cluster)
    path = f"/api/jobs/{posted.body['job_id']}"
    cluster.relay.shut()
    calls = [caller.call("PUT", path, json={"action": "abort"}), caller.call("DELETE", path)]
    assert [call.status_code for call in calls] == [503, 503]
    assert all(int(call.headers["Retry-After"]) > 0 for call in calls)
    assert caller.call("GET", path).json()["status"] == "QUEUED"
    cluster.relay.heal()
    assert caller.call("DELETE", path).status_code == 204
    assert caller.call("GET", path).status_code == 404
    settled([posted])
