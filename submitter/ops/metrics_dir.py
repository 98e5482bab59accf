"""The files in which the processes of the service count, so that one scrape adds all of them up.

Each unit has a directory of its own, PROMETHEUS_MULTIPROC_DIR, which has to be empty when it starts
(https://prometheus.github.io/client_python/multiprocess/). Those of the web server and of the workers stand side by
side, in a directory that holds nothing else: systemd's units make them so (RuntimeDirectory=).
"""

import os
from pathlib import Path

from prometheus_client import multiprocess

from submitter.environment import Setting, declare

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
declare(
    Setting(
        VARIABLE,
        heading="The service",
        form="path of an empty directory",
        default="none",
        meaning="Where the processes of this unit count for `/metrics`. The directories of the web server and of the "
        "workers have to be the only ones in the directory above: `/metrics` adds up all of them. The units in "
        "`deploy/` set it. Without it `/metrics` tells of the one process that answers.",
    )
)


def files() -> list[str] | None:
    """Return the files of every process of every unit; None where this process keeps its counts to itself.

    A file that is empty is being made at this moment, and holds nothing yet.
    """
    own = os.environ.get(VARIABLE)
    if not own:
        return None
    return [str(path) for path in Path(own).parent.glob("*/*.db") if path.stat().st_size]


def mark_dead(pid: int) -> None:
    """Remove the gauges of the dead process `pid` that count only while it lives; what it has counted stays."""
    if os.environ.get(VARIABLE):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # untyped there
