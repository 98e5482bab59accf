"""The login node refuses, is full, changes its key or its shell, or greets in a way that stops everything."""

import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from submitter.gunicorn import conf
from tests.harness import accounts
from tests.harness.client import Client, Posted, answers
from tests.harness.databases import free_port
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually
from tests.live.faults.conftest import TakeCluster

Settled = Callable[[Sequence[Posted]], None]


@contextmanager
def configured(instance: Instance, *lines: str) -> Iterator[None]:
    """Run the login node with other settings meanwhile."""
    instance.node.restart(*lines)
    try:
        yield
    finally:
        instance.node.restart()


@contextmanager
def occupied(port: int) -> Iterator[None]:
    """Keep a connection that does not log in."""

    def come_in() -> socket.socket | None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        if connection.recv(4) == b"SSH-":
            return connection
        connection.close()  # turned away: the one before is still counted
        return None

    with eventually(come_in, "the login node lets one in"):
        yield


@contextmanager
def start_up_file(instance: Instance, text: str) -> Iterator[None]:
    """Have the user's bash run `text` first meanwhile."""
    account = instance.accounts[0]
    saved = (account.home / ".bashrc").read_text()
    account.write(".bashrc", text + saved)
    try:
        yield
    finally:
        account.write(".bashrc", saved)


@contextmanager
def shell(instance: Instance, path: str) -> Iterator[None]:
    """Give the user another login shell meanwhile."""
    instance.accounts[0].use_shell(path)
    try:
        yield
    finally:
        instance.accounts[0].use_shell("/bin/bash")


def test_an_sshd_restarted_under_load_costs_no_job_and_doubles_none(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    with ThreadPoolExecutor(6) as crowd:
        calls = [crowd.submit(caller.post, cluster) for _ in range(60)]
        for reached in (10, 30):
            eventually(partial(_more_done_than, reached, calls), "calls under way")
            instance.node.restart()
        posts = [call.result(60) for call in calls]
    assert set(answers(posts)) <= {201, 408, 503}, answers(posts)
    assert any(posted.code == 201 for posted in posts[-10:]), answers(posts)
    settled(posts)


def _more_done_than(number: int, calls: Sequence[Future[Posted]]) -> bool:
    return sum(call.done() for call in calls) > number


def test_one_session_a_connection_is_enough(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    with configured(instance, "MaxSessions 1"):
        posts = caller.post_many(cluster, 8)
        assert set(answers(posts)) == {201}, answers(posts)
        settled(posts)


def test_a_login_node_that_takes_no_more_logins_is_503_and_nothing_is_submitted(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    with configured(instance, "MaxStartups 1:100:1"), occupied(instance.node.port):
        posted = caller.post(cluster)
        assert posted.code == 503, posted.body
        assert int(posted.headers["Retry-After"]) > 0
        assert caller.told(posted)["status"] == "failed"
    again = caller.post(cluster)
    assert again.code == 201, again.body
    settled([posted, again])


def test_a_changed_host_key_is_refused_shown_to_operators_and_never_learnt(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    known = caller.post(cluster)
    assert known.code == 201
    pinned = instance.registry.execute("SELECT host_keys FROM clusters_cluster WHERE name = %s", cluster.host)
    saved = instance.node.saved_host_key()
    instance.node.renew_host_key()
    try:
        instance.node.restart()
        posts = [caller.post(cluster) for _ in range(2)]
        assert set(answers(posts)) == {503}, answers(posts)
        eventually(lambda: "not pinned" in shown_error(instance, cluster), "operators see what came of the poll")
    finally:
        instance.node.restore_host_key(saved)
        instance.node.restart()
    assert instance.registry.execute("SELECT host_keys FROM clusters_cluster WHERE name = %s", cluster.host) == pinned
    again = caller.post(cluster)
    assert again.code == 201, again.body
    eventually(lambda: not shown_error(instance, cluster), "the next poll works")
    settled([known, *posts, again])


def shown_error(instance: Instance, cluster: FaultCluster) -> str:
    """Return what the admin shows of the last poll of `cluster`'s cluster."""
    query = "SELECT error FROM clusters_poll JOIN clusters_cluster c ON c.id = cluster_id WHERE c.name = %s"
    return "".join(str(error) for (error,) in instance.registry.execute(query, cluster.host))


def test_a_certificate_that_expires_inside_a_session_is_not_missed(
    cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    port = free_port()
    web = instance.web_server(port, "tests.live.faults.short_lived:application", WEB_WORKERS="1")
    caller, bob = instance.clients(port)
    web.start()
    try:
        posts = [caller.post(cluster)]
        time.sleep(4)  # twice the life of a certificate
        posts.append(caller.post(cluster))
        # sshd logs a certificate's key id at the login: that of the request for which it was made. After the cut it
        # may be that of the second, too, whose next script is started behind its answer's back.
        logins = [posted.headers["X-Request-ID"] in instance.node.log for posted in posts]
        cluster.relay.cut()
        posts.append(caller.post(cluster))
    finally:
        caller.close()
        bob.close()
        web.stop(signal.SIGTERM)
    assert set(answers(posts)) == {201}, answers(posts)
    assert logins == [True, False], "the second POST was to use the session of the first"
    settled(posts)


@pytest.mark.parametrize("path", ["/nonexistent/shell", "/usr/sbin/nologin", "/bin/false"])
def test_an_account_without_a_shell_is_refused_and_nothing_is_submitted(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, path: str
) -> None:
    with shell(instance, path):
        posted = caller.post(cluster)
        assert posted.code == 403, posted.body
        assert caller.told(posted)["status"] == "failed"
    settled([posted])


def test_a_shell_that_goes_missing_inside_a_session_costs_no_job(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    posts = [caller.post(cluster)]
    with shell(instance, "/bin/false"):
        posts += [caller.post(cluster) for _ in range(5)]
    assert set(answers(posts)) <= {201, 403, 408}, answers(posts)
    settled(posts)


NOISE = {
    "a line": "echo welcome\n",
    "no line break": "printf 'welcome; '\n",
    "a number": "echo 4711\n",
    "1 MiB": "head -c 1048576 /dev/zero | tr '\\0' x\n",
    "1 MiB of errors": "head -c 1048576 /dev/zero | tr '\\0' x >&2\n",
    "broken UTF-8": "printf '\\377\\376'\n",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_a_start_up_file_that_prints_disturbs_nothing(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance, noise: str
) -> None:
    with start_up_file(instance, noise):
        posts = [caller.post(cluster) for _ in range(3)]
        assert set(answers(posts)) == {201}, answers(posts)
        settled(posts)


def test_a_start_up_file_that_hangs_is_503_and_nothing_is_submitted(
    caller: Client, cluster: FaultCluster, settled: Settled, instance: Instance
) -> None:
    with start_up_file(instance, "sleep 60\n"):
        posted = caller.post(cluster)
        assert posted.code == 503, posted.body
        assert caller.told(posted)["status"] == "failed"
    settled([posted])


def test_a_shell_that_wakes_up_after_its_submission_was_given_up_submits_nothing(
    caller: Client, take_cluster: TakeCluster, settled: Settled, instance: Instance
) -> None:
    cluster = take_cluster(command_timeout=8)
    assert {posted.code for posted in instance.make_ready(cluster)} == {201}
    sleeping = f"sleep-{uuid.uuid4().hex}"
    wait = f"n=0; while [ -e ~/{sleeping} ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done\n"
    mark = instance.accounts[0].write(sleeping, "")
    with start_up_file(instance, wait):
        accounts.kill(str(cluster.bin), instance.accounts)  # the connections stay, and want new agents
        posts = caller.post_many(cluster, 2 * conf.workers + 2)
    # 422 says that an agent was killed: the end of one may be told when it is asked already.
    assert set(answers(posts)) <= {408, 422, 503}, answers(posts)
    assert any(posted.code == 503 for posted in posts), answers(posts)
    instance.recover(posts)
    mark.unlink()
    instance.let_arrive([cluster])
    settled(posts)
