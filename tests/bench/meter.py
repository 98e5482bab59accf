"""What a stretch of work costs the machine: processes that accounts have started, processor time by kind of process."""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench import accounting, processor
from tests.bench.accounting import Accounts, NotCounted

_SETTLE = 1.0  # seconds in which what calls have left behind is done, and belongs to them


@dataclass
class Used:
    """What was used: `processes` by command, `milliseconds` by kind; `uncounted` is why processes were not counted."""

    processes: Counter[str] = field(default_factory=Counter)
    milliseconds: dict[str, float] = field(default_factory=dict)
    uncounted: str = ""


class Meter:
    """Measures what the accounts with `uids`, this process's children and the sandbox use."""

    def __init__(self, accounts: Accounts, uids: Collection[int]) -> None:
        self._accounts = accounts
        self._uids = uids

    @contextmanager
    def running(self) -> Iterator[Used]:
        """Yield what is filled in at the end, when everything has settled."""
        used = Used()
        start, before = self._accounts.now(), processor.usages(self._uids)
        yield used
        time.sleep(_SETTLE)
        used.milliseconds = processor.spent(before, processor.usages(self._uids))
        try:
            used.processes = accounting.of_accounts(self._accounts.since(start), self._uids)
        except NotCounted as exc:
            used.uncounted = str(exc)
