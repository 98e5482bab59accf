"""PURE. Names of the output files of a job array: which of a directory's files is which task's.

Source: the manual page of sbatch, "filename pattern".
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_MOST_DIGITS = 10  # of a task's number (uint32_t in slurm.h), and SLURM's own end of the padding
_DIGITS = string.digits.encode()


@dataclass(frozen=True)
class Template:
    """The name of a file in which the number of a task stands once or more often.

    `literals` are what stands around it, `widths` with how many digits it stands at least each time: 3 for `%3a`, and 0
    for `%a`. A name where all are 0 may have been written down when padding was not: there the number counts with zeros
    before it, too, as long as it is the same each time.
    """

    literals: tuple[bytes, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(cls, name: bytes) -> "Template | None":
        """Read the placeholders `%a`, `%3a`... of `name`; None where there is none. `%%a` is none."""
        literals, widths, begin = [], [], 0
        for start, end, width in _placeholders(name):
            literals.append(name[begin:start])
            widths.append(width)
            begin = end
        return cls((*literals, name[begin:]), tuple(widths)) if widths else None

    def task(self, name: bytes) -> int | None:
        """Return the number of the task whose file has this name; None where it is no task's.

        The number is what the digits at its first place may be: at most ten candidates, of which the length of the name
        leaves one to be compared as a whole.
        """
        first = len(self.literals[0])
        if not name.startswith(self.literals[0]):
            return None
        digits = name[first : first + _MOST_DIGITS]
        digits = digits[: len(digits) - len(digits.lstrip(_DIGITS))]
        padded = any(self.widths)
        for length in range(max(1, self.widths[0]), len(digits) + 1):
            number = digits[:length].lstrip(b"0") or b"0" if padded else digits[:length]
            at_first_place = max(self.widths[0], len(number))
            if (at_first_place, self._lengths[len(number)]) == (length, len(name)) and self._with(number) == name:
                return int(number)
        return None

    @cached_property
    def _lengths(self) -> list[int]:
        """How long the name is by how many digits the number has."""
        around = sum(map(len, self.literals))
        return [around + sum(max(width, digits) for width in self.widths) for digits in range(_MOST_DIGITS + 1)]

    def _with(self, number: bytes) -> bytes:
        numbers = [number.rjust(width, b"0") for width in self.widths]
        return b"".join(piece for pair in zip(self.literals, [*numbers, b""], strict=True) for piece in pair)


def _placeholders(name: bytes) -> Iterator[tuple[int, int, int]]:
    """Find the placeholders of `name`: where each begins and ends, and its width."""
    at = 0
    while (start := name.find(b"%", at)) >= 0:
        rest = name[start + 1 : start + 2 + _MOST_DIGITS]
        digits = rest[: len(rest) - len(rest.lstrip(_DIGITS))]
        at = start + 1 + len(digits)
        if name[at : at + 1] == b"a":
            at += 1
            yield start, at, min(int(digits or b"0"), _MOST_DIGITS)
        elif name[at : at + 1] == b"%" and not digits:
            at += 1
