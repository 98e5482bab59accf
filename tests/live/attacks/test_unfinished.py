"""Requests that do not come to their end: heads and bodies sent byte by byte."""

from collections.abc import Mapping

import pytest

from tests.harness.instance import Instance
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.victim import Victim

_MANY = 140  # two processes have 128 threads
_LONG: Mapping[str, str] = {"Content-Type": "application/json", "Content-Length": "1000000"}


def unfinished(attacker: Attacker, what: str) -> bytes:
    """Return the beginning of a request: nobody's head without an end, or a user's that promises a long body."""
    if what == "head":
        return b"GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
    return attacker.request("POST", "/api/jobs", headers=_LONG) + b'{"host": "'


@pytest.mark.parametrize("what", ["head", "body"])
def test_request_without_an_end_leaves_everybody_else_their_answers(
    instance: Instance, attacker: Attacker, victim: Victim, what: str
) -> None:
    with Crowd(instance.port, [unfinished(attacker, what)], _MANY, drip=b"a") as crowd:
        victim.watch()
        assert crowd.sent >= _MANY
