"""Which addresses are one client."""

import pytest

from proxyauth.ratelimit.network import client_of, counted_as


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:DB8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_address_counts_for_its_client(address: str, client: str) -> None:
    assert counted_as(address) == client


def test_networks_beside_each_other_are_two_clients() -> None:
    assert counted_as("2001:db8:1:2::1") != counted_as("2001:db8:1:3::1")


@pytest.mark.parametrize("text", ["", "unix", "192.0.2.1:80", "2001:db8::/64"])
def test_what_is_no_address_is_nobodys(text: str) -> None:
    assert client_of(text) is None
