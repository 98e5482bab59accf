"""Calls that are made together: who waits for whom, who gets what, and what is left afterwards."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from clusters.calls.batching import DelayedBatcher, RequestBatcher, _Line
from clusters.errors import Failed, Interrupted, TimedOut, Unreachable

LONG = 30.0  # seconds; no test waits for it


@dataclass
class Requests:
    """What a login node is asked, and answers by ten times each item once it may; a negative item fails."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    made: list[list[int]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.made.append(list(items))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.begun.release()
        assert self.may_end.acquire(timeout=LONG)
        self.under_way -= 1
        if 0 in items:
            raise Unreachable("nobody is there")
        return [Failed(f"no {item}") if item < 0 else 10 * item for item in items]


@pytest.fixture
def requests() -> Requests:
    """The requests of a test."""
    return Requests()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Callers."""
    with ThreadPoolExecutor(64) as pool:
        yield pool


Call = Callable[..., "Future[int]"]


@pytest.fixture
def together(requests: Requests) -> RequestBatcher[int, int]:
    """Callers of one login, at most 32 of them in one request."""
    return RequestBatcher(requests, most=32)


@pytest.fixture
def call(together: RequestBatcher[int, int], threads: ThreadPoolExecutor) -> Call:
    """Have somebody call, and return once that is in its line, or under way."""

    def calling(item: int, login: str = "plgalice", timeout: float = LONG) -> "Future[int]":
        before = waiting(together, login)
        future = threads.submit(together.ask, login, item, timeout)
        while waiting(together, login) == before and not future.done():
            pass
        return future

    return calling


def waiting(together: RequestBatcher[int, int], login: str) -> int:
    line = together._lines.get(login)
    return line.callers if line else 0


def test_a_caller_alone_is_served_at_once(requests: Requests, together: RequestBatcher[int, int]) -> None:
    requests.may_end.release()
    assert together.ask("plgalice", 7, LONG) == 70
    assert requests.made == [[7]]


def test_who_comes_while_a_request_is_under_way_shares_the_next_one_and_gets_their_own_result(
    requests: Requests, call: Call
) -> None:
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)
    others = [call(item) for item in range(2, 10)]
    requests.may_end.release(2)
    assert [first.result(LONG), *(other.result(LONG) for other in others)] == [10 * item for item in range(1, 10)]
    assert requests.made == [[1], list(range(2, 10))]
    assert requests.most_under_way == 1


def test_at_most_so_many_share_a_request(requests: Requests, call: Call) -> None:
    first = call(100)
    assert requests.begun.acquire(timeout=LONG)
    others = [call(item) for item in range(1, 41)]
    requests.may_end.release(3)
    assert [other.result(LONG) for other in others] == [10 * item for item in range(1, 41)]
    assert first.result(LONG) == 1000
    assert sorted(map(len, requests.made)) == [1, 8, 32]


def test_an_error_of_a_request_reaches_all_who_share_it_and_nobody_else(requests: Requests, call: Call) -> None:
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)
    failing = [call(item) for item in (2, 0, 3)]
    requests.may_end.release()
    assert first.result(LONG) == 10
    assert requests.begun.acquire(timeout=LONG)
    later = call(4)
    requests.may_end.release(2)
    assert {str(each.exception(LONG)) for each in failing} == {"nobody is there"}
    assert later.result(LONG) == 40


def test_an_error_of_one_item_reaches_its_caller_alone(requests: Requests, call: Call) -> None:
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)
    others = [call(item) for item in (2, -3, 4)]
    requests.may_end.release(2)
    assert [first.result(LONG), others[0].result(LONG), others[2].result(LONG)] == [10, 20, 40]
    with pytest.raises(Failed, match="no -3"):
        others[1].result(LONG)


def test_a_caller_whose_turn_does_not_come_in_time_is_told_so(requests: Requests, call: Call) -> None:
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)
    impatient = call(2, timeout=0.05)
    with pytest.raises(TimedOut, match="other calls of this account came first"):
        impatient.result(LONG)
    requests.may_end.release(2)
    assert first.result(LONG) == 10
    later = call(3)
    assert later.result(LONG) == 30


def test_who_share_a_request_that_is_under_way_wait_for_its_answer(requests: Requests, call: Call) -> None:
    """Their own time may be over before: the request has its bounds, and whoever made it gets the answer as well."""
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)
    others = [call(item, timeout=1.0) for item in range(2, 10)]
    requests.may_end.release()
    assert first.result(LONG) == 10
    assert requests.begun.acquire(timeout=LONG)
    with pytest.raises(TimeoutError):
        others[0].result(1.5)
    requests.may_end.release()
    assert [other.result(LONG) for other in others] == [10 * item for item in range(2, 10)]


def test_who_shares_a_request_whose_thread_is_ended_is_told_so(threads: ThreadPoolExecutor) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work(_items: Sequence[int]) -> list[int | Exception]:
        begun.set()
        assert may_end.wait(LONG)
        raise SystemExit

    together = RequestBatcher[int, int](work, most=32)
    line = together._lines.setdefault("plgalice", _Line(callers=1))
    line.turn.acquire()
    both = [threads.submit(together.ask, "plgalice", item, 0.5) for item in (1, 2)]
    while line.callers < 3:
        pass
    line.turn.release()
    assert begun.wait(LONG)
    may_end.set()
    assert {type(future.exception(LONG)) for future in both} == {SystemExit, Interrupted}


def test_another_login_waits_for_nobody(requests: Requests, call: Call) -> None:
    slow = call(1, "plgalice")
    assert requests.begun.acquire(timeout=LONG)
    other = call(2, "plgbob")
    assert requests.begun.acquire(timeout=LONG)
    assert requests.most_under_way == 2
    requests.may_end.release(2)
    assert (slow.result(LONG), other.result(LONG)) == (10, 20)
    assert requests.made == [[1], [2]]


def test_a_line_is_forgotten_with_its_last_caller(
    requests: Requests, call: Call, together: RequestBatcher[int, int]
) -> None:
    requests.may_end.release(4)
    for future in [call(1), call(2, "plgbob"), call(0, "plgcarol")]:
        future.exception(LONG)
    late = call(3, timeout=0)
    late.exception(LONG)
    assert together._lines == {}


def test_many_callers_in_many_threads_each_get_their_own_result() -> None:
    together = RequestBatcher[int, int](lambda items: [10 * item for item in items], most=8)
    with ThreadPoolExecutor(32) as pool:
        told = list(pool.map(lambda item: together.ask(item % 3, item, LONG), range(3_000)))
    assert told == [10 * item for item in range(3_000)]
    assert together._lines == {}


def in_a_child(work: Callable[[], None]) -> int:
    """Return how a fork ends that does `work`."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_fork_inherits_neither_turns_nor_callers(
    requests: Requests, call: Call, together: RequestBatcher[int, int]
) -> None:
    first = call(1)
    assert requests.begun.acquire(timeout=LONG)

    def ask_in_the_child() -> None:
        requests.may_end.release()
        os._exit(0 if together.ask("plgalice", 2, 5) == 20 else 2)

    assert in_a_child(ask_in_the_child) == 0
    requests.may_end.release()
    assert first.result(LONG) == 10


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_what_was_collected_before_a_fork_is_the_parents_to_hand_over() -> None:
    handed = threading.Semaphore(0)
    collected = DelayedBatcher[str, int](lambda _key, items: handed.release(len(items)), seconds=0.2)
    collected.add("plgalice", 1)

    def add_in_the_child() -> None:
        collected.add("plgalice", 2)
        os._exit(0 if handed.acquire(timeout=5) else 2)

    assert in_a_child(add_in_the_child) == 0
    assert handed.acquire(timeout=LONG)


def test_what_is_collected_is_handed_over_once_and_in_order_for_each_login() -> None:
    handed: list[list[tuple[str, int]]] = []
    all_there = threading.Semaphore(0)

    def take(_key: str, items: list[tuple[str, int]]) -> None:
        handed.append(items)
        all_there.release(len(items))

    collected = DelayedBatcher[str, tuple[str, int]](take, seconds=0.1)
    for number in range(20):
        for login in ("plgalice", "plgbob"):
            collected.add(login, (login, number))
    for _ in range(40):
        assert all_there.acquire(timeout=LONG)
    told = {login: [item for items in handed for item in items if item[0] == login] for login in ("plgalice", "plgbob")}
    assert told == {login: [(login, number) for number in range(20)] for login in told}
    assert all(len({login for login, _ in items}) == 1 for items in handed)
    assert len(handed) < 40, "many at once"
    assert collected._items == {}


def test_nothing_is_lost_or_handed_over_twice_in_many_threads() -> None:
    handed: list[int] = []
    all_there = threading.Semaphore(0)

    def take(_key: int, items: list[int]) -> None:
        handed.extend(items)
        time.sleep(0.001)  # others add meanwhile
        all_there.release(len(items))

    collected = DelayedBatcher[int, int](take, seconds=0.001)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: collected.add(item % 4, item), range(4_000)))
    for _ in range(4_000):
        assert all_there.acquire(timeout=LONG)
    assert sorted(handed) == list(range(4_000))
    assert collected._items == {}


def test_where_no_thread_can_be_started_what_was_added_is_handed_over_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[list[int]] = []
    collected = DelayedBatcher[str, int](lambda _key, items: handed.append(items), seconds=0)

    def refuse(_timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    collected.add("plgalice", 1)
    assert handed == [[1]]
    assert collected._items == {}


def test_what_is_collected_gives_way_for_so_long_and_no_longer() -> None:
    handed: list[list[int]] = []
    over = threading.Event()
    asked = []

    def gives_way() -> bool:
        asked.append(len(handed))
        return True

    def take(_key: str, items: list[int]) -> None:
        handed.append(items)
        over.set()

    collected = DelayedBatcher[str, int](take, seconds=0.01, most=0.2, gives_way=gives_way)
    collected.add("plgalice", 1)
    while len(asked) < 3:
        time.sleep(0.001)
    collected.add("plgalice", 2)
    assert over.wait(LONG)
    assert handed == [[1, 2]]
    assert set(asked) == {0}


def test_where_there_was_company_the_last_time_it_is_waited_for() -> None:
    batches: list[list[int]] = []
    may_go_on = threading.Event()

    def work(items: list[int]) -> list[int]:
        batches.append(list(items))
        may_go_on.wait(LONG)
        return items

    together = RequestBatcher[int, int](work, most=32)
    together._company["plgalice"] = 3
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(together.ask, "plgalice", number, LONG) for number in range(3)]
        may_go_on.set()
        assert [one.result(LONG) for one in asked] == [0, 1, 2]
    assert len(batches[0]) > 1 or len(batches) == 1
    may_go_on.set()
    together.ask("plgalice", 4, LONG)
    assert batches[-1] == [4]
    assert together._company == {}
