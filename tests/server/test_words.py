"""What the web server says by itself to a head that it cannot read: what to do, and nothing of what was sent."""

import json

import pytest

from tests.server.conftest import Server, everything

pytestmark = pytest.mark.apart

LINES = b"TUlJREZ6Q0NBZitn\nQXdJQkFnSUVONUth\nQXpBTkJna3Foa2lH"
START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "value",
    [
        LINES,
        LINES.replace(b"\n", b"\r\n"),
        LINES.replace(b"\n", b"\r\n "),
        LINES.replace(b"\n", b"\n "),
        b"-----BEGIN CERTIFICATE-----\n" + LINES,
    ],
)
def test_a_proxy_on_several_lines_is_told_how_to_send_it_on_one(hurried: Server, value: bytes) -> None:
    told = everything(hurried.send(START + b"PROXY: " + value + b"\r\n\r\n"))
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "base64 -w0" in json.loads(body)["error_message"]
    assert not [line for line in LINES.split(b"\n") if line[:8] in told or line[:8] in hurried.log.read_bytes()]


@pytest.mark.parametrize(
    ("head", "code", "words"),
    [
        (START + b"X: " + b"a" * 70_000 + b"\r\n\r\n", 431, "128 KiB"),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "address is too long"),
        (START + b"Expect: x\r\n\r\n", 417, "leave the header Expect out"),
        (START + b"Transfer-Encoding: x\r\n\r\n", 501, "Content-Length"),
        (b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "first line"),
        (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "capital letters"),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400, "HTTP version"),
        (b"GET / HTTP/x\r\nHost: localhost\r\n\r\n", 400, "HTTP version"),
        (START + b"Content-Length: -5\r\n\r\n", 400, "the header Content-Length is malformed, or is there twice"),
        (START + b"Content-Type: a/b\r\n" * 2 + b"\r\n", 400, "the header Content-Type is malformed, or is there"),
        (START + b"Host: a\r\n\r\n", 400, "the header Host is malformed, or is there twice"),
        (START + b"X Y: 1\r\n\r\n", 400, "the name of a header is malformed"),
        (START + b"X-Y: a\x01\r\n\r\n", 400, "the value of a header is malformed"),
        (START + b"X-Y: a\r\n b\r\n\r\n", 400, "a header goes on in another line"),
        (START + b"PROXY: a\rb\r\n\r\n", 400, "base64 -w0"),
    ],
    ids=[
        "431",
        "414",
        "417",
        "501",
        "blank",
        "method",
        "version",
        "word",
        "length",
        "type",
        "host",
        "name",
        "value",
        "folded",
        "return",
    ],
)
def test_what_the_web_server_refuses_says_what_to_do(hurried: Server, head: bytes, code: int, words: str) -> None:
    answer = everything(hurried.send(head))
    assert answer.startswith(b"HTTP/1.1 %d " % code)
    said = json.loads(answer.partition(b"\r\n\r\n")[2])["error_message"]
    assert (words in said, "PROXY" in said) == (True, words == "base64 -w0"), said
