"""Work in the background, by a few threads of which no account gets more than its share."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import structlog
from django.db import close_old_connections

log = structlog.get_logger(__name__)

Work = Callable[[], None]


class Background:
    """Threads that do each owner's work in its order, at most `share` pieces of it at once. Thread-safe."""

    def __init__(self, threads: int, share: int) -> None:
        self._share = share
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ssh-pool")
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, deque[Work]] = defaultdict(deque)
        self._under_way: Counter[Hashable] = Counter()

    def run(self, owner: Hashable, work: Work) -> None:
        """Run `work` of `owner`. Its log lines have the id of the present request; what it raises is logged."""
        context = copy_context()
        with self._lock:
            if self._under_way[owner] >= self._share:
                self._waiting[owner].append(lambda: context.run(_logged, work))
                return
            self._under_way[owner] += 1
        try:
            self._executor.submit(self._run_piece, owner, lambda: context.run(_logged, work))
        except RuntimeError:  # no further thread can be started
            with self._lock:
                self._count_out(owner)
            raise

    def _run_piece(self, owner: Hashable, work: Work) -> None:
        """Do one piece, then put the owner's next one behind what other owners have added meanwhile."""
        work()
        with self._lock:
            following = self._waiting[owner].popleft() if self._waiting[owner] else None
            if following is None:
                self._count_out(owner)
        if following:
            self._executor.submit(self._run_piece, owner, following)

    def _count_out(self, owner: Hashable) -> None:
        """Count one piece of `owner` less as under way. The caller holds the lock."""
        self._waiting.pop(owner, None)
        self._under_way[owner] -= 1
        if not self._under_way[owner]:
            del self._under_way[owner]


def _logged(work: Work) -> None:
    close_old_connections()
    try:
        work()
    except Exception:
        log.exception("background-work-failed")
    finally:
        close_old_connections()
