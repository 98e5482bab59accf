"""Whatever is done to a real proxy: a typed refusal, in a bounded number of calls, and nothing accepted unsigned."""

import base64
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxyauth import credential
from proxyauth.errors import Refused, Unreadable
from proxyauth.policy import Policy
from proxyauth.trust import gridmap, store
from proxyauth.validation import chain
from proxyauth.validation.chain import Verified
from proxyauth.x509 import der, dn, signing_policy
from proxyauth.x509.ca import Anchors
from tests.pki import asn1, grid, keys
from tests.pki.mint import NOW, Minted, sign
from tests.unit.proxyauth.trial import alice, the_trust

_CALLS = 20_000
_MANY = settings(max_examples=4 * settings().max_examples, suppress_health_check=[HealthCheck.too_slow])
_KINDS: dict[str, Callable[[Minted], Minted]] = {"rfc": grid.rfc, "draft": grid.draft, "legacy": grid.legacy}


@cache
def _anchors() -> Anchors:
    with TemporaryDirectory() as name:
        for file, contents in the_trust().items():
            (Path(name) / file).write_bytes(contents)
        return store.follow(Path(name)).state().value.anchors


@cache
def _chain(kind: str) -> tuple[Minted, ...]:
    first = _KINDS[kind](alice())
    return (_KINDS[kind](first), first, alice())


def _judge(data: bytes) -> Verified | None:
    """The verdict on a file; None for a typed refusal. Takes no more calls of functions than the bound."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return chain.judge(credential.read(data, Policy()), _anchors(), NOW, Policy())
    except Refused as exc:
        return None if re.fullmatch(r"[a-z0-9-]+", exc.rule) else pytest.fail("a rule without a name")
    finally:
        sys.setprofile(before)
        assert calls < _CALLS


def _known(kind: str) -> Verified:
    found = _judge(grid.proxy_file(*_chain(kind)))
    assert found is not None
    return found


kinds = st.sampled_from(sorted(_KINDS))
_mutations = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4)


def _mutated(raw: bytes, mutations: list[tuple[int, int]]) -> bytes:
    changed = bytearray(raw)
    for position, mask in mutations:
        changed[position % len(changed)] ^= mask
    return bytes(changed)


@_MANY
@given(kinds, st.integers(0, 2), _mutations)
def test_no_changed_byte_of_a_certificate_is_accepted(kind: str, which: int, mutations: list[tuple[int, int]]) -> None:
    links = list(_chain(kind))
    changed = _mutated(links[which].der, mutations)
    if changed == links[which].der:
        return
    data = grid.proxy_file(*links).replace(links[which].pem, keys.pem("CERTIFICATE", changed))
    assert _judge(data) is None


@_MANY
@given(kinds, _mutations)
def test_whatever_a_user_signs_makes_nobody_else_of_him(kind: str, mutations: list[tuple[int, int]]) -> None:
    """A user can sign any bytes for a proxy; at most he gets in as himself."""
    first, user = _chain(kind)[1:]
    contents, algorithm, _ = der.sequence(first.der)
    changed = contents.raw[:4] + _mutated(contents.raw[4:], mutations)
    signed = asn1.seq(changed, algorithm.raw, asn1.bits(sign(user.key, changed, "sha256")))
    found = _judge(grid.proxy_file(first, user).replace(first.pem, keys.pem("CERTIFICATE", signed)))
    assert found is None or found.owner == _known(kind).owner


@_MANY
@given(kinds, _mutations)
def test_no_changed_byte_of_the_key_is_accepted(kind: str, mutations: list[tuple[int, int]]) -> None:
    links = _chain(kind)
    pem = keys.traditional(links[0].key)
    raw = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    changed = _mutated(raw, mutations)
    if changed == raw:
        return
    assert _judge(grid.proxy_file(*links, key=keys.pem("RSA PRIVATE KEY", changed))) is None


@_MANY
@given(kinds, _mutations)
def test_a_changed_file_is_refused_or_means_the_same(kind: str, mutations: list[tuple[int, int]]) -> None:
    """Bytes that do not matter are blanks, line breaks and comments."""
    found = _judge(_mutated(grid.proxy_file(*_chain(kind)), mutations))
    assert found in {None, _known(kind)}


@_MANY
@given(kinds, st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_a_file_with_a_part_cut_out_is_refused_or_means_the_same(kind: str, start: int, length: int) -> None:
    data = grid.proxy_file(*_chain(kind))
    start %= len(data)
    length %= len(data) - start
    assert _judge(data[:start] + data[start + length :]) in {None, _known(kind)}


@_MANY
@given(kinds, st.permutations(range(3)))
def test_any_order_is_accepted_if_the_leaf_is_first(kind: str, order: list[int]) -> None:
    links = _chain(kind)
    data = grid.proxy_file(*(links[each] for each in order), key=keys.traditional(links[0].key))
    assert (_judge(data) == _known(kind)) == (order[0] == 0)


@_MANY
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_no_header_raises_anything_but_a_refusal(header: str) -> None:
    with pytest.raises(Refused):
        credential.read(credential.decode_header(header), Policy())


@_MANY
@given(st.binary(max_size=300), st.sampled_from(["CERTIFICATE", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"]))
def test_no_block_raises_anything_but_a_refusal(raw: bytes, label: str) -> None:
    assert _judge(grid.proxy_file(*_chain("rfc")) + keys.pem(label, raw)) is None
    assert _judge(grid.proxy_file(*_chain("rfc"), key=keys.pem(label, raw))) is None


@_MANY
@given(st.integers(0, 8), st.lists(st.integers(-(1 << 70), 1 << 70), min_size=9, max_size=9))
def test_no_row_of_numbers_is_a_key(kept: int, numbers: list[int]) -> None:
    leaf = _chain("rfc")[0]
    assert isinstance(leaf.key, rsa.RSAPrivateKey)
    real = leaf.key.private_numbers()
    public = real.public_numbers
    row = [0, public.n, public.e, real.d, real.p, real.q, real.dmp1, real.dmq1, real.iqmp]
    mixed = [*row[:kept], *numbers[kept:]]
    assert _judge(grid.proxy_file(*_chain("rfc"), key=keys.rsa_pem(*mixed))) is None


@_MANY
@given(st.binary(max_size=200))
def test_der_reads_or_refuses(raw: bytes) -> None:
    try:
        found = list(der.items(raw))
    except der.NotDer:
        return
    assert b"".join(item.raw for item in found) == raw


_values = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=20)
_names = st.lists(
    st.builds(dn.Attribute, st.sampled_from(["C", "O", "CN", "DC", "UID", "emailAddress", "1.2.3"]), _values).filter(
        lambda part: not dn.looks_like_two(part.value) and not dn.has_outer_blanks(part.value)
    ),
    min_size=1,
    max_size=5,
).map(lambda parts: tuple((part,) for part in parts))


@_MANY
@given(_names)
def test_the_slash_form_of_an_allowed_name_is_read_back(name: dn.Name) -> None:
    assert dn.parse(dn.text(name)) == name


@_MANY
@given(_names, _names)
def test_names_with_equal_keys_have_equal_parts(one: dn.Name, other: dn.Name) -> None:
    """No value can pretend to be two: equal keys mean as many parts of the same types."""
    shape = [[part.type for rdn in name for part in rdn] for name in (one, other)]
    assert dn.key(one) != dn.key(other) or shape[0] == shape[1]
    assert dn.key(one) == dn.key(dn.parse(dn.text(one)))


@_MANY
@given(st.binary(max_size=200))
def test_any_grid_mapfile_can_be_read(raw: bytes) -> None:
    gridmap.parse(raw)


@_MANY
@given(st.binary(max_size=60))
def test_a_broken_line_takes_nothing_from_the_others(line: bytes) -> None:
    broken = line.replace(b"\n", b"").replace(b"\r", b"")
    good = b'"/O=Fixed/CN=Alice" alice\n'
    before = gridmap.parse(good).entries
    after = gridmap.parse(good + broken + b"\n" + good).entries
    assert {key: entry for key, entry in after.items() if key in before} == dict(before)


@_MANY
@given(st.text(max_size=200))
def test_a_signing_policy_is_read_or_unreadable(text: str) -> None:
    try:
        signing_policy.parse(text)
    except Unreadable as exc:
        assert "signing policy" in str(exc)  # noqa: PT017 - most texts are refused, some are empty
