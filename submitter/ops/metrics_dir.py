"""One set of metrics from several processes: each writes files of its own, and a scrape adds all of them up.

prometheus_client decides at its import whether it writes files, so `join` comes first in every process.
"""

import os
import shutil
import tempfile
from pathlib import Path

from submitter.environment import Setting, declare

VARIABLE = "METRICS_DIR"
declare(
    Setting(
        VARIABLE,
        heading="The service",
        form="path of a directory",
        default="none",
        meaning="A directory that the web server and the workers share, so that `/metrics` counts what all of them "
        "did. Without it the web server takes one of its own, and the workers count for nobody.",
    )
)
_OF_THE_CLIENT = "PROMETHEUS_MULTIPROC_DIR"


def set_up(kind: str) -> None:
    """Have this process and its children write to the files of `kind` ("web", "worker"); those of dead ones go.

    Several workers may share the directory. A worker without METRICS_DIR counts for nobody.
    """
    if not os.environ.get(VARIABLE):
        if kind != "web":
            return
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="job-submitter-metrics-")
    own = Path(os.environ[VARIABLE]) / kind
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in own.glob("*_*.db"):
        if not _is_alive(old.stem.rpartition("_")[2]):
            old.unlink(missing_ok=True)
    os.environ[_OF_THE_CLIENT] = str(own)


def files() -> list[str] | None:
    """Return the files of every process; None where this one keeps its metrics to itself.

    One that is empty is being made at this moment, and holds nothing yet.
    """
    if not os.environ.get(_OF_THE_CLIENT):
        return None
    return [str(path) for path in Path(os.environ[VARIABLE]).glob("*/*.db") if path.stat().st_size]


def mark_dead(pid: int) -> None:
    """Remove what the dead process `pid` had open; what it has counted stays."""
    if os.environ.get(_OF_THE_CLIENT):
        for path in Path(os.environ[_OF_THE_CLIENT]).glob(f"gauge_live*_{pid}.db"):
            path.unlink(missing_ok=True)


def _is_alive(pid: str) -> bool:
    """Return whether the process that has written a file of that name still runs, and is not this one."""
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another account's
    return True


def clean_up() -> None:
    """Remove the directory, if nobody has named it: it was this process's own."""
    own = os.environ.get(VARIABLE, "")
    if Path(own).name.startswith("job-submitter-metrics-") and Path(own).parent == Path(tempfile.gettempdir()):
        shutil.rmtree(own, ignore_errors=True)
