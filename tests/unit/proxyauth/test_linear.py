"""What anybody sends is read in time that grows with its length and no faster: steps are counted, not seconds."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

import proxyauth
from proxyauth import conf, credential
from proxyauth.errors import NoAccount, Refused, Unreadable
from proxyauth.policy import Policy
from proxyauth.trust import gridmap
from proxyauth.trust.gridmap import Gridmap
from proxyauth.x509 import der, dn, signing_policy
from tests.pki import asn1
from tests.pki.names import rdn

_POLICY = (
    "access_id_CA X509 '/C=PL/CN=CA'\npos_rights globus CA:sign\n"
    'cond_subjects globus \'"*a*a*a*a*/*?/*=?*a" "/c=pl/*/*/*/cn=*" "*?a?*?a?*b"\'\n'
)
_REFUSALS = (Refused, Unreadable, dn.BadName, der.NotDer, UnicodeDecodeError)


def steps(work: Callable[[], object]) -> int:
    """Count the instructions of this package's code that `work` takes; a refusal is an end like any other."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not str(frame.f_globals.get("__name__")).startswith("proxyauth"):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except _REFUSALS:
        pass
    finally:
        sys.settrace(before)
    return count


def _pem(text: str) -> object:
    return credential.read(f"-----BEGIN CERTIFICATE-----\n{text}".encode(), Policy())


def _blocks(text: str) -> object:
    """A block of another kind for each 64 characters."""
    parts = (text[at : at + 64] for at in range(0, len(text), 64))
    blocks = (f"-----BEGIN NOTE-----\n{part}\n-----END NOTE-----\n" for part in parts)
    return credential.read("".join(blocks).encode(), Policy())


def _allows(text: str) -> object:
    (policy,) = signing_policy.parse(_POLICY)
    return policy.allows(dn.fold(text))


_READERS: dict[str, Callable[[str], object]] = {
    "the header": credential.decode_header,
    "PEM": _pem,
    "PEM of another kind": lambda text: credential.read(
        f"-----BEGIN NOTE-----\n{text}\n-----END NOTE-----\n{text}".encode(), Policy()
    ),
    "many blocks": _blocks,
    "a label": lambda text: credential.read(f"-----BEGIN {text}-----".encode(), Policy()),
    "a name": dn.parse,
    "a value that could look like two": dn.looks_like_two,
    "a pattern's form": dn.pattern_key,
    "a line of the grid-mapfile": lambda text: gridmap.parse(text.encode()),
    "a quoted line of the grid-mapfile": lambda text: gridmap.parse(f'"/CN={text}'.encode()),
    "a signing policy": _allows,
}
_units = st.lists(
    st.sampled_from(["/", "+", "=", "/CN=", "a", "1", ".", "-", " ", "\t", "\n", "é", '"', "\\", "#", ",", "?", "b"])
    | st.sampled_from(["-----", "BEGIN ", "END ", "CERTIFICATE", "AAAA"]),
    min_size=1,
    max_size=6,
).map("".join)


@pytest.mark.parametrize("reader", _READERS.values(), ids=_READERS.keys())
@given(_units, _units)
def test_a_text_of_twice_the_length_takes_at_most_twice_the_steps(
    reader: Callable[[str], object], unit: str, tail: str
) -> None:
    once, twice = (steps(lambda n=n: reader(unit * n + tail)) for n in (150, 300))  # type: ignore[misc]  # a default binds n
    assert twice <= 2 * once + 1000


@pytest.mark.parametrize(
    "made",
    [
        lambda n: list(der.items(asn1.tlv(0x05) * n)),
        lambda n: der.oid(der.Item(der.OID, b"\x81" * n + b"\x01", b"")),
        lambda n: der.oid(der.Item(der.OID, b"\x01" * n, b"")),
        lambda n: dn.decode(der.one(asn1.seq(*[rdn("CN", "a")] * n), der.SEQUENCE)),
        lambda n: dn.decode(der.one(asn1.seq(rdn("CN", "\u0316\u0301" * n)), der.SEQUENCE)),
    ],
    ids=["elements", "one long arc", "many arcs", "many attributes", "a long value"],
)
def test_der_of_twice_the_length_takes_at_most_twice_the_steps(made: Callable[[int], object]) -> None:
    once, twice = steps(lambda: made(500)), steps(lambda: made(1000))
    assert 0 < twice <= 2 * once


def test_no_name_is_long_enough_for_unicode_to_be_slow() -> None:
    """Normalization is quadratic in a row of combining characters: only what is short comes that far."""
    marks = "\u0301" * 8000 + "\u0316" * 8000
    for raw in (asn1.seq(rdn("CN", marks)), asn1.seq(rdn("CN", marks.encode("utf-16-be"), asn1.BMP))):
        with pytest.raises(dn.TooLong):
            dn.decode(der.one(raw, der.SEQUENCE))
    with pytest.raises(dn.TooLong):
        dn.parse(f"/CN={marks}")
    assert gridmap.parse(f'"/CN={marks}" alice\n'.encode()).problems == (
        "line 1 is skipped: a value has more than 1024 characters",
    )


@pytest.mark.parametrize("pattern", ["/CN=(?P<account>([a-z]+)+)!", "/CN=(a|a?)+(?P<account>b)"])
def test_a_sites_pattern_cannot_backtrack(settings: Settings, pattern: str) -> None:
    """Python's own regular expressions would take longer for each of these than anybody lives."""
    settings.PROXY_DN_PATTERN = pattern
    with pytest.raises(NoAccount, match="dn-unmapped"):
        gridmap.account_of(dn.parse(f"/CN={'a' * 1000}"), Gridmap(), conf.read().dn_pattern, lambda _: True)


def test_no_module_that_reads_what_users_send_has_a_regular_expression_of_pythons() -> None:
    """They backtrack. `error_reporting` extends a pattern of Django's, of alternatives without a repetition."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in Path(proxyauth.__path__[0]).rglob("*.py")}
    importers = {
        name
        for name, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Import) and "re" in {alias.name for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and node.module == "re")
    }
    assert importers == {"error_reporting"}
