"""PURE. From the path of an output file that scontrol shows back to the pattern that makes it (`filenames`).

scontrol fills `%A %a %j %u %x` in wherever they stand, also where SLURM does not: behind `%%`, and in a path with a
backslash, of which SLURM takes each character for itself. The other places, and all that have a width, it leaves. Newer
ones (24.11 was seen) fill in as SLURM does, widths and `%%` too, all but `%N %n %t %s %J`; the newest (26.05) these
too.
Source: what SLURM 22.05, 24.11 and 26.05 show, and the files that they make (tests/recorded).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from clusters.slurm.filenames import NO_TASK, Place, literal, placeholder

_FILLED_IN = frozenset("Aajux")  # by scontrol, where they have no width
_ALWAYS_LEFT = frozenset("JNnst")
_NO_HOST = "(null)"  # stands for that of a job that waits
_LONGEST_NUMBER = 10  # digits, with the zeros before it
_LEFT = frozenset("AajJnNstux")  # by scontrol, where they have one, and some always
_MOST_SLOTS = 7  # whose meanings are tried one by one; where there are more, only those of the name count
_MOST_OTHERS = 4  # tasks whose paths these are compared with


class Filled(Enum):
    """Which places scontrol fills in, by its version."""

    SOME = "22.05, and 20.11 as far as was seen"
    MOST = "24.11"
    ALL = "26.05"


@dataclass(frozen=True)
class Shown:
    """What scontrol shows of a job or a task beside its paths.

    `array` is its own id where it is of no array. `number` is the task's, NO_TASK of tasks that wait, and empty where
    there is no array.
    """

    job: int
    array: int
    number: str = ""
    user: str = ""
    name: str = ""
    directory: str = ""
    filled: Filled = Filled.SOME


@dataclass
class _Piece:
    """A part of a shown path, and the pattern that makes it.

    `slot` tells what may be another number in another task's path: "own" its job id, "id" its own or the array's,
    "number" its number, "task" its number or the same digits in all.
    """

    shown: str
    pattern: str
    slot: str = ""
    meanings: dict[str, str] = field(default_factory=dict)
    """Of "id" and "task": the pattern, if it is "own" or the "array"'s, the "task"'s or the "same" in all."""


def pattern(path: str, shown: Shown, others: Sequence[tuple[str, Shown]] = ()) -> str:
    """Return the pattern of `path`, which may be left open in places; `others` are paths of the array's other tasks."""
    numbers = {shown.number, NO_TASK} if shown.number else set()
    names = {f"slurm-{shown.array}_{number}.out" for number in numbers} or {f"slurm-{shown.job}.out"}
    directory, _, name = path.rpartition("/")
    if name in names and directory == shown.directory:  # the default, of which the directory is no pattern
        return literal(directory) + (f"/slurm-{shown.array}_%a.out" if numbers else f"/{name}")
    pieces = _Reader(path, shown).pieces()
    if shown.number:
        _decide(pieces, others[:_MOST_OTHERS])
    return "".join(piece.pattern for piece in pieces)


class _Reader:
    """Reads one shown path from its beginning to its end."""

    def __init__(self, path: str, shown: Shown) -> None:
        self._path = path
        self._shown = shown
        self._at = 0
        self._pieces: list[_Piece] = []
        self._run: list[tuple[str, str]] = []
        # A directory that is shown as it is has nothing that scontrol has filled in.
        self._filled_from = len(shown.directory) if path.startswith(f"{shown.directory}/") else 0
        self._odd_name = shown.name if set(shown.name) & {"%", "\\"} else ""
        self._plain = "\\" in (path.replace(self._odd_name, "") if self._odd_name else path)
        self._ids = (
            [(str(shown.job), "!")] if shown.job == shown.array else [(str(shown.job), "j"), (str(shown.array), "A")]
        )
        # The one task of an array has its number, which is not filled in before it starts.
        self._numbers = [(number, "a") for number in (NO_TASK, shown.number) if number]
        self._words = [(word, letter) for word, letter in ((shown.user, "u"), (shown.name, "x")) if word]

    def pieces(self) -> list[_Piece]:
        """Return all pieces, in their order."""
        while self._at < len(self._path):
            sign = self._path[self._at]
            if self._odd_name and self._path.startswith(self._odd_name, self._at):
                self._take(self._odd_name, literal(self._odd_name))
            elif self._plain:
                self._take_plain(sign)
            elif self._shown.filled is Filled.ALL and (sign == "%" or self._path.startswith(_NO_HOST, self._at)):
                self._take(*("%", "%%") if sign == "%" else (_NO_HOST, "%N"))
            elif sign == "%":
                self._take_left() if self._shown.filled is Filled.MOST else self._take_signs()
            elif not self._take_number():
                self._take(sign, sign)
        self._end_run()
        return self._pieces

    def _take(self, shown: str, pattern: str, slot: str = "", **meanings: str) -> None:
        self._at += len(shown)
        if slot:
            self._end_run()
            self._pieces.append(_Piece(shown, pattern, slot, meanings))
        else:
            self._run.append((shown, pattern))

    def _end_run(self) -> None:
        """Make one piece of what was taken since the last slot."""
        if self._run:
            shown, pattern = ("".join(parts) for parts in zip(*self._run, strict=True))
            self._pieces.append(_Piece(shown, pattern))
            self._run = []

    def _take_plain(self, sign: str) -> None:
        """Take a character of a path in which SLURM fills nothing in, and of a backslash the one behind it."""
        letters = self._words if sign == "\\" else []
        if sign == "\\":
            self._take(sign, "")
        match = self._found(self._at, [*letters, *self._numbers, *self._ids])
        if match:
            self._take_letter(*match)
        else:
            self._take(self._path[self._at : self._at + 1], literal(self._path[self._at : self._at + 1]))

    def _take_letter(self, shown: str, letter: str) -> None:
        """Take what scontrol has filled in for a place of which SLURM keeps the sign and the letter."""
        if letter == "!":
            self._take(shown, "%%%!", "id", own="%%j", array="%%A")
        elif letter == "a" and shown != NO_TASK:
            self._take(shown, "%%a", "task", task="%%a", same=shown)
        else:
            self._take(shown, f"%%{letter}", {"j": "own", "a": "number"}.get(letter, ""))

    def _take_signs(self) -> None:
        """Take percent signs, of which two are one, and what the last of an odd number was filled in for."""
        end = self._at
        while self._path.startswith("%", end) and not (self._odd_name and self._path.startswith(self._odd_name, end)):
            end += 1
        pairs = "%%" * ((end - self._at) // 2)
        odd = (end - self._at) % 2
        if pairs:
            self._take(pairs, pairs)
        if not odd:
            return
        place, after = placeholder(self._path, self._at, _LEFT)
        filled = self._found(self._at + 1, [*self._words, *self._numbers, *self._ids])
        if filled and not (isinstance(place, Place) and after > self._at + len("%a")):
            self._take("%", "")
            self._take_letter(*filled)
        elif isinstance(place, Place):
            self._take_place(place, self._path[self._at : after])
        else:  # of a number that no place follows SLURM drops the sign
            self._take("%", "" if place else "%%")

    def _take_left(self) -> None:
        """Take a percent sign that a newer scontrol has left: that of a place, or itself."""
        place, after = placeholder(self._path, self._at, _ALWAYS_LEFT)
        digits = isinstance(place, str) and place != "%"
        if isinstance(place, Place) and place.letter in _ALWAYS_LEFT:
            self._take_place(place, self._path[self._at : after])
        elif digits and self._path[after : after + 1] not in _FILLED_IN and not self._found_number(self._at + 1):
            self._take("%", "")
        else:
            self._take("%", "%%")

    def _found_number(self, at: int) -> tuple[str, str] | None:
        return self._found(at, [*self._numbers, (NO_TASK, "a"), *self._ids])

    def _take_place(self, place: Place, shown: str) -> None:
        """Take a place that scontrol has left, and fill in what is known."""
        values = {"A": str(self._shown.array), "n": "0", "t": "0"}
        words = {"s": "batch", "u": self._shown.user, "x": self._shown.name}
        if not self._shown.number:
            values |= {"a": NO_TASK, "j": str(self._shown.job), "J": str(self._shown.job)}
        if place.letter in "?!*" or shown[1:] in _FILLED_IN:
            self._take(shown, literal(shown))  # it is of a name or a directory
        elif place.letter in words:
            self._take(shown, literal(words[place.letter]))
        elif place.letter in values:
            self._take(shown, values[place.letter].rjust(place.width, "0"))
        else:
            self._take(shown, shown)

    def _take_number(self) -> bool:
        """Take a number that scontrol has filled in, if one begins here."""
        if not self._shown.number:
            return False
        zeros = self._zeros()
        match = self._found_number(self._at + zeros) or (self._found_number(self._at) if zeros else None)
        if match is None:
            return False
        number, letter = match
        if self._path.startswith(number, self._at):
            zeros = 0
        number = "0" * zeros + number
        width = len(number) if zeros else ""
        if letter == "!":
            self._take(number, f"%{width}?", "id", own=f"%{width}j", array=number)
        elif letter == "a" and number != NO_TASK:
            self._take(number, f"%{width}a", "task", task=f"%{width}a", same=number)
        else:
            waits = "%a" if self._shown.filled is Filled.SOME else "%*"
            filled = {"j": (f"%{width}j", "own"), "a": (waits, "number")}
            self._take(number, *filled.get(letter, (number, "")))
        return True

    def _zeros(self) -> int:
        """Return how many zeros a newer scontrol may have put before a number here."""
        if self._shown.filled is Filled.SOME or self._path[self._at - 1 : self._at].isdigit():
            return 0
        rest = self._path[self._at : self._at + _LONGEST_NUMBER]
        return len(rest) - len(rest.lstrip("0"))

    def _found(self, at: int, values: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        """Return the longest of `values` that stands at `at`, with its letter."""
        if at < self._filled_from:
            return None
        there = (each for each in values if self._path.startswith(each[0], at))
        return max(there, key=lambda each: len(each[0]), default=None)


def _decide(pieces: list[_Piece], others: Sequence[tuple[str, Shown]]) -> None:
    """Close what other tasks' paths leave no doubt of. Digits beside others are no task's number by themselves."""
    slots = [number for number, piece in enumerate(pieces) if piece.meanings]
    if len(slots) > _MOST_SLOTS:
        name = max((number for number, piece in enumerate(pieces) if "/" in piece.shown), default=0)
        for slot in (slot for slot in slots if slot < name and pieces[slot].slot == "task"):
            pieces[slot] = _Piece(pieces[slot].shown, pieces[slot].shown)
        slots = [number for number, piece in enumerate(pieces) if piece.meanings]
    choices = itertools.product(*(pieces[slot].meanings for slot in slots)) if len(slots) <= _MOST_SLOTS else ()
    possible = [
        choice
        for choice in choices
        if others
        and all(_as_shown(pieces, dict(zip(slots, choice, strict=True)), task) == path for path, task in others)
    ]
    for number, slot in enumerate(slots):
        meanings = {choice[number] for choice in possible}
        piece = pieces[slot]
        if len(meanings) == 1:
            piece.pattern = piece.meanings[meanings.pop()]
        elif piece.slot == "task" and _within_digits(pieces, slot):
            piece.pattern = piece.shown


def _as_shown(pieces: Sequence[_Piece], meanings: dict[int, str], task: Shown) -> str:
    """Return the path that scontrol shows of another task, if the slots have these `meanings`."""
    values = {"own": str(task.job), "array": str(task.array), "number": task.number, "task": task.number}
    return "".join(
        values.get(meanings.get(number, piece.slot), piece.shown).rjust(
            len(piece.shown) if piece.slot and piece.shown.startswith("0") else 0, "0"
        )
        for number, piece in enumerate(pieces)
    )


def _within_digits(pieces: Sequence[_Piece], at: int) -> bool:
    before = pieces[at - 1].shown[-1:] if at else ""
    after = pieces[at + 1].shown[:1] if at + 1 < len(pieces) else ""
    return before.isdigit() or after.isdigit()
