"""PURE. Names of output files: the patterns that the registry keeps, and which file SLURM makes of one for which task.

A pattern is written as in `sbatch -o`, with `%%` for each percent sign that stands for itself. Three places are ours,
because of what scontrol leaves open: `%?` is `%j` or `%A`, `%!` the letter j or A, and `%*` a `%a` of unknown width.
Sources: the manual page of sbatch, "filename pattern"; what SLURM has made of each (tests/recorded).
"""

import itertools
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

NO_TASK = "4294967294"  # stands for a task's number where there is none, or none yet (NO_VAL in slurm.h)

_MOST_DIGITS = 10  # of a task's number (uint32_t in slurm.h), and SLURM's own end of the padding
_DIGITS = string.digits.encode()
_NUMBERS = frozenset("AajJnt")  # places that are padded
_PLACES = _NUMBERS | frozenset("Ns")
_OPEN = frozenset("?!*")
_WIDTHS = (0, *range(2, _MOST_DIGITS + 1))
_MOST_OPEN = 3  # places `%?` that are tried one by one


@dataclass(frozen=True)
class Task:
    """One batch script: its own job id, that of the array, the task's number, and the host it runs on.

    `array` is the job's own id, and `number` None, where there is no array; `host` is None where it is not known.
    """

    job: int
    array: int
    number: int | None = None
    host: str | None = None


@dataclass(frozen=True)
class Place:
    """A placeholder: its letter, and how many digits its number has at least."""

    letter: str
    width: int = 0


@dataclass(frozen=True)
class Pattern:
    """The path of an output file, with places for what differs from task to task."""

    pieces: tuple[str | Place, ...]

    @classmethod
    def of(cls, text: str) -> "Pattern":
        """Read a pattern; what is no placeholder stands for itself, as in SLURM."""
        return cls(tuple(_read(text)))

    @property
    def letters(self) -> set[str]:
        """The letters of its places."""
        return {piece.letter for piece in self.pieces if isinstance(piece, Place)}

    def of_array(self, array: int) -> str:
        """Return it as people know it, for the job or array `array`."""
        shown = {"?": str(array), "!": "j", "*": "%a"}
        return "".join(
            piece if isinstance(piece, str) else shown.get(piece.letter, f"%{piece.width or ''}{piece.letter}")
            for piece in self.pieces
        )

    def variants(self) -> "list[Pattern]":
        """Return what it may mean, without open places; first what has the tasks' own ids, which nobody else has."""
        count = sum(isinstance(piece, Place) and piece.letter == "?" for piece in self.pieces)
        ids: Sequence[tuple[str, ...]] = [("j",) * count, ("A",) * count] if count else [()]
        if 1 < count <= _MOST_OPEN:
            ids = sorted(itertools.product("jA", repeat=count), key=lambda choice: choice.count("A"))
        letters = "jA" if Place("!") in self.pieces else "j"
        widths = _WIDTHS if Place("*") in self.pieces else (0,)
        return [self._decided(*each) for each in itertools.product(ids, letters, widths)]

    def _decided(self, ids: Sequence[str], letter: str, width: int) -> "Pattern":
        choice = iter(ids)
        meanings: dict[str, Callable[[Place], str | Place]] = {
            "!": lambda _: letter,
            "*": lambda _: Place("a", width),
            "?": lambda piece: Place(next(choice), piece.width),
        }
        return Pattern(
            tuple(
                meanings[piece.letter](piece) if isinstance(piece, Place) and piece.letter in meanings else piece
                for piece in self.pieces
            )
        )

    def names_job(self, job: int) -> bool:
        """Return whether the file's own name has the id of `job`, or of its tasks: then no other job writes to it."""
        name = Pattern.of(self.written().rpartition("/")[2])
        literals = (piece for piece in name.pieces if isinstance(piece, str))
        return bool(name.letters & {"j", "J", "A", "?"}) or any(_has_number(text, str(job)) for text in literals)

    def with_array(self, array: int) -> "Pattern":
        """Return it with the array's id in its places."""
        return Pattern(
            tuple(
                str(array).rjust(piece.width, "0") if isinstance(piece, Place) and piece.letter == "A" else piece
                for piece in self.pieces
            )
        )

    def path(self, task: Task) -> str:
        """Return the path of `task`'s file. Raises ValueError where that takes a host which is not known."""
        values = {
            "A": task.array,
            "a": NO_TASK if task.number is None else task.number,
            "j": task.job,
            "J": task.job,
            "N": task.host,
            "n": 0,
            "t": 0,
            "s": "batch",
        }
        return "".join(
            piece if isinstance(piece, str) else _filled(piece, values[piece.letter]) for piece in self.pieces
        )

    def written(self) -> str:
        """Return it as it is kept."""
        return "".join(
            literal(piece) if isinstance(piece, str) else f"%{piece.width or ''}{piece.letter}" for piece in self.pieces
        )


def _has_number(text: str, number: str) -> bool:
    """Return whether the digits `number` stand in `text` with no other digits beside them."""
    before, match, after = text.partition(number)
    return bool(match) and not (before[-1:].isdigit() or after[:1].isdigit())


def literal(text: str) -> str:
    """Return `text` as a pattern in which all of it stands for itself."""
    return text.replace("%", "%%")


def _filled(place: Place, value: object) -> str:
    if value is None:
        raise ValueError("the host is not known")
    return str(value).rjust(place.width, "0") if place.letter in _NUMBERS else str(value)


def _read(text: str) -> Iterator[str | Place]:
    begin = at = 0
    while (at := text.find("%", at)) >= 0:
        sign, end = placeholder(text, at)
        if sign is None:
            at = end
            continue
        yield from [text[begin:at]] if at > begin else []
        yield sign
        begin = at = end
    yield from [text[begin:]] if begin < len(text) else []


def placeholder(text: str, at: int, places: frozenset[str] = _PLACES) -> tuple[str | Place | None, int]:
    """Read the percent sign at `at`: what it stands for, None for itself, and where that ends.

    SLURM drops the sign of a number that none of `places` follows, and keeps the sign of any other letter.
    """
    end = at + 1
    while end < len(text) and text[end] in string.digits:
        end += 1
    digits, letter = text[at + 1 : end], text[end : end + 1]
    if letter and letter in places | _OPEN:
        return Place(letter, min(int(digits[:_MOST_DIGITS] or "0"), _MOST_DIGITS)), end + 1
    if digits:
        return digits, end
    if letter == "%":
        return "%", end + 1
    return None, end


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
    def of(cls, pattern: Pattern) -> "Template | None":
        """Return the template if the pattern's only placeholders are task numbers (`%a`, `%3a`), else None."""
        if pattern.letters != {"a"}:
            return None
        literals, widths = [""], []
        for piece in pattern.pieces:
            if isinstance(piece, str):
                literals[-1] += piece
            else:
                widths.append(piece.width)
                literals.append("")
        return cls(tuple(text.encode() for text in literals), tuple(widths))

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
