"""A small grid: a CA, its users and their proxies, and the trust directory that a service has of it."""

from collections.abc import Sequence
from pathlib import Path

from tests.pki import asn1, keys
from tests.pki.mint import NOW, SHORT, YEAR, Extension, Form, Minted, certificate, crl
from tests.pki.names import Name, name, rdn

RFC, DRAFT = "1.3.6.1.5.5.7.1.14", "1.3.6.1.4.1.3536.1.222"
INHERIT_ALL, INDEPENDENT, LIMITED = "1.3.6.1.5.5.7.21.1", "1.3.6.1.5.5.7.21.2", "1.3.6.1.4.1.3536.1.1.1.9"
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CERT_SIGN = 0x80, 0x20, 0x04
CA_NAME, ALICE = "/C=PL/O=Grid/CN=Grid CA", "/C=PL/O=Grid/OU=Users/CN=Alice"
LONG = Form(start=NOW - YEAR, end=NOW + YEAR)


def key_usage(usage: int, *, critical: bool = True) -> Extension:
    """A key usage with these bits of its first octet."""
    return Extension("2.5.29.15", asn1.tlv(0x03, bytes([0, usage])), critical)


def basic_constraints(*, ca: bool, length: int | None = None) -> Extension:
    """Basic constraints."""
    parts = [asn1.boolean(value=True)] if ca else []
    return Extension("2.5.29.19", asn1.seq(*parts, *([] if length is None else [asn1.integer(length)])), critical=True)


def alternative_name(kind: str = "2.5.29.17") -> Extension:
    """An alternative name: an e-mail address."""
    return Extension(kind, asn1.seq(asn1.tlv(0x81, b"alice@example.org")))


def proxy_info(
    language: str = INHERIT_ALL,
    length: int | None = None,
    kind: str = RFC,
    policy: bytes | None = None,
    *,
    critical: bool = True,
) -> Extension:
    """A ProxyCertInfo in the RFC's or the draft's form."""
    text = asn1.seq(asn1.oid(language), *([] if policy is None else [asn1.octets(policy)]))
    number = [] if length is None else [asn1.integer(length)]
    body = [*number, text] if kind == RFC else [text, *(asn1.explicit(1, each) for each in number)]
    return Extension(kind, asn1.seq(*body), critical)


def ca(
    slashed: str = CA_NAME,
    parent: Minted | None = None,
    label: str = "ca",
    form: Form = LONG,
    length: int | None = None,
) -> Minted:
    """A CA."""
    extensions = [basic_constraints(ca=True, length=length), key_usage(CERT_SIGN | 0x02)]
    return certificate(name(slashed), keys.rsa_key(label), parent, extensions, form)


def user(
    parent: Minted,
    subject: str | Name = ALICE,
    key: keys.PrivateKey | None = None,
    extra: Sequence[Extension] = (),
    form: Form = LONG,
) -> Minted:
    """A user's certificate."""
    parts = name(subject) if isinstance(subject, str) else subject
    extensions = extra or [key_usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT)]
    return certificate(parts, key or keys.rsa_key("alice"), parent, extensions, form)


def rfc(
    parent: Minted,
    info: Extension | None = None,
    extra: Sequence[Extension] = (),
    form: Form = SHORT,
    cn: str = "1234567",
) -> Minted:
    """An RFC 3820 proxy, or with another `info` a draft one."""
    extensions = [info or proxy_info(), key_usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT), *extra]
    return certificate(
        (*parent.subject, rdn("CN", cn)), keys.rsa_key(f"proxy {len(parent.subject)}"), parent, extensions, form
    )


def draft(parent: Minted, language: str = INHERIT_ALL, length: int | None = None) -> Minted:
    """A GT3 draft proxy."""
    return rfc(parent, proxy_info(language, length, DRAFT))


def legacy(parent: Minted, cn: str = "proxy", extra: Sequence[Extension] = (), form: Form = SHORT) -> Minted:
    """A GT2 proxy."""
    return certificate(
        (*parent.subject, rdn("CN", cn)), keys.rsa_key(f"proxy {len(parent.subject)}"), parent, extra, form
    )


def proxy_file(*chain: Minted, key: bytes | None = None) -> bytes:
    """What grid-proxy-init writes: the leaf, its key, the rest."""
    leaf, *rest = chain
    return leaf.pem + (keys.traditional(leaf.key) if key is None else key) + b"".join(each.pem for each in rest)


def signing_policy(slashed: str, *patterns: str) -> str:
    """A signing policy as SimpleCA writes it."""
    quoted = " ".join(f'"{pattern}"' for pattern in patterns)
    return f"access_id_CA  X509  '{slashed}'\npos_rights  globus  CA:sign\ncond_subjects  globus  '{quoted}'\n"


def write_trust(
    directory: Path, authority: Minted, slashed: str = CA_NAME, stem: str = "0123abcd", number: int = 0
) -> None:
    """Put a CA into a trust directory, with a signing policy and a fresh, empty list."""
    directory.mkdir(exist_ok=True)
    (directory / f"{stem}.{number}").write_bytes(authority.pem)
    (directory / f"{stem}.signing_policy").write_text(signing_policy(slashed, "/C=PL/O=Grid/*"))
    (directory / f"{stem}.r{number}").write_bytes(crl(authority))
