"""Tells the person at the terminal what happens: one line a step, with its time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print `what`, and behind it how long the block took; a failed step says so and lets the error pass."""
    sys.stdout.write(f"  {what:<62}")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say(" failed")
        raise
    say(f"{time.monotonic() - began:7.1f} s")


def say(line: str = "") -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
