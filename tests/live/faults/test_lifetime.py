"""How long a connection is used: whom a login node no longer lets in is out when the connection is old."""

from sandbox.commands import run
from tests.live.faults.backing import free_port
from tests.live.faults.instance import Instance
from tests.live.faults.lane import Lane
from tests.live.faults.waiting import eventually


def test_an_account_that_was_locked_is_refused_as_soon_as_its_connection_is_old(instance: Instance, lane: Lane) -> None:
    port, name = free_port(), instance.accounts[0].name
    web = instance.web_server(port, "submitter.wsgi", SSH_CONNECTION_LIFETIME="2", WEB_WORKERS="1")
    web.start()
    caller, other = instance.clients(port)
    try:
        assert caller.post(lane).code == 201
        run(["usermod", "--lock", name])
        eventually(lambda: caller.post(lane).code == 403, "the account is refused", seconds=20)
        run(["usermod", "--unlock", name])
        assert caller.post(lane).code == 403, "a refusal is remembered for some seconds"
        eventually(lambda: caller.post(lane).code == 201, "the account is let in again", seconds=30)
    finally:
        run(["usermod", "--unlock", name])
        for client in (caller, other):
            client.close()
        web.kill()
