"""sbatch itself misbehaves: it stalls, contradicts itself, talks nonsense or too much, with and without a job."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from sandbox.commands import run
from tests.harness.accounts import nothing_left_of
from tests.harness.client import Client, Posted, answers, new_tag
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.faults.conftest import TakeCluster

Settled = Callable[[Sequence[Posted]], None]

_SUBMIT = 'id=$("$real" "$@") || exit $?'
_MUCH = "head -c 10485760 /dev/zero | tr '\\0' e >&2"
_PATIENT = "n=0; while [ $n -lt 130 ]; do sleep 1; n=$((n + 1)); done"
_SOCKET = 'echo "sbatch: error: Batch job submission failed: Socket timed out on send" >&2; exit 1'


@dataclass(frozen=True)
class Misbehaviour:
    """What sbatch does (sh), whether SLURM has the job, and the codes that a POST may then answer."""

    name: str
    body: str
    has_job: bool
    codes: set[int]


# A job that is known may be told at once; of an unknown one nothing is told. Never is there a 201 without a job.
QUICK = [
    Misbehaviour("an id and exit code 1", f"{_SUBMIT}; echo $id; exit 1", True, {201, 408}),
    Misbehaviour("a false id and exit code 1", "echo 4000000; exit 1", False, {408, 422}),
    Misbehaviour("noise before the id", f"{_SUBMIT}; echo 'sbatch: lua: welcome'; echo $id", True, {201, 408}),
    Misbehaviour("noise after the id", f"{_SUBMIT}; echo $id; echo 'bye 12'; echo", True, {201, 408}),
    Misbehaviour("a second number", f"echo 12345; {_SUBMIT}; echo $id", True, {201, 408}),
    Misbehaviour("nothing, with a job", _SUBMIT, True, {201}),
    Misbehaviour("quiet, with a job", 'exec "$real" --quiet "$@"', True, {201}),
    Misbehaviour("nothing, without a job", "exit 0", False, {422}),
    Misbehaviour("noise only", "echo 'Submitted, somehow'", False, {422}),
    Misbehaviour("a number, a while later the id", f"echo 12345; sleep 2; {_SUBMIT}; echo $id", True, {201, 408}),
    Misbehaviour("a time-out with a job", f"{_SUBMIT}; {_SOCKET}", True, {408}),
    Misbehaviour("a time-out without a job", _SOCKET, False, {408}),
    Misbehaviour("the cluster's name", f'{_SUBMIT}; echo "$id;zeus"', True, {201}),
    Misbehaviour("no line break", f'{_SUBMIT}; printf "%s" "$id"', True, {201}),
    Misbehaviour("10 MiB of errors", f"{_MUCH}; {_SUBMIT}; echo $id", True, {201}),
    Misbehaviour("10 MiB of errors, refused", f"{_MUCH}; exit 1", False, {422}),
    Misbehaviour("broken UTF-8", f"printf '\\377\\376\\n'; {_SUBMIT}; echo $id; printf '\\303' >&2", True, {201, 408}),
    Misbehaviour("broken UTF-8, refused", "printf '\\377\\376' >&2; exit 3", False, {422}),
    Misbehaviour("killed", "kill -9 $$", False, {408}),
    Misbehaviour("killed with a job", f"{_SUBMIT}; kill -9 $$", True, {408}),
]
SLOW = [
    Misbehaviour("130 s, then success", 'sleep 130; exec "$real" "$@"', False, {408}),
    Misbehaviour("success, then 130 s", f"{_SUBMIT}; sleep 130; echo $id", True, {408}),
    Misbehaviour("the id, then 130 s", f"{_SUBMIT}; echo $id; sleep 130", True, {201}),
    Misbehaviour("deaf to SIGTERM", f"trap '' TERM; {_SUBMIT}; {_PATIENT}", True, {408}),
    Misbehaviour("endless output", "while :; do echo noise; done", False, {408}),
    Misbehaviour("endless output with a job", f"{_SUBMIT}; while :; do echo noise; done", True, {408}),
    Misbehaviour("an endless line", "tr '\\0' x < /dev/zero", False, {408}),
]  # fmt: skip


def check(told: dict[str, object], case: Misbehaviour) -> None:
    """Compare what the service says of a submission in the end with what SLURM has."""
    assert told["status"] == ("submitted" if case.has_job else "failed"), (case.name, told)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_whatever_sbatch_says_the_registry_knows_what_slurm_has(
    caller: Client, take_cluster: TakeCluster, settled: Settled, case: Misbehaviour
) -> None:
    cluster = take_cluster(command_timeout=20)
    cluster.replace("sbatch", case.body)
    posted = caller.post(cluster)
    assert posted.code in case.codes, posted.body
    settled([posted])
    check(caller.told(posted), case)


def test_an_sbatch_that_does_not_end_is_ended_and_the_registry_knows_what_slurm_has(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    clusters = [take_cluster(command_timeout=10) for _ in SLOW]
    for case, cluster in zip(SLOW, clusters, strict=True):
        cluster.replace("sbatch", case.body)
    with ThreadPoolExecutor(len(SLOW)) as crowd:
        posts = list(crowd.map(caller.post, clusters))
    for case, posted in zip(SLOW, posts, strict=True):
        assert posted.code in case.codes, (case.name, posted.body)
    nothing_left_of("sbatch --parsable", instance.accounts)
    settled(posts)
    for case, posted in zip(SLOW, posts, strict=True):
        check(caller.told(posted), case)


def test_a_job_on_another_cluster_whose_answer_was_lost_is_found_and_ended_where_nobody_could_follow_it(
    caller: Client, take_cluster: TakeCluster, settled: Settled
) -> None:
    cluster = take_cluster(command_timeout=20)
    cluster.replace("sbatch", '"$real" --clusters=prometheus "$@" > /dev/null; kill -9 $$')
    posted = caller.post(cluster)
    assert posted.code == 408, posted.body
    assert states_on_prometheus(posted, cluster) == ["PENDING"]
    settled([posted])
    told = caller.told(posted)
    assert told["status"] == "failed"
    assert "prometheus" in told["error_message"]
    assert states_on_prometheus(posted, cluster) == ["CANCELLED"]


def states_on_prometheus(posted: Posted, cluster: FaultCluster) -> list[str]:
    command = ["squeue", "-M", "prometheus", "-h", "-t", "all", "-o", "%k|%T"]
    lines = (line.partition("|") for line in run(command, env={"SLURM_CONF": cluster.slurm_conf}).splitlines())
    return [state for comment, _, state in lines if comment == posted.tag]


def test_a_refusal_is_passed_on_in_sbatchs_own_words(
    caller: Client, take_cluster: TakeCluster, settled: Settled
) -> None:
    cluster = take_cluster()
    cluster.replace("sbatch", "echo to stdout; echo to stderr >&2; exit 7")
    posted = caller.post(cluster)
    assert posted.code == 422, answers([posted])
    assert posted.body["exit_code"] == 7
    assert posted.body["standard_output"].strip() == "to stdout"
    assert posted.body["error_output"].strip() == "to stderr"
    settled([posted])


def lost_to_a_frozen_controller(caller: Client, cluster: FaultCluster, tag: str) -> Posted:
    """Submit while the controller answers nothing; until it is known what came of that, the key makes no other job."""
    lost = caller.post(cluster, key=tag, tag=tag)
    again = caller.post(cluster, key=tag, tag=tag)
    assert (lost.code, again.code) == (408, 409), answers([lost, again])
    return lost


def test_a_frozen_controller_that_goes_on_and_a_retry_with_the_key_make_one_job(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    """The request waits for the controller, and becomes a job of which nobody was told."""
    cluster, tag = take_cluster(command_timeout=8), new_tag()
    assert caller.post(cluster).code == 201
    with instance.controller.frozen():
        lost = lost_to_a_frozen_controller(caller, cluster, tag)
    eventually(lambda: instance.controller.commented(tag), "the controller has made the job")
    settled([lost])
    told = caller.told(lost)
    assert told["status"] == "submitted"
    retried = caller.post(cluster, key=tag, tag=tag)
    assert (retried.code, retried.body["job_id"]) == (201, told["job_id"]), retried.body
    settled([retried])


def test_a_frozen_controller_that_is_restarted_and_a_retry_with_the_key_make_one_job(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    """The request never comes to the controller."""
    cluster, tag = take_cluster(command_timeout=8), new_tag()
    assert caller.post(cluster).code == 201
    with instance.controller.frozen():
        lost = lost_to_a_frozen_controller(caller, cluster, tag)
        instance.controller.relay.cut()
    settled([lost])
    assert caller.told(lost)["status"] == "failed"
    assert instance.controller.commented(tag) == []
    retried = caller.post(cluster, key=tag, tag=tag)
    assert retried.code == 201, retried.body
    settled([retried])
