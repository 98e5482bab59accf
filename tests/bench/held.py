"""A whole look at a real cluster with many waiting jobs, beside a remote command for each of them."""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sandbox.commands import run
from tests.bench import database, table
from tests.bench.login import Credentials, WarmLogin
from tests.bench.target import Place, Run
from tests.harness.daemon import CHECKOUT

JOBS = 2_000
_TIMEOUT = 300  # seconds


def measure(place: Place) -> None:
    """Submit JOBS held jobs, and look at them from a registry of their own; they are cancelled afterwards."""
    work = Run()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        login = stack.enter_context(WarmLogin(place, Credentials.issue(place, folder)))
        stack.callback(login.cancel, work.name)
        ids = folder / "ids"
        ids.write_text("\n".join(map(str, login.submit_many(work.name, JOBS))))
        environment = {"DATABASE_URL": stack.enter_context(database.empty("submitter_held"))}
        for words in (
            ["manage.py", "migrate", "--verbosity", "0"],
            ["manage.py", "loadclusters", os.environ["CLUSTERS_FILE"]],
            ["-m", "tests.bench.one_look", place.cluster, place.account, ids],
        ):
            answer = run([sys.executable, "-B", *words], env=os.environ | environment, cwd=CHECKOUT, timeout=_TIMEOUT)
    _say(json.loads(answer.splitlines()[-1]))


def _say(found: dict[str, Any]) -> None:
    table.heading(f"One look over SSH at a cluster with {JOBS} held jobs: wall, CPU of ours, queries, rows written")
    for name, cost in found["looks"].items():
        table.cost(f"{JOBS:>7} active jobs, {name}", cost)
    asked, single = found["single"]["changed"], found["single"]["seconds"]
    table.line(f"a remote command for each job, {asked:.0f} measured: {single / asked * 1000:.0f} ms a job")
    for number in (1_000, JOBS):
        table.line(f"{number:>7} jobs so, calculated from those: {single / asked * number:.0f} s")
