"""An address that nobody can reach, as one that was registered before it was looked at."""

import pytest

from clusters import ssh
from clusters.errors import Unreachable


@pytest.mark.parametrize("address", ["127.0.0.1 x", "a..b", "a" * 70, "[::1]", ""])
def test_a_login_node_that_cannot_be_is_out_of_reach(address: str) -> None:
    endpoint = ssh.Endpoint(address=address, port=1, host_keys=("ssh-ed25519 AAAA",), connect_timeout=3)
    with pytest.raises(Unreachable, match=r"^no connection to "):
        ssh.greet(endpoint)
