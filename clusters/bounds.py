"""PURE. Numbers and words that a login has printed, within bounds: what lies beyond is a ValueError, never a value.

Whatever comes from a login node is the word of one account, whose start-up files may print anything. So each number
has an end that the registry's columns can hold, and no text has characters that PostgreSQL, a log or a terminal minds.
"""

ID = 2**32 - 1  # SLURM's ids of jobs and of tasks (uint32_t in slurm.h)
EPOCH = 2**33  # seconds, in the year 2242
SECONDS = 2**33  # 272 years
COUNT = 2**31 - 1  # nodes, cores, exit codes: PostgreSQL's integer
STATUS = 999  # a shell's exit status: 255 at most, in ksh 256 and the signal's number

_MOST_DIGITS = 10  # of any of these

# Control characters (Unicode's Cc), NUL among them.
CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\ufffd")
_WITHIN_A_MESSAGE = {code: sign for code, sign in CONTROLS.items() if chr(code) not in "\t\n"}


def number(digits: str | bytes, most: int, *, least: int = 0) -> int:
    """Return the number that `digits` are: ASCII digits alone, at most ten. Raises ValueError outside the bounds."""
    if len(digits) > _MOST_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise ValueError("not a number of at most ten digits")
    value = int(digits)
    if not least <= value <= most:
        raise ValueError(f"not between {least} and {most}")
    return value


def line(text: str, longest: int) -> str:
    """Return the first `longest` characters of `text`, with U+FFFD for each control character."""
    return text[:longest].translate(CONTROLS)


def message(text: str, longest: int) -> str:
    """Return the beginning of `text` as a message: `longest` characters, no control but tabs and line breaks.

    Halves of surrogates, which UTF-8 cannot spell, become question marks.
    """
    return text[:longest].encode("utf-8", "replace").decode().translate(_WITHIN_A_MESSAGE)
