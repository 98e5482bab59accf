"""The service's commands, as operators run them."""

import subprocess
import sys
from pathlib import Path

_MANAGE = Path(__file__).parents[2] / "manage.py"


def manage(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` with these words, and return what it printed and its exit code."""
    return subprocess.run(
        [sys.executable, str(_MANAGE), *words], capture_output=True, text=True, timeout=600, check=False
    )
