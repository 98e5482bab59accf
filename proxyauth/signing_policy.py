"""PURE: the signing policy beside a CA: which subjects it may certify, in the form that Globus reads (EACL).

Read are `access_id_CA`, `pos_rights globus CA:sign` and `cond_subjects`; in a pattern `*` stands for any characters
and `?` for one. Denials (`neg_rights`) and anything else are not understood, and a policy that is not understood
allows nothing.
"""

import re
import shlex
from dataclasses import dataclass

from proxyauth import dn
from proxyauth.errors import Unreadable

_Pattern = re.Pattern[str]


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """What one CA may sign; `authority` is the key of its name."""

    authority: str
    subjects: tuple[_Pattern, ...]

    def allows(self, subject_key: str) -> bool:
        """Whether the subject (in the form of `dn.key`) is one that this CA may certify."""
        return any(pattern.fullmatch(subject_key) for pattern in self.subjects)


def parse(text: str) -> list[SigningPolicy]:
    """Read the policies of a file, one for each CA that it names; raises Unreadable with what is not understood."""
    found: dict[str, list[_Pattern]] = {}
    authority, granted = "", False
    for line in text.splitlines():
        words = _words(line)
        match words:
            case []:
                continue
            case ["access_id_CA", "X509", name]:
                authority, granted = dn.pattern_key(name), False
                found.setdefault(authority, [])
            case ["pos_rights", "globus", "CA:sign"] if authority:
                granted = True
            case ["cond_subjects", "globus", patterns] if granted:
                found[authority] += [_compile(pattern) for pattern in _words(patterns)]
            case _:
                raise Unreadable(f"signing policy: this line is not understood: {line.strip()}")
    return [SigningPolicy(name, tuple(patterns)) for name, patterns in found.items()]


def _words(line: str) -> list[str]:
    """Split at blanks; quotes of either kind hold words together, `#` begins a comment, backslashes are plain."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape = True, ""
    try:
        return list(lexer)
    except ValueError as exc:
        raise Unreadable(f"signing policy: a quote is not closed: {line.strip()}") from exc


def _compile(pattern: str) -> _Pattern:
    literal = re.escape(dn.pattern_key(pattern))
    return re.compile(literal.replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
