"""PURE. How one column of squeue or sacct is read. Each function raises ValueError for what is beyond its bounds.

Sources: the manual pages of squeue and sacct; what SLURM 20.11 to 26.05 has printed.
"""

import datetime as dt
import string

from clusters import bounds
from clusters.bounds import number

_LONGEST_USER = 256  # characters; LOGIN_NAME_MAX (limits.h)
_LONGEST_STATE = 32
_OF_STATES = frozenset(string.ascii_uppercase + "_")


def is_allocated(node_list: str) -> bool:
    """Return whether SLURM lists nodes, and not one of its words for none."""
    return node_list not in {"", "None assigned", "None", "N/A", "(null)"}


def count_of(text: str) -> int:
    """Return the number of nodes or cores, of which SLURM writes 2048 as `2K` unless it is told not to.

    0 is no count of what was allocated.
    """
    try:
        return number(text, bounds.COUNT, least=1)
    except ValueError:
        power = " KMG".find(text[-1:].upper())
        if power < 1:
            raise
        count = number(text[:-1], bounds.COUNT, least=1) << 10 * power
        if count > bounds.COUNT:
            raise
        return count


def exit_code_of(text: str) -> tuple[int, int]:
    """Return the exit code and the signal of sacct's `3:0`."""
    code, _, signal = text.partition(":")
    return number(code, bounds.COUNT), number(signal, bounds.COUNT)


def user_of(name: str) -> str:
    """Return a user's name as it is."""
    if len(name) > _LONGEST_USER or not name.isprintable():
        raise ValueError("not a user's name")
    return name


def state_of(state: str) -> str:
    """Return SLURM's state as one word: `CANCELLED by 1001` is CANCELLED, a trailing `+` is dropped.

    Any word that is one by its letters and its length: new releases have new ones.
    """
    first = state.strip().partition(" ")[0].removesuffix("+")
    if not 1 <= len(first) <= _LONGEST_STATE or not _OF_STATES.issuperset(first):
        raise ValueError("no state")
    return first


def time_of(epoch: str) -> dt.datetime | None:
    """Return the time of an epoch; None for any of SLURM's words for none."""
    if epoch in {"N/A", "Unknown", "None", "NONE", "0", ""}:
        return None
    return dt.datetime.fromtimestamp(number(epoch, bounds.EPOCH, least=1), dt.UTC)


def seconds_of(text: str) -> int:
    """Return a number of seconds."""
    return number(text, bounds.SECONDS)


def duration_of(text: str) -> int:
    """Return the seconds of SLURM's `[D-]HH:MM:SS`, of which squeue leaves out leading zero parts."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if len(parts) > 3:  # noqa: PLR2004 - hours, minutes, seconds
        raise ValueError("not a duration")
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + number(part, bounds.COUNT)
    seconds += 86_400 * (number(days, bounds.COUNT) if dash else 0)
    if seconds > bounds.SECONDS:
        raise ValueError("longer than any job runs")
    return seconds
