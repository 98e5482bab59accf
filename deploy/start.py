#!/usr/bin/env python3
"""What each unit runs: `start.py PROGRAM OPTION...` loads the service once, and becomes the program of its environment.

Where the service cannot be loaded, one line of JSON says why, and the process ends with EX_CONFIG (sysexits.h): the
units do not try that again. Otherwise workers would fail one after the other, behind a web server that seems to run.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _load_web() -> None:
    """Load what gunicorn's workers load: Django with its middleware, which looks through the static files."""
    import_module("submitter.wsgi")


def _load_celery() -> None:
    """Load what celery's processes load: the application, and Django with all tasks."""
    import_module("submitter.celery").app.loader.import_default_modules()


LOADERS: Mapping[str, Callable[[], None]] = {"gunicorn": _load_web, "celery": _load_celery}


def reason(exc: Exception) -> str:
    """Return in a sentence why the service cannot be loaded. No value of a setting is in it, where it may be secret.

    Files, modules and settings name themselves; the text of anything else might repeat what it could not read.
    """
    if isinstance(exc, PermissionError) and exc.filename:
        return f"its account may not read {os.fsdecode(exc.filename)}; give it the right to"
    if isinstance(exc, OSError | ImportError) or type(exc).__name__ == "ImproperlyConfigured":
        return str(exc)
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if _is_own(Path(frame.filename))]
    return f"{type(exc).__name__} in {frames[-1].filename}, line {frames[-1].lineno}; `deploy/manage check` says more"


def _is_own(file: Path) -> bool:
    return file.is_relative_to(ROOT) and not file.is_relative_to(sys.prefix)


def main(command: Sequence[str]) -> None:
    """Become the program; ends the process with a line where the service cannot be loaded."""
    if not command or command[0] not in LOADERS:
        sys.exit(f"usage: start.py {{{','.join(LOADERS)}}} [OPTION...]")
    sys.path.insert(0, str(ROOT))
    try:
        LOADERS[command[0]]()
    except Exception as exc:  # noqa: BLE001 - whatever it is, the process that would follow could not go on
        line = {"event": f"The service cannot start: {reason(exc)}", "logger": "start", "level": "critical"}
        print(json.dumps(line), file=sys.stderr, flush=True)
        sys.exit(os.EX_CONFIG)
    os.execv(Path(sys.prefix, "bin", command[0]), [*command])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
