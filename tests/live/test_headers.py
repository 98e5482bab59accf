"""The PROXY header through the whole stack: what is refused and in which words, and how large it may be."""

import base64
import datetime as dt
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.harness.caller import Caller
from tests.harness.contract import error
from tests.harness.sandbox_env import variable

KIB = 1024
PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
INHERIT_ALL = bytes.fromhex("300c300a06082b06010505071501")  # RFC 3820, section 3.8: the policy language, no more


def ask(nobody: Caller, *headers: tuple[str, str]) -> httpx.Response:
    """List the jobs with these headers."""
    return nobody.client.get("/api/jobs", headers=list(headers))


def encoded(pem: bytes) -> str:
    """Return a proxy as a header's value."""
    return base64.b64encode(pem).decode()


def refused(answer: httpx.Response, *sent: str) -> str:
    """Check a 401, and that it repeats nothing of what was sent; return its message."""
    told = error(answer, 401)
    assert answer.headers["WWW-Authenticate"]
    for value in sent:
        for start in range(0, max(1, len(value) - 12), 12):
            assert value[start : start + 24] not in answer.text
    message: str = told["error_message"]
    return message


@pytest.fixture(scope="module")
def certificate() -> bytes:
    """Alice's certificate, without any key."""
    return (Path(variable("USER_CERTIFICATES")) / "plgalice" / "usercert.pem").read_bytes()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A proxy of a proxy of alice's and so on, the first with 4096 bits: far over the servers' usual 8190 bytes."""
    own = Path(variable("USER_CERTIFICATES")) / "plgalice"
    source = (own / "usercert.pem", own / "userkey.pem")
    for step, bits in enumerate(("4096", "2048", "2048", "2048", "2048")):
        out = tmp_path_factory.mktemp("large") / str(step)
        command = ["grid-proxy-init", "-q", "-rfc", "-bits", bits, "-out", str(out)]
        subprocess.run(
            [*command, "-cert", str(source[0]), "-key", str(source[1])],
            env=os.environ | {"X509_CERT_DIR": variable("TRUST_DIR"), "HOME": str(out.parent)},
            capture_output=True,
            timeout=120,
            check=True,
        )
        source = (out, out)
    return source[0].read_bytes()


def proxy_until(end: dt.datetime) -> bytes:
    """Return a proxy of alice's that has begun ten minutes ago; the tools of Globus make none that is over."""
    own = Path(variable("USER_CERTIFICATES")) / "plgalice"
    user = x509.load_pem_x509_certificate((own / "usercert.pem").read_bytes())
    user_key = serialization.load_pem_private_key((own / "userkey.pem").read_bytes(), None)
    assert isinstance(user_key, rsa.RSAPrivateKey)
    key = rsa.generate_private_key(65537, 2048)
    serial = x509.random_serial_number()
    name = x509.Name(
        [*user.subject.rdns, x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, str(serial))])]
    )
    proxy = (
        x509.CertificateBuilder(user.subject, name, key.public_key(), serial)
        .not_valid_before(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10))
        .not_valid_after(end)
        .add_extension(x509.UnrecognizedExtension(PROXY_CERT_INFO, INHERIT_ALL), critical=True)
        .sign(user_key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return proxy.public_bytes(form) + secret + user.public_bytes(form)


GARBAGE = [
    "garbage",
    "****",
    "Zm9v",
    "Zm9",
    "=",
    "-----BEGIN CERTIFICATE-----",
    "a" * 5000,
    "ÄÖÜ",
]


@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_is_refused_and_not_repeated(nobody: Caller, value: str) -> None:
    answer = nobody.client.get("/api/jobs", headers=[(b"PROXY", value.encode())])
    refused(answer, *([value] if len(value) > 8 else []))


def test_an_empty_header_is_refused(nobody: Caller) -> None:
    refused(ask(nobody, ("PROXY", "")))


def test_a_certificate_without_its_key_is_refused(nobody: Caller, certificate: bytes) -> None:
    value = encoded(certificate)
    refused(ask(nobody, ("PROXY", value)), value)


def test_a_proxy_without_its_key_or_with_another_s_is_refused(nobody: Caller, alice: Caller, bob: Caller) -> None:
    key = b"-----BEGIN"
    parts = [key + part for part in (alice.proxy or b"").split(key) if part]
    keyless = b"".join(part for part in parts if b"PRIVATE KEY" not in part)
    foreign = next(key + part for part in (bob.proxy or b"").split(key) if b"PRIVATE KEY" in part)
    assert keyless != alice.proxy
    for pem in (keyless, keyless + foreign):
        refused(ask(nobody, ("PROXY", encoded(pem))), encoded(pem))


def test_a_proxy_that_has_expired_is_refused_with_the_rule(nobody: Caller) -> None:
    now = dt.datetime.now(dt.UTC)
    fresh, old = (encoded(proxy_until(now + dt.timedelta(minutes=minutes))) for minutes in (5, -1))
    assert ask(nobody, ("PROXY", fresh)).status_code == 200
    assert "expired" in refused(ask(nobody, ("PROXY", old)), old)


def test_a_changed_proxy_is_refused(nobody: Caller, alice: Caller) -> None:
    pem = bytearray(alice.proxy or b"")
    at = pem.index(b"-----END CERTIFICATE-----") - 20  # in the first signature
    pem[at] = ord("A") if pem[at] != ord("A") else ord("B")
    refused(ask(nobody, ("PROXY", encoded(bytes(pem)))), encoded(bytes(pem)))


def test_two_headers_are_refused(nobody: Caller, alice: Caller, bob: Caller) -> None:
    own, other = encoded(alice.proxy or b""), encoded(bob.proxy or b"")
    for first, second in ((own, own), (own, other), (other, own)):
        refused(ask(nobody, ("PROXY", first), ("PROXY", second)), first)
        refused(ask(nobody, ("PROXY", first), ("X-Proxy-Certificate", second)), first)


@pytest.mark.parametrize("name", ["PROXY", "Proxy", "proxy", "X-Proxy-Certificate"])
def test_the_header_s_name_may_be_in_any_case(nobody: Caller, alice: Caller, name: str) -> None:
    assert ask(nobody, (name, encoded(alice.proxy or b""))).status_code == 200


def test_a_large_proxy_gets_in(nobody: Caller, large: bytes) -> None:
    value = encoded(large)
    assert len(value) > 12 * KIB
    assert ask(nobody, ("PROXY", value)).status_code == 200


@pytest.mark.parametrize("size", [8 * KIB, 9 * KIB, 16 * KIB, 32 * KIB])
def test_a_header_of_up_to_32_kib_reaches_the_verdict(nobody: Caller, size: int) -> None:
    value = encoded(b"-----BEGIN CERTIFICATE-----\n" + b"x" * size)[:size]
    refused(ask(nobody, ("PROXY", value)), value)


@pytest.mark.parametrize("size", [64 * KIB + 1, 200 * KIB])
def test_a_header_over_every_limit_is_refused_and_harms_nobody(nobody: Caller, alice: Caller, size: int) -> None:
    error(ask(nobody, ("PROXY", "A" * size)), 431)
    assert alice.call("GET", "/api/jobs").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("", {"X-Odd": "\x1b"}, 400),
        (f"?tag={'a' * 5000}", {}, 414),
        ("", {f"X-{number}": "" for number in range(101)}, 431),
        ("", {"X-Large": "A" * (64 * KIB + 1)}, 431),
    ],
)
def test_what_the_web_server_refuses_by_itself_comes_in_the_same_form(
    alice: Caller, path: str, headers: dict[str, str], code: int
) -> None:
    answer = alice.call("GET", f"/api/jobs{path}", headers=headers)
    error(answer, code)
    assert "A" * 12 not in answer.text
    assert encoded(alice.proxy or b"")[:24] not in answer.text
