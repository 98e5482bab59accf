"""Runs short programs, each in a process that has imported nothing of the service, with an environment of its own.

The libraries that take long to import are there already: each process is forked from one that has imported them, which
multiprocessing starts with the first program and ends with this process.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0  # seconds that a program may take
# Those that read no environment variable of ours when they are imported: prometheus_client would.
_LIBRARIES = ["celery", "django.core.checks", "environ", "kombu", "redis", "structlog"]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(_LIBRARIES)


@dataclass(frozen=True)
class Done:
    """How a program has ended: its exit code, and what it printed."""

    code: int | None
    stdout: str
    stderr: str


def run(program: str, environment: Mapping[str, str]) -> Done:
    """Run the lines of Python `program` with `environment` alone; it is ended after PATIENCE, with a code below 0."""
    with tempfile.TemporaryDirectory() as name:
        printed = Path(name) / "stdout", Path(name) / "stderr"
        process = _CONTEXT.Process(target=_act, args=(program, dict(environment), *printed))
        process.start()
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
        return Done(process.exitcode, *(path.read_text() if path.exists() else "" for path in printed))


def _act(program: str, environment: dict[str, str], *streams: Path) -> None:
    for number, path in enumerate(streams, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    exec(program, {"__name__": "__main__"})  # noqa: S102 - a test's own words
