"""PURE: the signing policy beside a CA: which subjects it may certify, in the form that Globus reads (EACL).

Read are `access_id_CA`, `pos_rights globus CA:sign` and `cond_subjects`; in a pattern `*` stands for any characters
and `?` for one. Denials (`neg_rights`) and anything else are not understood, and a policy that is not understood
allows nothing. A pattern is matched by a scan that goes on behind what it has found: `*` costs no more than reading
the name once, however many there are.
"""

import shlex
from dataclasses import dataclass

from proxyauth.errors import Unreadable
from proxyauth.x509 import dn


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A pattern cut at its asterisks: the pieces follow each other in a name that fits, the outer ones at its ends."""

    pieces: tuple[str, ...]

    def fits(self, name: str) -> bool:
        """Return whether the whole name fits."""
        first, *between = self.pieces
        last = between.pop() if between else ""
        end = len(name) - len(last)
        if len(self.pieces) == 1 and len(name) != len(first):
            return False
        if end < len(first) or not _stands_at(first, name, 0) or not _stands_at(last, name, end):
            return False
        position = len(first)
        for piece in between:
            position = _find(piece, name, position, end)
            if position < 0:
                return False
            position += len(piece)
        return True


def _stands_at(piece: str, name: str, position: int) -> bool:
    """Return whether the piece stands there, a `?` for any one character."""
    if "?" not in piece:
        return name.startswith(piece, position)
    part = name[position : position + len(piece)]
    return len(part) == len(piece) and all(map(lambda one, other: one in ("?", other), piece, part))


def _find(piece: str, name: str, start: int, end: int) -> int:
    """Return where the piece first stands between start and end; -1 if nowhere."""
    if "?" not in piece:
        return name.find(piece, start, end)
    places = range(start, end - len(piece) + 1)
    return next((place for place in places if _stands_at(piece, name, place)), -1)


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """What one CA may sign; `authority` is the key of its name."""

    authority: str
    subjects: tuple[_Pattern, ...]

    def allows(self, subject_key: str) -> bool:
        """Return whether the subject (in the form of `dn.key`) is one that this CA may certify."""
        return any(pattern.fits(subject_key) for pattern in self.subjects)


def parse(text: str) -> list[SigningPolicy]:
    """Read the policies of a file, one for each CA that it names. Raises Unreadable with what is not understood."""
    patterns_of: dict[str, list[_Pattern]] = {}
    authority, granted = "", False
    for line in text.splitlines():
        tokens = _tokens(line)
        match tokens:
            case []:
                continue
            case ["access_id_CA", "X509", name]:
                authority, granted = dn.pattern_key(name), False
                patterns_of.setdefault(authority, [])
            case ["pos_rights", "globus", "CA:sign"] if authority:
                granted = True
            case ["cond_subjects", "globus", patterns] if granted:
                patterns_of[authority] += [_compile(pattern) for pattern in _tokens(patterns)]
            case _:
                raise Unreadable(f"signing policy: this line is not understood: {line.strip()}")
    return [SigningPolicy(name, tuple(patterns)) for name, patterns in patterns_of.items()]


def _tokens(line: str) -> list[str]:
    """Split at blanks; quotes of either kind hold words together, `#` begins a comment, backslashes are plain."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape = True, ""
    try:
        return list(lexer)
    except ValueError as exc:
        raise Unreadable(f"signing policy: a quote is not closed: {line.strip()}") from exc


def _compile(pattern: str) -> _Pattern:
    return _Pattern(tuple(dn.pattern_key(pattern).split("*")))
