"""Certificates are read once, by one strict reader and one library, and show nothing but their names."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import crypto

from proxyauth import credential
from proxyauth.errors import Malformed, NotAllowed
from proxyauth.policy import Policy
from proxyauth.x509 import certificate, der
from proxyauth.x509.certificate import Certificate
from tests.pki import asn1, grid
from tests.pki.mint import Extension, Minted, sign
from tests.unit.proxyauth.trial import alice, of, the_ca, verdict


def _rebuilt(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Alice's certificate with changed fields, signed again."""
    contents, algorithm, _ = der.sequence(alice().der)
    fields = asn1.seq(*change([field.raw for field in der.sequence(contents.raw)]))
    return asn1.seq(fields, algorithm.raw, asn1.bits(sign(the_ca().key, fields, "sha256")))


def test_a_certificate_shows_its_name() -> None:
    assert repr(certificate.read(alice().der)) == f"<Certificate '{grid.ALICE}'>"


def test_a_pem_block_shows_its_label() -> None:
    text = grid.proxy_file(grid.rfc(alice()), alice()).decode()
    shown = repr(list(credential._blocks(text)))
    assert shown == "[<PEM block 'CERTIFICATE'>, <PEM block 'RSA PRIVATE KEY'>, <PEM block 'CERTIFICATE'>]"


def test_unique_identifiers_mean_nothing() -> None:
    raw = _rebuilt(lambda fields: [*fields[:-1], asn1.tlv(0x81, b"\0unique"), fields[-1]])
    found = certificate.read(raw)
    assert found.extensions == certificate.read(alice().der).extensions


@pytest.mark.parametrize(
    "extension",
    [
        asn1.seq(asn1.oid("1.2.3")),
        asn1.seq(asn1.oid("1.2.3"), asn1.boolean(value=True), asn1.boolean(value=True), asn1.octets(b"")),
        asn1.seq(asn1.oid("1.2.3"), asn1.integer(1), asn1.octets(b"")),
        asn1.seq(asn1.oid("1.2.3"), asn1.integer(1)),
        asn1.seq(asn1.octets(b""), asn1.octets(b"")),
        asn1.seq(),
    ],
)
def test_an_extension_of_another_form_is_refused(extension: bytes) -> None:
    with pytest.raises(Malformed, match="certificate-malformed"):
        certificate.read(_rebuilt(lambda fields: [*fields[:-1], asn1.explicit(3, asn1.seq(extension))]))


@pytest.mark.parametrize("keep", [0, 1, 3, 6])
def test_a_certificate_without_a_field_is_refused(keep: int) -> None:
    with pytest.raises(Malformed, match="certificate-malformed"):
        certificate.read(_rebuilt(lambda fields: fields[:keep]))


@pytest.mark.parametrize(
    ("usage", "may"), [(b"\0\x80", True), (b"\0\x04", False), (b"\0", False), (b"\7\0\x80", False)]
)
def test_key_usage_is_its_first_octet(usage: bytes, may: bool) -> None:
    user = grid.user(the_ca(), extra=[Extension("2.5.29.15", asn1.tlv(3, usage))])
    assert certificate.read(user.der).may(certificate.DIGITAL_SIGNATURE) is may


def test_without_a_key_usage_everything_is_allowed() -> None:
    found: Certificate = certificate.read(grid.legacy(alice()).der)
    assert found.key_usage is None
    assert found.may(certificate.DIGITAL_SIGNATURE)


def test_what_openssl_cannot_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise crypto.Error([])

    leaf: Minted = grid.rfc(alice())
    trial = of(leaf, alice())
    calls = iter([crypto.X509.from_cryptography, fail])

    def replaced(each: x509.Certificate) -> object:
        return next(calls)(each)

    monkeypatch.setattr(crypto.X509, "from_cryptography", replaced)
    refused = verdict(trial, tmp_path)
    assert isinstance(refused, NotAllowed)
    assert str(refused) == "path-invalid: OpenSSL cannot read the path"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x30\x82\x01\x00\x02\x01\x03", "pkcs12: this is PKCS#12; PEM is expected"),
        (b"\x30\x82\x01\x00\x02\x01\x02", "der: this is DER; PEM is expected"),
    ],
)
def test_what_is_not_pem_is_called_by_its_name(data: bytes, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        credential.read(data, Policy())
    assert str(refused.value) == message


def _refused(data: bytes) -> str:
    with pytest.raises(Malformed) as refused:
        credential.read(data, Policy())
    return refused.value.message


def _block(label: str) -> bytes:
    return f"-----BEGIN {label}-----\n-----END {label}-----\n".encode()


def test_a_refusal_names_the_block_that_it_is_about() -> None:
    proxy = grid.proxy_file(grid.rfc(alice()), alice())
    for data, message in (
        (proxy + b"-----BEGIN DIRACX-----\n", "the PEM block 'DIRACX' has no end"),
        (proxy + b"-----BEGIN A-----\n-----BEGIN B-----\n", "the PEM block 'A' has no end"),
        (proxy + b"-----BEGIN A-----\n-----END B-----\n", "the PEM block 'B' ends, but has not begun"),
        (b"-----BEGIN CERTIFICATE-----\n!\n", "the PEM block 'CERTIFICATE' has no end"),
        (
            proxy + _block("DSA PRIVATE KEY"),
            "there is a private key of a form that is not read here: 'DSA PRIVATE KEY'",
        ),
        (_block("A") + _block("B") * 2, "there is no private key; passed over: 'A', 'B'"),
        (_block("PKCS12") + _block("PRIVATE KEY"), "there is no certificate; passed over: 'PKCS12'"),
        (_block("CERTIFICATE"), "there is no private key"),
    ):
        assert _refused(data) == message


def test_what_a_refusal_repeats_of_labels_is_short_and_printable() -> None:
    many = b"".join(_block(f"{number} {'A' * 60}") for number in range(300))
    first = ", ".join(f"'{number} {'A' * 30}...'" for number in range(3))
    assert _refused(many) == f"there is no private key; passed over: {first}"
    assert "\x1b" not in _refused(_block("A\x1b[31m") + _block("B"))
