"""An address that nobody can reach, as one that was registered before it was looked at."""

import pytest

from clusters.errors import Unreachable
from clusters.ssh import connection
from clusters.ssh.endpoint import Endpoint


@pytest.mark.parametrize("address", ["127.0.0.1 x", "a..b", "a" * 70, "[::1]", ""])
def test_a_login_node_that_cannot_be_is_out_of_reach(address: str) -> None:
    endpoint = Endpoint(address=address, port=1, host_keys=("ssh-ed25519 AAAA",), connect_timeout=3)
    with pytest.raises(Unreachable, match=r"^no connection to "):
        connection.greet(endpoint)
