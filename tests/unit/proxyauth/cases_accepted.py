"""Credentials that a grid's tools make, and that must get in."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from proxyauth.policy import Need, Policy
from tests.pki import asn1, grid, keys
from tests.pki.mint import DAY, HOUR, NOW, YEAR, Extension, Form, Minted, certificate, crl
from tests.pki.names import name, part, rdn, rdns
from tests.unit.proxyauth.trial import ACCEPTED, Case, Trial, alice, of, the_ca, the_trust, trust_files

_OLD_SITE = Policy(min_rsa_bits=1024, weak_hashes=frozenset({"sha1", "md5"}))
_DUMP = b"Certificate:\n    Data:\n        Version: 3 (0x2)\n        Signature Algorithm: sha256WithRSAEncryption\n"
_BAG = (
    b"Bag Attributes\n    localKeyID: 01 \n    friendlyName: Zo\xc3\xab\nsubject=/C=PL/CN=Zo\xc3\xab\nissuer= /C=PL\n"
)


# What others write beside a proxy; DIRAC's is the JSON of its tokens in Base64.
_OTHER_BLOCKS = {
    "DIRAC's tokens": b"-----BEGIN DIRACX-----\neyJhY2Nlc3NfdG9rZW4iOiJ4In0=\n-----END DIRACX-----\n",
    "a certificate request": keys.pem("CERTIFICATE REQUEST", b"\x30\x00"),
    "a revocation list": keys.pem("X509 CRL", b"\x30\x00"),
    "a public key": keys.pem("PUBLIC KEY", b"\x30\x00"),
    "PKCS#7": keys.pem("PKCS7", b"\x30\x00"),
    "PKCS#12": keys.pem("PKCS12", b"\x30\x00"),
    "a certificate with trust settings": keys.pem("TRUSTED CERTIFICATE", b"\x30\x00"),
    "small letters": keys.pem("certificate", b"\x30\x00"),
    "hyphens and other characters": keys.pem("x-a 1_\"<&>'", b"\x30\x00"),
    "64 characters": keys.pem("A" * 64, b"\x30\x00"),
    "no label": b"-----BEGIN -----\n-----END -----\n",
    "no Base64": b"-----BEGIN NOTE-----\nProc-Type: 4,ENCRYPTED\n\xc3\xab \x1b ----END NOTE----\n-----END NOTE-----\n",
    "two of a kind": b"-----BEGIN NOTE-----\n-----END NOTE-----\n" * 2,
}


def _voms() -> Minted:
    """A proxy with the extension in which VOMS keeps its attributes."""
    return grid.rfc(alice(), extra=[Extension("1.3.6.1.4.1.8005.100.100.5", asn1.seq(asn1.octets(b"attributes")))])


def _ec_proxy(curve: str) -> Minted:
    info = [grid.proxy_info(), grid.key_usage(grid.DIGITAL_SIGNATURE)]
    return certificate((*alice().subject, rdn("CN", "7")), keys.ec_key(curve, curve), alice(), info)


def _scalar(key: ec.EllipticCurvePrivateKey) -> Trial:
    """An elliptic curve key that notes neither its curve nor its point."""
    leaf = certificate((*alice().subject, rdn("CN", "7")), key, alice(), [grid.proxy_info()])
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    return of(leaf, alice(), key=keys.pem("EC PRIVATE KEY", asn1.seq(asn1.integer(1), asn1.octets(secret))))


def _ec_grid(form: Form = grid.LONG, policy: Policy | None = None) -> Trial:
    ca = certificate(name(grid.CA_NAME), keys.ec_key("ca"), None, [grid.basic_constraints(ca=True)], grid.LONG)
    user = grid.user(ca, key=keys.ec_key("alice"), form=form)
    return replace(of(grid.rfc(user), user, policy=policy or Policy()), files=trust_files(ca))


def _pem(*certificates: Minted, before: bytes = b"", between: bytes = b"", newline: bytes = b"\n") -> Trial:
    leaf, *rest = certificates
    blocks = [leaf.pem, keys.traditional(leaf.key), *(each.pem for each in rest)]
    return Trial((before + between.join(blocks)).replace(b"\n", newline))


def _intermediate(*, sent: bool = False) -> Trial:
    root = grid.ca("/C=PL/O=Grid/CN=Root", label="root")
    sub = grid.ca(parent=root)
    user = grid.user(sub)
    files = trust_files(root, "/C=PL/O=Grid/CN=Root", "aaaaaaaa") | trust_files(sub)
    return replace(of(grid.rfc(user), user, *([sub, root] if sent else [])), files=files)


def _under(subject: str) -> Trial:
    user = grid.user(the_ca(), subject)
    return of(grid.rfc(user), user)


def _named_like_a_proxy() -> Trial:
    """A CA whose name is a prefix of its user's, whose CN is `proxy`."""
    ca = grid.ca("/C=PL/O=Grid")
    user = grid.user(ca, "/C=PL/O=Grid/CN=proxy")
    return replace(of(grid.legacy(user), user), files=trust_files(ca, "/C=PL/O=Grid"))


def _old(bits: int, digest: str) -> Trial:
    user = grid.user(the_ca(), key=keys.rsa_key("old", bits), form=replace(grid.LONG, digest=digest))
    return of(grid.rfc(user), user, policy=_OLD_SITE)


def _sha1_root() -> Trial:
    """The root's signature on itself proves nothing, and so its digest does not matter."""
    ca = grid.ca(form=replace(grid.LONG, digest="sha1"))
    user = grid.user(ca)
    return replace(of(grid.rfc(user), user), files=trust_files(ca))


def _old_root() -> Trial:
    """A root of X.509 version 1 cannot say that it is a CA."""
    ca = certificate(name(grid.CA_NAME), keys.rsa_key("ca"), None, form=replace(grid.LONG, version=1))
    user = grid.user(ca)
    return replace(of(grid.rfc(user), user), files=trust_files(ca))


def _renewed_ca(*, same_key: bool) -> Trial:
    """Two CAs of one name: the older one first in the directory."""
    past = grid.ca(label="ca" if same_key else "old ca", form=Form(start=NOW - 3 * YEAR, end=NOW - DAY))
    return replace(of(grid.rfc(alice()), alice()), files={"0123abcd.1": past.pem, **the_trust()})


def _several_lists() -> Trial:
    """A stale list beside a fresh one, and one of another CA of the same name."""
    files = {
        **the_trust(),
        "0123abcd.r1": crl(the_ca(), [alice().serial], NOW - 9 * DAY, NOW - 8 * DAY),
        "0123abcd.r2": crl(the_ca(), [alice().serial], signed_with=keys.rsa_key("other")),
    }
    return replace(of(grid.rfc(alice()), alice()), files=files)


def _without(*names: str, policy: Policy) -> Trial:
    files = {each: contents for each, contents in the_trust().items() if each not in names}
    return replace(of(grid.rfc(alice()), alice(), policy=policy), files=files)


def _names_in_two_ways() -> Trial:
    """The issuer's name written in another string type, case and spacing than the subject's is."""
    issuer = name("/C=PL/O=GRID/CN=grid  ca", asn1.PRINTABLE)
    user = grid.user(the_ca(), form=replace(grid.LONG, issuer=issuer))
    return of(grid.legacy(user), user)


def _delegated(make: Callable[[Minted], Minted], count: int = 2) -> list[Minted]:
    """Proxies of proxies, the leaf first, and the user."""
    chain = [alice()]
    for _ in range(count):
        chain.insert(0, make(chain[0]))
    return chain


def _used(purpose: str, *, critical: bool) -> Trial:
    """A proxy of a user with an extended key usage."""
    usage = Extension("2.5.29.37", asn1.seq(asn1.oid(purpose)), critical)
    user = grid.user(the_ca(), extra=[grid.key_usage(grid.DIGITAL_SIGNATURE), usage])
    return of(grid.rfc(user), user)


def _since(ca: Minted) -> Trial:
    """A proxy of a user whose certificate begins now."""
    user = grid.user(ca, form=Form(start=NOW, end=NOW + YEAR))
    return replace(of(grid.rfc(user, form=Form(start=NOW)), user), files=trust_files(ca))


def _multivalued() -> Minted:
    return grid.user(the_ca(), (*name("/C=PL/O=Grid"), rdns(part("CN", "Alice"), part("UID", "7"))))


def _listed(digest: str, policy: Policy | None = None) -> Trial:
    """Alice's proxy, whose CA signs its list with this digest."""
    files = {**the_trust(), "0123abcd.r0": crl(the_ca(), digest=digest)}
    return replace(of(grid.rfc(alice()), alice(), policy=policy or Policy()), files=files)


def _pss_list() -> bytes:
    """The library's own minting, of a list that is signed with RSASSA-PSS."""
    key = the_ca().key
    assert isinstance(key, rsa.RSAPrivateKey)
    issuer = x509.load_der_x509_certificate(the_ca().der).subject
    built = x509.CertificateRevocationListBuilder(issuer, NOW - DAY, NOW + DAY)
    how = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return built.sign(key, hashes.SHA256(), rsa_padding=how).public_bytes(Encoding.PEM)


def _der_list() -> bytes:
    body = b"".join(crl(the_ca()).splitlines()[1:-1])
    return b64decode(body)


_TRIALS: dict[str, Callable[[], Trial]] = {
    "an RFC proxy": lambda: of(grid.rfc(alice()), alice()),
    "a draft proxy": lambda: of(grid.draft(alice()), alice()),
    "a legacy proxy": lambda: of(grid.legacy(alice()), alice()),
    "an RFC proxy delegated twice": lambda: of(*_delegated(grid.rfc)),
    "a draft proxy delegated twice": lambda: of(*_delegated(grid.draft)),
    "a legacy proxy delegated twice": lambda: of(*_delegated(grid.legacy)),
    "as many delegations as are allowed": lambda: of(*_delegated(grid.rfc, 8)),
    "a chain in another order": lambda: of(grid.rfc(first := grid.rfc(alice())), alice(), first),
    "a chain with its CA": lambda: of(grid.rfc(alice()), the_ca(), alice()),
    "a certificate that was sent twice": lambda: of(grid.rfc(alice()), alice(), alice()),
    "a path length that is kept": lambda: of(
        grid.rfc(first := grid.rfc(alice(), grid.proxy_info(length=1)), grid.proxy_info(length=0)), first, alice()
    ),
    "a draft path length that is kept": lambda: of(grid.draft(first := grid.draft(alice(), length=1)), first, alice()),
    "a draft OID in the RFC's order": lambda: of(
        grid.rfc(alice(), replace(grid.proxy_info(length=1), oid=grid.DRAFT)), alice()
    ),
    "a serial number of 20 octets": lambda: of(grid.rfc(alice(), form=Form(serial=(1 << 160) - 1)), alice()),
    "a proxy with VOMS attributes": lambda: of(_voms(), alice()),
    "a proxy that outlives its user's certificate": lambda: of(
        grid.rfc(alice(), form=Form(end=NOW + 3 * YEAR)), alice()
    ),
    "a key in PKCS#8": lambda: of(leaf := grid.rfc(alice()), alice(), key=keys.pkcs8(leaf.key)),
    "an elliptic curve key": lambda: of(_ec_proxy("secp256r1"), alice()),
    "an elliptic curve key in PKCS#8": lambda: of(leaf := _ec_proxy("secp384r1"), alice(), key=keys.pkcs8(leaf.key)),
    "an elliptic curve key behind its parameters": lambda: of(
        leaf := _ec_proxy("secp521r1"),
        alice(),
        key=keys.pem("EC PARAMETERS", asn1.oid("1.3.132.0.35")) + keys.traditional(leaf.key),
    ),
    "an elliptic curve key of its scalar alone": lambda: _scalar(keys.ec_key("leaf")),
    "an elliptic curve key of one": lambda: _scalar(ec.derive_private_key(1, ec.SECP256R1())),
    "a grid of elliptic curves": _ec_grid,
    "line breaks of Windows": lambda: _pem(grid.rfc(alice()), alice(), newline=b"\r\n"),
    "a dump before the first block": lambda: _pem(grid.rfc(alice()), alice(), before=_DUMP),
    "bag attributes between blocks": lambda: _pem(grid.rfc(alice()), alice(), between=_BAG),
    "comments and blank lines": lambda: _pem(grid.rfc(alice()), alice(), between=b"\n# my proxy\n \n"),
    "blanks behind lines": lambda: Trial(of(grid.rfc(alice()), alice()).data.replace(b"\n", b" \n")),
    "old names of PEM blocks": lambda: Trial(
        of(grid.rfc(alice()), alice()).data.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-")
    ),
    "a user of an intermediate CA": _intermediate,
    "a user of an intermediate CA that is sent, too": lambda: _intermediate(sent=True),
    "a real user called proxy": lambda: _under("/C=PL/O=Grid/CN=proxy"),
    "a real user called limited proxy": lambda: _under("/C=PL/O=Grid/CN=limited proxy"),
    "a real user called proxy below its CA's name": _named_like_a_proxy,
    "an RFC proxy called limited proxy": lambda: of(grid.rfc(alice(), cn="limited proxy"), alice()),
    "a host's name with a slash": lambda: of(
        grid.rfc(host := grid.user(the_ca(), (*name("/C=PL/O=Grid"), rdn("CN", "host/a.example.org")))), host
    ),
    "a user with a multivalued RDN": lambda: of(grid.rfc(user := _multivalued()), user),
    "a user with umlauts in Latin-1": lambda: of(
        grid.rfc(user := grid.user(the_ca(), (*name("/C=PL/O=Grid"), rdn("CN", "Zoë", asn1.TELETEX)))), user
    ),
    "names that only RFC 5280 finds equal": _names_in_two_ways,
    "a limited proxy where a site allows it": lambda: of(
        grid.rfc(alice(), grid.proxy_info(grid.LIMITED)), alice(), policy=Policy(allow_limited=True)
    ),
    "limited proxies below full ones where allowed": lambda: of(
        grid.legacy(first := grid.legacy(alice()), "limited proxy"), first, alice(), policy=Policy(allow_limited=True)
    ),
    "a user's certificate where a site allows it": lambda: of(alice(), policy=Policy(allow_end_entity=True)),
    "a user's certificate without key usage": lambda: of(
        grid.rfc(user := certificate(name(grid.ALICE), keys.rsa_key("alice"), the_ca(), form=grid.LONG)), user
    ),
    "a user's certificate for clients": lambda: _used("1.3.6.1.5.5.7.3.2", critical=True),
    "a user's certificate for servers that need not be heeded": lambda: _used("1.3.6.1.5.5.7.3.1", critical=False),
    "RSA-1024 at an old site": lambda: _old(1024, "sha256"),
    "SHA-1 at an old site": lambda: _old(2048, "sha1"),
    "MD5 at an old site": lambda: _old(2048, "md5"),
    "RSA-4096": lambda: of(
        certificate((*alice().subject, rdn("CN", "1")), keys.rsa_key("large", 4096), alice(), [grid.proxy_info()]),
        alice(),
    ),
    "a root that signed itself with SHA-1": _sha1_root,
    "a root of version 1": _old_root,
    "a CA that was renewed with its key": lambda: _renewed_ca(same_key=True),
    "a CA that was renewed with a new key": lambda: _renewed_ca(same_key=False),
    **{
        f"a block of another kind: {title}": lambda block=block: Trial(  # type: ignore[misc]  # a default binds it
            grid.proxy_file(grid.rfc(alice()), alice()) + block
        )
        for title, block in _OTHER_BLOCKS.items()
    },
    "blocks of other kinds before and between": lambda: _pem(
        grid.rfc(alice()), alice(), before=_OTHER_BLOCKS["DIRAC's tokens"], between=_OTHER_BLOCKS["a revocation list"]
    ),
    "several lists, of which one counts": _several_lists,
    "no list where none is required": lambda: _without("0123abcd.r0", policy=Policy()),
    "no signing policy where none is required": lambda: _without(
        "0123abcd.signing_policy", policy=Policy(signing_policy=Need.IF_PRESENT)
    ),
    "no list where lists are ignored": lambda: _without("0123abcd.r0", policy=Policy(crl=Need.IGNORE)),
    "a revoked user where lists are ignored": lambda: replace(
        of(grid.rfc(alice()), alice(), policy=Policy(crl=Need.IGNORE)),
        files={**the_trust(), "0123abcd.r0": crl(the_ca(), [alice().serial])},
    ),
    "a forged list where lists are ignored": lambda: replace(
        of(grid.rfc(alice()), alice(), policy=Policy(crl=Need.IGNORE)),
        files={**the_trust(), "0123abcd.r0": crl(the_ca(), signed_with=keys.rsa_key("thief"))},
    ),
    "a name outside of a signing policy that is ignored": lambda: replace(
        of(grid.rfc(alice()), alice(), policy=Policy(signing_policy=Need.IGNORE)),
        files=trust_files(the_ca(), patterns=("/C=DE/*",)),
    ),
    "a list without a next update": lambda: replace(
        of(grid.rfc(alice()), alice()), files={**the_trust(), "0123abcd.r0": crl(the_ca(), end=None)}
    ),
    "a list with a number": lambda: replace(
        of(grid.rfc(alice()), alice()),
        files={
            **the_trust(),
            "0123abcd.r0": crl(
                the_ca(), extensions=[Extension("2.5.29.20", asn1.integer(1)), Extension("2.5.29.35", asn1.seq())]
            ),
        },
    ),
    "a list with a critical number": lambda: replace(
        of(grid.rfc(alice()), alice()),
        files={
            **the_trust(),
            "0123abcd.r0": crl(the_ca(), extensions=[Extension("2.5.29.20", asn1.integer(1), critical=True)]),
        },
    ),
    "a list with SHA-1 where that is allowed": lambda: _listed("sha1", Policy(weak_hashes=frozenset({"sha1"}))),
    "a list with MD5 where that is allowed": lambda: _listed("md5", Policy(weak_hashes=frozenset({"md5"}))),
    "a list with SHA-1 where lists are ignored": lambda: _listed("sha1", Policy(crl=Need.IGNORE)),
    "a list with SHA-1 before a newer one": lambda: replace(
        of(grid.rfc(alice()), alice()),
        files={**the_trust(), "0123abcd.r1": crl(the_ca(), start=NOW - 2 * DAY, digest="sha1")},
    ),
    "a list with SHA-224": lambda: _listed("sha224"),
    "a list with SHA-512": lambda: _listed("sha512"),
    "a list with RSA-PSS": lambda: replace(
        of(grid.rfc(alice()), alice()), files={**the_trust(), "0123abcd.r0": _pss_list()}
    ),
    "a user's certificate with SHA-1 of an elliptic curve at an old site": lambda: _ec_grid(
        replace(grid.LONG, digest="sha1"), _OLD_SITE
    ),
    "a list in DER": lambda: replace(of(grid.rfc(alice()), alice()), files={**the_trust(), "0123abcd.r0": _der_list()}),
    "the first second of a user's certificate": lambda: _since(the_ca()),
    "the first second of a CA": lambda: _since(grid.ca(form=Form(start=NOW, end=NOW + YEAR))),
    "the first second of a list": lambda: replace(
        of(grid.rfc(alice()), alice()), files={**the_trust(), "0123abcd.r0": crl(the_ca(), start=NOW)}
    ),
    "the first second of a proxy": lambda: of(grid.rfc(alice()), alice(), now=NOW - HOUR),
    "the last second of a proxy": lambda: of(grid.rfc(alice()), alice(), now=NOW + 11 * HOUR - HOUR / 3600),
}
ACCEPTED_CASES = [Case(ACCEPTED, title, make) for title, make in _TRIALS.items()]
