"""PURE: the header's value to its certificates. Its private key must prove to be the leaf's, and goes no further."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from proxyauth.errors import Malformed
from proxyauth.policy import Policy
from proxyauth.validation.algorithms import check_key
from proxyauth.x509 import certificate, possession
from proxyauth.x509.certificate import Certificate

MAX_HEADER = 32 * 1024
MAX_CERTIFICATES = 10
_KEYS = {"RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"}
_CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE"}
_BEGIN, _END, _DASHES = "-----BEGIN ", "-----END ", "-----"
_LABEL = frozenset(map(chr, range(0x20, 0x7F)))
_MAX_LABEL, _MAX_SHOWN = 64, 32
# The text that openssl, Globus, VOMS and MyProxy tools write around blocks: blank lines, indented dumps, and these
# beginnings of lines.
_TOOL_TEXT = (
    " ", "\t", "#", "Certificate:", "Bag Attributes", "Key Attributes", "subject=", "subject =", "issuer=", "issuer =",
)  # fmt: skip
_CONTROLS = frozenset(map(chr, [*range(0x20), 0x7F])) - {"\t"}
_PKCS12_VERSION = b"\x02\x01\x03"


@dataclass(frozen=True, slots=True)
class _Block:
    label: str
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<PEM block {self.label!r}>"


def decode_header(value: str) -> bytes:
    """Return the bytes that the header's strict Base64 (RFC 4648 section 4) stands for. Raises Malformed."""
    if not value.strip():
        raise Malformed("header-empty", "the header is empty")
    expect_short(value)
    if "," in value:
        raise Malformed("header-doubled", "the header was sent more than once")
    if {"-", "_"} & set(value):
        raise Malformed("header-url-safe", "the header is URL-safe Base64 or plain text; plain Base64 is expected")
    try:
        return _strict_base64(value)
    except ValueError:
        raise Malformed("header-not-base64", "the header is not Base64 on one line") from None


def expect_short(value: str) -> None:
    """Return if the header's value is not too long. Raises Malformed."""
    if len(value) > MAX_HEADER:
        raise Malformed("header-too-long", f"the header is longer than {MAX_HEADER} characters")


def _strict_base64(value: str) -> bytes:
    """Decode the one spelling that encoding gives back. Raises ValueError for any other."""
    decoded = binascii.a2b_base64(value.encode("ascii"))
    if base64.b64encode(decoded).decode("ascii") != value:
        raise ValueError("not the canonical spelling")
    return decoded


def read(data: bytes, policy: Policy) -> tuple[Certificate, ...]:
    """Return the certificates of a credential, leaf first as they came, after possession of the leaf's key was proven.

    `data` is what a proxy file holds: PEM. Raises Malformed for its form, NotAllowed for a key that is not the
    leaf's.
    """
    blocks = list(_blocks(_text(data)))
    key = _key(blocks)
    if key is None:
        raise Malformed("key-missing", f"there is no private key{_besides(blocks)}")
    certificates = _certificates(blocks)
    check_key(certificates[0].public_key, policy)
    possession.prove(key.label, _contents(key), certificates[0].public_key)
    return certificates


def look(data: bytes) -> tuple[tuple[Certificate, ...], bool]:
    """Return the certificates of a proxy file, and whether it holds a private key, of which nothing is proven here.

    For those who judge another one's proxy, and should not ask for the key. Raises Malformed.
    """
    blocks = list(_blocks(_text(data)))
    key = _key(blocks)
    return _certificates(blocks), key is not None


def _certificates(blocks: list[_Block]) -> tuple[Certificate, ...]:
    raw = list(dict.fromkeys(_contents(block) for block in blocks if block.label in _CERTIFICATES))
    if not raw:
        raise Malformed("certificate-missing", f"there is no certificate{_besides(blocks)}")
    if len(raw) > MAX_CERTIFICATES:
        raise Malformed("too-many-certificates", f"there are more than {MAX_CERTIFICATES} certificates")
    return tuple(map(certificate.read, raw))


def _text(data: bytes) -> str:
    if data[:1] == b"\x30" and data[1:2] >= b"\x80":
        behind_length = 2 + (data[1] & 0x7F)
        is_pkcs12 = data[behind_length : behind_length + len(_PKCS12_VERSION)] == _PKCS12_VERSION
        rule, what = ("pkcs12", "PKCS#12") if is_pkcs12 else ("der", "DER")
        raise Malformed(rule, f"this is {what}; PEM is expected")
    if b"\x00" in data:
        raise Malformed("nul-byte", "there is a NUL byte")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not-pem", "this is not PEM") from None


def _blocks(text: str) -> Iterator[_Block]:
    """Cut PEM (RFC 7468) into its blocks. Raises Malformed for text that no tool writes, and blocks that are not whole.

    A block of any label must be whole: what is read as its lines could else be another one's key.
    """
    if "-----BEGIN " not in text:
        raise Malformed("not-pem", "this is not PEM")
    label, lines = None, list[str]()
    for line in text.replace("\r\n", "\n").split("\n"):
        boundary = _boundary(line.rstrip(" \t"))
        if boundary is None and label is None:
            _expect_tool_text(line)
        elif boundary is None:
            lines.append(line.strip(" \t"))
        elif boundary[0] == _BEGIN:
            _expect_end(label)
            label = boundary[1]
        elif boundary[1] != label:
            raise Malformed("pem-boundary", f"the PEM block {_shown(boundary[1])} ends, but has not begun")
        else:
            yield _Block(label, tuple(lines))
            label, lines = None, []
    _expect_end(label)


def _expect_end(label: str | None) -> None:
    if label is not None:
        raise Malformed("pem-boundary", f"the PEM block {_shown(label)} has no end")


def _boundary(line: str) -> tuple[str, str] | None:
    """_BEGIN or _END and the label, if the line begins or ends a block."""
    for edge in (_BEGIN, _END):
        label = line.removeprefix(edge).removesuffix(_DASHES)
        if len(edge + label + _DASHES) == len(line) and _is_label(label):
            return edge, label
    return None


def _is_label(text: str) -> bool:
    """RFC 7468 section 3: printable ASCII or nothing, with single hyphens and blanks within. Here also bounded."""
    is_short = len(text) <= _MAX_LABEL and _LABEL.issuperset(text)
    return is_short and (not text or all(text.replace("-", " ").split(" ")))


def _shown(label: str) -> str:
    """Return a label as a sentence may hold it: the sender's own words, in quotes and short."""
    return f"'{label if len(label) <= _MAX_SHOWN else label[:_MAX_SHOWN] + '...'}'"


def _besides(blocks: list[_Block]) -> str:
    """Return what there is instead of what is missing: the labels that were passed over, the first few of them."""
    labels = dict.fromkeys(_shown(block.label) for block in blocks if block.label not in _KEYS | _CERTIFICATES)
    return f"; passed over: {', '.join(list(labels)[:3])}" if labels else ""


def _expect_tool_text(line: str) -> None:
    if line and not (line.startswith(_TOOL_TEXT) and _CONTROLS.isdisjoint(line)):
        raise Malformed("junk", "there is something besides PEM blocks and the text that tools write")


def _key(blocks: list[_Block]) -> _Block | None:
    """Return the private key, if there is one. Blocks of other kinds are ignored, as DIRAC's; a second key is not."""
    for block in blocks:
        _expect_known_key(block)
    keys = [block for block in blocks if block.label in _KEYS]
    if len(keys) > 1:
        raise Malformed("key-doubled", "there are two private keys")
    return keys[0] if keys else None


def _expect_known_key(block: _Block) -> None:
    """Raise Malformed for a key that cannot be read here, in whatever case and spelling its label says what it is."""
    is_known, is_key = block.label in _KEYS, "PRIVATE KEY" in block.label.upper().replace("-", " ")
    if block.label == "ENCRYPTED PRIVATE KEY" or (is_known and any("ENCRYPTED" in line for line in block.lines)):
        raise Malformed("key-encrypted", "the private key is encrypted; a proxy's key is not")
    if is_key and not is_known:
        raise Malformed("key-format", f"there is a private key of a form that is not read here: {_shown(block.label)}")


def _contents(block: _Block) -> bytes:
    try:
        return _strict_base64("".join(block.lines))
    except ValueError:
        raise Malformed("pem-not-base64", f"the PEM block {_shown(block.label)} is not Base64") from None
