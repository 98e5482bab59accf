"""The Python environment in `.local/venv`, made from the hash-pinned lock and kept in step with it."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from sandbox.commands import run
from sandbox.layout import Layout, write
from sandbox.narration import step

LOCK = "requirements-dev.txt"


def provide(layout: Layout) -> None:
    """Make the environment if it is missing or of another Python or place; install when the lock changed since."""
    lock = (layout.checkout / LOCK).read_text()
    if _stamp(layout, "made-by") != _maker(layout):
        with step("Python environment made"):
            shutil.rmtree(layout.venv, ignore_errors=True)
            run([sys.executable, "-m", "venv", layout.venv])
            write(layout.venv / "made-by", _maker(layout), account=None)
    digest = hashlib.sha256(lock.encode()).hexdigest()
    if _stamp(layout, "installed") != digest:
        with step("Python packages installed from the lock"):
            pip: list[str | Path] = [
                layout.venv / "bin" / "python",
                "-m",
                "pip",
                "--disable-pip-version-check",
                "install",
                "--quiet",
            ]
            # The lock is complete, so nothing is left to resolve; old versions of pip stumble there over extras.
            exact: list[str | Path] = ["--no-deps", "--require-hashes", "-r", layout.checkout / LOCK]
            # The caller's environment may name a mirror, a proxy or a certificate that pip needs here.
            run([*pip, *exact], env=os.environ, timeout=1200)
            run([layout.venv / "bin" / "python", "-m", "pip", "check"])
            write(layout.venv / "installed", digest, account=None)


def _maker(layout: Layout) -> str:
    """Name what an environment is bound to: its interpreter, and its place, which its scripts begin with."""
    return f"{sys.executable} {sys.version}\n{layout.venv}\n"


def _stamp(layout: Layout, name: str) -> str:
    path = layout.venv / name
    return path.read_text() if path.exists() else ""
