"""Processes of the service that ask a login node as one account after the other, for as long as somebody watches."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from django.db import connections

from clusters.calls.pool import Pool
from clusters.errors import ClusterError
from clusters.ssh.endpoint import Endpoint
from tests.live.penalties import worker

PAUSE = 1.0  # seconds between two questions of one account
LET_IN = "let in"
_MOST = 1000  # questions of a process, whatever happens

Answers = dict[str, list[str]]
"""For each account the kinds of its answers: LET_IN, or the name of an error's class."""


@contextmanager
def asked(endpoint: Endpoint, accounts: Sequence[str], processes: int, ca: Path) -> Iterator[Answers]:
    """Have each account ask about once a second in each of several processes; the answers are there after the block."""
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit the locks that this process's threads hold
    over = spawn.Event()
    answers: Answers = {account: [] for account in accounts}
    beginning = (str(ca), connections.databases["default"]["NAME"], over)
    with ProcessPoolExecutor(processes, spawn, worker.begin, beginning) as workers:
        running = [workers.submit(ask_on, endpoint, accounts) for _ in range(processes)]
        try:
            yield answers
        finally:
            over.set()
        for one in running:
            for account, kinds in one.result(timeout=60).items():
                answers[account] += kinds


def ask(pool: Pool, endpoint: Endpoint, account: str) -> str:
    """Open a channel as `account`, and return which kind of answer that was."""
    try:
        with pool.channel(endpoint, account, timeout=10):
            return LET_IN
    except ClusterError as exc:
        return type(exc).__name__


def ask_anew(endpoint: Endpoint, account: str) -> str:
    """Ask as a process does that has no connection yet."""
    pool = Pool()
    try:
        return ask(pool, endpoint, account)
    finally:
        pool.close()


def ask_on(endpoint: Endpoint, accounts: Sequence[str]) -> Answers:
    """Ask as each account, again and again, until this process is told to end."""
    pool = Pool()
    answers: Answers = {account: [] for account in accounts}
    for account in islice(cycle(accounts), _MOST):
        answers[account].append(ask(pool, endpoint, account))
        if not worker.pause(PAUSE / len(accounts)):
            break
    pool.close()
    return answers
