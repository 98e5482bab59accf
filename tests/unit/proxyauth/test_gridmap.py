"""The grid-mapfile: whose DN is which account, and what never widens access."""

import pytest
import re2

from proxyauth.errors import NoAccount
from proxyauth.trust import gridmap
from proxyauth.trust.gridmap import Gridmap, Pattern, account_of, parse
from proxyauth.x509 import dn

_ALICE = "/C=PL/O=Grid/CN=Alice"
_PLGRID: Pattern = re2.compile(r"/C=PL/O=PL-Grid(?:/O=[^/]+)*(?:/CN=[^/]+)*/CN=(?P<account>plg[a-z0-9]+)")


def _anybody(_: str) -> bool:
    return True


def _mapped(file: str | bytes, owner: str = _ALICE, pattern: Pattern | None = None) -> str:
    """The account of `owner` by a file's text, or the rule that refuses."""
    raw = file if isinstance(file, bytes) else file.encode()
    try:
        return account_of(dn.parse(owner), parse(raw), pattern, _anybody)
    except NoAccount as exc:
        return exc.rule


@pytest.mark.parametrize(
    "line",
    [
        '"/C=PL/O=Grid/CN=Alice" alice',
        '"/C=PL/O=Grid/CN=Alice" alice\n',
        '"/C=PL/O=Grid/CN=Alice" alice\r\n',
        '\ufeff"/C=PL/O=Grid/CN=Alice" alice\n',
        '  "/C=PL/O=Grid/CN=Alice"\t alice  ',
        "/C=PL/O=Grid/CN=Alice alice",
        '"/C=PL/O=Grid/CN=Alice" alice,bob,carol',
        '"/C=PL/O=Grid/CN=Alice" alice , bob',
        '"/C=PL/O=Grid/CN=Alice" alice # she',
        r'"/C=PL/O=Grid/CN=\x41lice" alice',
        r"/C=PL/O=Grid/CN=\x41lice alice",
        r'"/C=PL/O=Grid/CN=Al\ice" alice',
        '"/c=PL/o=GRID/cn=alice" alice',
        '"/C=PL/O=Grid/2.5.4.3=Alice" alice',
        '# a comment\n\n   \n"/C=PL/O=Grid/CN=Alice" alice',
        '"/C=PL/O=Grid/CN=Alice" alice\n"/C=PL/O=Grid/CN=Alice" bob',
        '"/C=PL/O=Grid/CN=Alice" alice\n"/C=PL/O=Grid/CN=ALICE" alice,bob',
        'nonsense\n"/C=PL/O=Grid/CN=Alice" alice\n"/C=PL/O=Grid/CN=Ali',
    ],
)
def test_a_line_maps_a_name_to_its_first_account(line: str) -> None:
    assert _mapped(line) == "alice"


@pytest.mark.parametrize(
    ("written", "owner"),
    [
        (r'"/CN=Zo\xc3\xab"', "/CN=Zoë"),
        ('"/CN=Zoë"', "/CN=Zoe\u0308"),
        ('"/CN=Straße"', "/CN=STRASSE"),
        ('"/CN=Jan  Kowalski"', "/CN=Jan Kowalski"),
        (r'"/CN=Jan \"Janek\" Kowalski"', '/CN=Jan "Janek" Kowalski'),
        (r'"/CN=back\\slash"', "/CN=back\\slash"),
        ('"/CN=host/a.example.org"', "/CN=host/a.example.org"),
        ('"/E=a@example.org"', "/emailAddress=a@example.org"),
        ('"/Email=a@example.org"', "/emailAddress=a@example.org"),
        ('"/EMAILADDRESS=a@example.org"', "/emailAddress=a@example.org"),
        ('"/USERID=7"', "/UID=7"),
        ('"/userId=7"', "/UID=7"),
        ('"/0.9.2342.19200300.100.1.1=7"', "/UID=7"),
        ('"/S=Malopolska"', "/ST=Malopolska"),
        ('"/UID=7+CN=Alice"', "/CN=Alice+UID=7"),
    ],
)
def test_names_are_compared_as_rfc_5280_says(written: str, owner: str) -> None:
    assert _mapped(f"{written} alice", owner) == "alice"


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("", "dn-unmapped"),
        ('#"/C=PL/O=Grid/CN=Alice" alice', "dn-unmapped"),
        ('"/C=PL/O=Grid/CN=Alice2" alice', "dn-unmapped"),
        ('"/C=PL/O=Grid/CN=Alice/CN=1" alice', "dn-unmapped"),
        ('"/C=PL/O=Grid" alice', "dn-unmapped"),
        ('"/C=PL/O=Grid/CN=Alice" root', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" root,alice', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" -oProxyCommand', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" Alice', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" al;ice', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" al/ice', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" @vo', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" .pool', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" 0', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" ..', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" zoë', "account-forbidden"),
        (f'"/C=PL/O=Grid/CN=Alice" {"a" * 33}', "account-forbidden"),
        ('"/C=PL/O=Grid/CN=Alice" alice\n"/C=PL/O=Grid/CN=ALICE" bob', "mapping-disputed"),
        (
            '"/C=PL/O=Grid/CN=Alice" alice\n"/C=PL/O=Grid/CN=ALICE" bob\n"/C=PL/O=Grid/CN=Alice" alice',
            "mapping-disputed",
        ),
    ],
)
def test_who_is_not_mapped_to_an_account_gets_none(file: str, rule: str) -> None:
    assert _mapped(file) == rule


@pytest.mark.parametrize(
    "line",
    [
        b'"/C=PL/O=Grid/CN=Alice"',
        b'"/C=PL/O=Grid/CN=Alice alice',
        b'"/C=PL/O=Grid/CN=Alice"alice',
        b"/C=PL/O=Grid CN=Alice alice",
        b'"/C=PL/O=Grid/CN=Alice" alice bob',
        b'"/C=PL/O=Grid/CN=Alice" alice,',
        b'"/C=PL/O=Grid/CN=Alice" ,alice',
        b'"/C=PL/O=Grid/CN=Alice" "alice"',
        b'"C=PL/O=Grid/CN=Alice" alice',
        b'"x/C=PL/O=Grid/CN=Alice" alice',
        b'"+CN=Alice" alice',
        b'"" alice',
        b'"alice" alice',
        b'"/C=PL/O=Grid/CN=Alice\xff" alice',
        rb'"/C=PL/O=Grid/CN=Alice\xff" alice',
    ],
)
def test_a_malformed_line_is_reported_and_grants_nothing(line: bytes) -> None:
    found = parse(b"# first\n" + line + b'\n"/CN=Bob" bob\n')
    assert list(found.entries) == ["/cn=bob"]
    assert [problem.partition(":")[0] for problem in found.problems] == ["line 2 is skipped"]


def test_a_disputed_name_is_reported() -> None:
    found = parse(b'"/CN=Alice" alice\n"/CN=alice" bob\n')
    assert found.problems == ("line 2: /CN=alice equals a name above it that has another account; neither is used",)


def test_equal_lines_are_no_problem() -> None:
    assert parse(b'"/CN=Alice" alice\n"/CN=Alice" bob\n').problems == ()


@pytest.mark.parametrize("expected", [True, False])
def test_an_account_that_the_site_does_not_use_is_refused(expected: bool) -> None:
    asked = []

    def may_be_used(account: str) -> bool:
        asked.append(account)
        return expected

    found = parse(b'"/CN=Alice" daemon.x\n')
    if expected:
        assert account_of(dn.parse("/CN=Alice"), found, None, may_be_used) == "daemon.x"
    else:
        with pytest.raises(NoAccount, match="account-forbidden"):
            account_of(dn.parse("/CN=Alice"), found, None, may_be_used)
    assert asked == ["daemon.x"]


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("/C=PL/O=PL-Grid/O=Uzytkownik/O=PL-Grid/CN=Jan Kowalski/CN=plgkowalski", "plgkowalski"),
        ("/C=PL/O=PL-Grid/CN=plgalice", "plgalice"),
        ("/C=PL/O=PL-Grid/CN=alice", "dn-unmapped"),
        ("/C=PL/O=Other/CN=plgalice", "dn-unmapped"),
        ("/C=PL/O=PL-Grid/CN=plgalice/CN=Eve", "dn-unmapped"),
    ],
)
def test_a_pattern_names_the_account_where_the_file_does_not(owner: str, expected: str) -> None:
    assert _mapped("", owner, _PLGRID) == expected


def test_the_file_is_asked_before_the_pattern() -> None:
    assert _mapped('"/C=PL/O=PL-Grid/CN=plgalice" special', "/C=PL/O=PL-Grid/CN=plgalice", _PLGRID) == "special"


def test_a_pattern_cannot_name_a_forbidden_account() -> None:
    pattern = re2.compile("/CN=(?P<account>.*)")
    assert _mapped("", "/CN=root", pattern) == "account-forbidden"
    assert _mapped("", "/CN=alice", pattern) == "alice"


def test_a_pattern_whose_group_took_no_part_names_anybody() -> None:
    assert _mapped("", "/CN=alice", re2.compile("/CN=(?P<account>bob)?.*")) == "account-forbidden"


def test_a_refusal_names_who_was_refused() -> None:
    with pytest.raises(NoAccount, match="dn-unmapped") as refused:
        gridmap.account_of(dn.parse("/CN=Alice"), Gridmap(), None, _anybody)
    assert refused.value.dn == "/CN=Alice"
