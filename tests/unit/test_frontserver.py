"""Whose request it is behind a front server, and whom the service believes in that."""

from typing import Any

import pytest

from submitter.http.forwarded import with_reverse_proxies


def scheme(peer: str, forwarded: str | None, *front_servers: str) -> str:
    """Return the scheme that the application sees of a request that came by plain HTTP."""
    schemes: list[str] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        schemes.append(environ["wsgi.url_scheme"])
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    told = {} if forwarded is None else {"HTTP_X_FORWARDED_PROTO": forwarded}
    with_reverse_proxies(application, front_servers)(environ | told, lambda *_: None)
    return schemes[0]


def seen(peer: str, forwarded: str | None, *front_servers: str, proto: str | None = None) -> str:
    """Return the address that the application sees."""
    addresses: list[str] = []

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        addresses.append(environ["REMOTE_ADDR"])
        return []

    told = {"HTTP_X_FORWARDED_FOR": forwarded, "HTTP_X_FORWARDED_PROTO": proto}
    environ = {"REMOTE_ADDR": peer} | {name: value for name, value in told.items() if value is not None}
    with_reverse_proxies(application, front_servers)(environ, lambda *_: None)
    return addresses[0]


@pytest.mark.parametrize("front_servers", [[], ["10.0.0.0/8"], ["unix"]])
def test_nobody_else_is_believed(front_servers: list[str]) -> None:
    assert seen("192.0.2.1", "198.51.100.7", *front_servers) == "192.0.2.1"


def test_a_named_front_server_is_believed() -> None:
    assert seen("10.1.2.3", "198.51.100.7", "10.0.0.0/8") == "198.51.100.7"
    assert seen("::1", "2001:db8::7", "::1") == "2001:db8::7"
    assert seen("", "198.51.100.7", "unix") == "198.51.100.7"


def test_a_named_front_server_is_believed_in_the_scheme_and_nobody_else() -> None:
    assert scheme("10.1.2.3", "https", "10.0.0.0/8") == "https"
    assert scheme("", "https", "unix") == "https"
    assert scheme("192.0.2.1", "https", "10.0.0.0/8", "unix") == "http"
    assert scheme("", "https", "10.0.0.0/8") == "http"
    assert scheme("127.0.0.1", "https") == "http"


@pytest.mark.parametrize("forwarded", [None, "", "http", "HTTPS", "https,http", "https ", "ssl", "javascript"])
def test_another_word_for_the_scheme_changes_nothing(forwarded: str | None) -> None:
    assert scheme("10.1.2.3", forwarded, "10.0.0.0/8") == "http"


def test_what_the_client_itself_wrote_in_front_does_not_count() -> None:
    assert seen("10.1.2.3", "203.0.113.9, 198.51.100.7", "10.0.0.0/8") == "198.51.100.7"
    assert seen("10.1.2.3", "203.0.113.9, 198.51.100.7, 10.9.9.9", "10.0.0.0/8") == "198.51.100.7"


@pytest.mark.parametrize("forwarded", ["", " , ", "unknown", "<script>", "10.0.0.1, unknown", "10.1.2.3:80"])
def test_a_front_server_that_names_nobody_leaves_no_address(forwarded: str) -> None:
    assert seen("10.1.2.3", forwarded, "10.0.0.0/8") == ""


@pytest.mark.parametrize("proto", ["https", "http", "other"])
def test_a_front_server_that_tells_the_scheme_and_no_client_leaves_no_address(proto: str) -> None:
    assert seen("127.0.0.1", None, "127.0.0.1", proto=proto) == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_caller_on_the_front_server_s_machine_has_an_address(address: str) -> None:
    front_servers = ["127.0.0.1", "::1"]
    assert seen(address, None, *front_servers) == address  # called the service itself
    assert seen(address, address, *front_servers) == address  # called the front server
    assert seen("", address, "unix", *front_servers) == address


def test_a_caller_among_front_servers_is_whom_the_front_server_saw_and_not_whom_it_claims_to_be() -> None:
    assert seen("10.1.2.3", "10.9.9.9, 10.5.5.5", "10.0.0.0/8") == "10.5.5.5"


def test_over_a_unix_socket_nobody_has_an_address_of_his_own() -> None:
    assert seen("", None, "unix") == ""


def test_a_front_server_that_is_no_network_stops_the_start() -> None:
    with pytest.raises(ValueError, match="front"):
        seen("10.1.2.3", None, "front.example.org")
