"""How long a connection is used: whom a login node no longer lets in is out when the connection is old."""

import os
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.harness.accounts import administer
from tests.harness.client import Client
from tests.harness.databases import free_port
from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.harness.waiting import eventually

_LIFETIME = 2  # seconds
_LARGE = 32 * 1024 * 1024  # bytes, more than all the buffers on the way hold


@pytest.fixture
def caller(instance: Instance) -> Iterator[Client]:
    """A user of a web server that uses no connection for more than two seconds."""
    port = free_port()
    web = instance.web_server(port, "submitter.wsgi", SSH_CONNECTION_LIFETIME=str(_LIFETIME), WEB_WORKERS="1")
    web.start()
    caller, other = instance.clients(port)
    try:
        yield caller
    finally:
        administer("usermod", "--unlock", instance.accounts[0].name)
        for client in (caller, other):
            client.close()
        web.kill()


def test_an_account_that_was_locked_is_refused_as_soon_as_its_connection_is_old(
    instance: Instance, cluster: FaultCluster, caller: Client
) -> None:
    name = instance.accounts[0].name
    assert caller.post(cluster).code == 201
    administer("usermod", "--lock", name)
    eventually(lambda: caller.post(cluster).code == 403, "the account is refused", seconds=20)
    administer("usermod", "--unlock", name)
    assert caller.post(cluster).code == 403, "a refusal is remembered for some seconds"
    eventually(lambda: caller.post(cluster).code == 201, "the account is let in again", seconds=60)


@pytest.fixture
def output(instance: Instance, cluster: FaultCluster, caller: Client) -> tuple[str, bytes]:
    """The URL of a job's output, and what is in it."""
    posted = caller.post(cluster, lines=["#SBATCH --output=large-%j"])
    assert posted.code == 201, posted.body
    content = os.urandom(_LARGE)
    file = instance.accounts[0].write(f"large-{posted.body['job_id'].partition('.')[0]}", "")
    file.write_bytes(content)
    url = f"/api/jobs/{posted.body['job_id']}/stdout"
    eventually(lambda: caller.call("HEAD", url).status_code == 200, "the output is found")
    cleared = "SELECT id FROM jobs_job WHERE id = %s AND acknowledged"
    eventually(lambda: instance.registry.execute(cleared, posted.submission), "nothing else wants a new connection")
    return url, content


def logins(instance: Instance) -> int:
    """Count how often the first account was let in."""
    return len(re.findall(rf"Accepted publickey for {instance.accounts[0].name} ", instance.node.log))


def read_slowly(caller: Client, url: str, pause: Callable[[], object]) -> bytes:
    """Download, with a pause after the first piece: the service has to wait with the rest, and its connection ages."""
    received = bytearray()
    with caller.stream("GET", url) as answer:
        pieces = answer.iter_bytes(1024 * 1024)
        received += next(pieces)
        time.sleep(_LIFETIME + 1)
        pause()
        for piece in pieces:
            received += piece
    return bytes(received)


def test_a_download_goes_on_over_a_new_connection_when_its_own_is_old(
    instance: Instance, caller: Client, output: tuple[str, bytes]
) -> None:
    url, content = output
    counts: list[int] = []
    assert read_slowly(caller, url, lambda: counts.append(logins(instance))) == content
    assert logins(instance) > counts[0]


def test_a_download_breaks_off_when_its_account_is_let_in_no_longer(
    instance: Instance, caller: Client, output: tuple[str, bytes]
) -> None:
    url, _content = output
    with pytest.raises(httpx.RemoteProtocolError):
        read_slowly(caller, url, lambda: administer("usermod", "--lock", instance.accounts[0].name))
