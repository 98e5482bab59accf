"""A database with the service's tables, made once for all the processes that run tests side by side."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.commands import run
from tests.harness.daemon import CHECKOUT
from tests.harness.databases import Postgres


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a PostgreSQL server that does not run, for copies (`Postgres`)."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # each process has its own below that of the run
    folder = shared / "migrated"
    with (shared / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)  # the other one lies where the server's user may not go
        place.chmod(0o755)
        (place / "postgres").mkdir()
        postgres = Postgres(place / "postgres")
        postgres.daemon.start()
        try:
            _migrate(postgres.url)
        finally:
            postgres.daemon.stop(signal.SIGINT)
        shutil.move(place / "postgres", folder)


def _migrate(url: str) -> None:
    own = {"DJANGO_SETTINGS_MODULE": "submitter.settings", "DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}
    run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=os.environ | own, cwd=CHECKOUT)
