"""PURE: the grid-mapfile as Globus reads it: whose DN is which account, and which accounts nobody gets."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from string import ascii_lowercase, digits
from typing import Protocol

from proxyauth.errors import NoAccount, Unreadable
from proxyauth.x509 import dn

_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
# A leading dot means a pool of accounts to Globus, digits alone mean a uid to many tools.
_LETTERS = frozenset(ascii_lowercase)
_FIRST = _LETTERS | frozenset(digits + "_")
_FOLLOWING = _FIRST | frozenset(".-")
_LONGEST_ACCOUNT = 32

MayBeUsed = Callable[[str], bool]


class Match(Protocol):
    """A DN that fits a pattern."""

    def __getitem__(self, group: str, /) -> str | None:
        """Return the text of the group, None where it took no part."""


class Pattern(Protocol):
    """A site's pattern for DNs, with a group `account`. Users' DNs reach it, so it must not backtrack."""

    def fullmatch(self, text: str, /) -> Match | None:
        """Return what fits, None if the text as a whole does not."""


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
    """Read `"DN" account,account # comment`; a DN without blanks needs no quotes, and a backslash escapes in it."""
    written, rest = _take_dn(line.decode("utf-8").strip())
    slashed, accounts = _unescape(written), tuple(_accounts(rest))
    return dn.key(dn.parse(slashed)), Entry(slashed, accounts)


def _take_dn(text: str) -> tuple[str, str]:
    """Return the DN as it is written, and what stands behind it."""
    if text.startswith('"'):
        written, quote, rest = _cut(text[1:], lambda character: character == '"')
    else:
        written, quote, rest = _cut(text, lambda character: character == '"' or character.isspace())
        if not quote.isspace():
            raise _not_understood()
        return written, rest
    if not written or not quote or not rest[:1].isspace():
        raise _not_understood()
    return written, rest


def _cut(text: str, is_end: Callable[[str], bool]) -> tuple[str, str, str]:
    """Return the text before the first character that ends it, that character, and the rest, or "" twice."""
    escaped = False
    for position, character in enumerate(text):
        if not escaped and is_end(character):
            return text[:position], character, text[position + 1 :]
        escaped = character == "\\" and not escaped
    return text, "", ""


def _accounts(text: str) -> Iterator[str]:
    for written in text.partition("#")[0].split(","):
        parts = written.split()
        if len(parts) != 1 or '"' in parts[0]:
            raise _not_understood()
        yield parts[0]


def _not_understood() -> Unreadable:
    return Unreadable("a DN (in quotes, if it has blanks) and an account are expected")


def _unescape(written: str) -> str:
    r"""Undo `\"`, `\\` and `\xHH`; the bytes together are UTF-8."""
    first, *escaped = written.encode("utf-8").split(b"\\")
    raw, pieces = [first], iter(escaped)
    for piece in pieces:
        if not piece:
            raw += [b"\\", next(pieces, b"")]
        elif piece[:1] == b"x" and len(piece) > 2 and _HEXADECIMAL.issuperset(piece[1:3]):  # noqa: PLR2004 - xHH
            raw += [bytes([int(piece[1:3], 16)]), piece[3:]]
        else:
            raw.append(piece)
    return b"".join(raw).decode("utf-8")


def _merged(first: Entry | None, second: Entry) -> Entry:
    """Of equal lines the first counts; where only RFC 5280 finds them equal, the accounts must agree."""
    if first is None:
        return second
    disputed = first.is_disputed or (first.dn != second.dn and first.accounts[0] != second.accounts[0])
    return Entry(first.dn, first.accounts, is_disputed=disputed)


def account_of(owner: dn.Name, gridmap: Gridmap, pattern: Pattern | None, may_be_used: MayBeUsed) -> str:
    """Return the account of a DN: the grid-mapfile's, else the group `account` of the site's pattern. Raises NoAccount.

    `may_be_used` tells whether a site lets jobs run as an account, as far as this machine knows it.
    """
    slashed = dn.text(owner)
    entry = gridmap.entries.get(dn.key(owner))
    matched = pattern.fullmatch(slashed) if pattern and entry is None else None
    if entry and entry.is_disputed:
        raise NoAccount("mapping-disputed", "the grid-mapfile names two accounts for this DN", slashed)
    if entry is None and matched is None:
        raise NoAccount("dn-unmapped", "this DN has no account here", slashed)
    account = entry.accounts[0] if entry else _group(matched)
    if account == "root" or not _is_account(account) or not may_be_used(account):
        raise NoAccount("account-forbidden", "the account of this DN may not be used", slashed)
    return account


def _group(matched: Match | None) -> str:
    return (matched["account"] or "") if matched else ""


def _is_account(word: str) -> bool:
    """Return whether it looks like an account's name: small letters, digits, dots, hyphens and underscores."""
    return (
        0 < len(word) <= _LONGEST_ACCOUNT
        and word[0] in _FIRST
        and _FOLLOWING.issuperset(word)
        and not _LETTERS.isdisjoint(word)
    )
