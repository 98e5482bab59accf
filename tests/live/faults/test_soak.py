"""The short form of `make soak`: a minute of submissions under random faults, with recovery's real patience."""

import re
import subprocess
import sys

from tests.harness.daemon import CHECKOUT


def test_a_minute_of_random_faults_loses_nothing_doubles_nothing_and_leaves_nothing_unknown() -> None:
    soak = [sys.executable, "-m", "tests.soak", "--seconds", "60", "--calm", "5", "--least", "60"]
    done = subprocess.run(soak, cwd=CHECKOUT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert re.search(r"^lost: 0, doubled: 0, unknown: 0$", done.stdout, re.MULTILINE)
