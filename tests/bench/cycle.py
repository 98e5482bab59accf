"""What a look at a cluster costs as the number of active jobs grows."""

import json
import os
import sys

from sandbox.commands import run
from tests.bench import database, table
from tests.harness.daemon import CHECKOUT

SIZES = (1_000, 10_000, 100_000)
_TIMEOUT = 900  # seconds


def measure() -> None:
    """Measure each size in a process of its own, against a database of its own."""
    table.heading("One cycle of polling (answers replayed, the database real): wall, CPU, queries, rows written")
    with database.empty("submitter_cycle") as url:
        environment = os.environ | {"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}
        run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=environment, cwd=CHECKOUT, timeout=300)
        for size in SIZES:
            words = [sys.executable, "-m", "tests.bench.one_cycle", str(size)]
            found = json.loads(run(words, env=environment, cwd=CHECKOUT, timeout=_TIMEOUT).splitlines()[-1])
            for name, cost in found["cycles"].items():
                table.cost(f"{size:>7} active jobs, {name}", cost)
            table.line(
                f"{size:>7} active jobs: {found['looks']} remote commands in the three cycles; "
                f"{found['peak MB']:.0f} MB at most, the process and its libraries included"
            )
            if found["naive"]:
                table.cost(f"{size:>7} active jobs, fetched and saved one by one", found["naive"])
