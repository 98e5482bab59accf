"""PURE: the grid-mapfile as Globus reads it: whose DN is which account, and which accounts nobody gets."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxyauth import dn
from proxyauth.errors import NoAccount, Unreadable

_LINE = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<plain>(?:[^\s"\\]|\\.)+))"""
    r"""\s+(?P<accounts>[^\s,#"]+(?:\s*,\s*[^\s,#"]+)*)\s*(?:\#.*)?""",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
# A leading dot means a pool of accounts to Globus, digits alone mean a uid to many tools.
_ACCOUNT = re.compile(r"(?=.*[a-z])[a-z0-9_][a-z0-9._-]{0,31}")
_FIRST_USER = 1000
_NOBODY = 65534

UidOf = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line's meaning: the DN as written, its accounts, the first being the default."""

    dn: str
    accounts: tuple[str, ...]
    is_disputed: bool = False


@dataclass(frozen=True)
class Gridmap:
    """All entries by the key of their DN, and what was wrong with the file, a sentence each."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def parse(raw: bytes) -> Gridmap:
    """Read a grid-mapfile. A line that is not understood is reported in `problems` and grants nothing."""
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            key, entry = _read_line(line)
            entries[key] = _merged(entries.get(key), entry)
        except (Unreadable, dn.BadName, UnicodeDecodeError) as exc:
            problems.append(f"line {number} is skipped: {exc}")
        else:
            if entries[key].is_disputed:
                problems.append(
                    f"line {number}: {entry.dn} equals a name above it that has another account; neither is used"
                )
    return Gridmap(entries, tuple(problems))


def _read_line(line: bytes) -> tuple[str, Entry]:
    match = _LINE.fullmatch(line.decode("utf-8"))
    if match is None:
        raise Unreadable("a DN (in quotes, if it has blanks) and an account are expected")
    slashed = _unescape(match["quoted"] or match["plain"])
    accounts = tuple(account.strip() for account in match["accounts"].split(","))
    return dn.key(dn.parse(slashed)), Entry(slashed, accounts)


def _unescape(written: str) -> str:
    r"""Undo `\"`, `\\` and `\xHH`; the bytes together are UTF-8."""
    raw = _ESCAPE.sub(lambda it: bytes.fromhex(it[1].decode()) if it[1] else it[2], written.encode("utf-8"))
    return raw.decode("utf-8")


def _merged(first: Entry | None, second: Entry) -> Entry:
    """Of equal lines the first counts; where only RFC 5280 finds them equal, the accounts must agree."""
    if first is None:
        return second
    disputed = first.is_disputed or (first.dn != second.dn and first.accounts[0] != second.accounts[0])
    return Entry(first.dn, first.accounts, is_disputed=disputed)


def account_of(owner: dn.Name, gridmap: Gridmap, pattern: re.Pattern[str] | None, uid_of: UidOf) -> str:
    """The account of a DN: the grid-mapfile's, else the group `account` of the site's pattern; raises NoAccount.

    `uid_of` tells the uid that an account has on this machine, None for one that exists on the clusters only.
    """
    slashed = dn.text(owner)
    entry = gridmap.entries.get(dn.key(owner))
    matched = pattern.fullmatch(slashed) if pattern and entry is None else None
    if entry and entry.is_disputed:
        raise NoAccount("mapping-disputed", "the grid-mapfile names two accounts for this DN", slashed)
    if entry is None and matched is None:
        raise NoAccount("dn-unmapped", "this DN has no account here", slashed)
    account = entry.accounts[0] if entry else _group(matched)
    if not _is_allowed(account, uid_of):
        raise NoAccount("account-forbidden", "the account of this DN may not be used", slashed)
    return account


def _group(matched: re.Match[str] | None) -> str:
    return (matched["account"] or "") if matched else ""


def _is_allowed(account: str, uid_of: UidOf) -> bool:
    if account == "root" or not _ACCOUNT.fullmatch(account):
        return False
    uid = uid_of(account)
    return uid is None or (uid >= _FIRST_USER and uid != _NOBODY)
