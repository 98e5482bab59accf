"""Background work: each account has its share of the threads."""

import threading

from clusters.ssh.background import Background


def test_work_of_one_owner_that_hangs_leaves_threads_to_the_others() -> None:
    background, let_go, done = Background(threads=4, share=2), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        let_go.wait(30)

    try:
        for _ in range(20):
            background.run("plgalice", hang)
        for _ in range(20):
            background.run("plgbob", done.release)
        for _ in range(20):
            assert done.acquire(timeout=10)
    finally:
        let_go.set()


def test_work_of_one_owner_is_all_done_and_begins_in_order() -> None:
    background, finished = Background(threads=4, share=1), threading.Event()
    numbers: list[int] = []
    for number in range(100):
        background.run("plgalice", lambda number=number: numbers.append(number))  # type: ignore[misc]
    background.run("plgalice", finished.set)
    assert finished.wait(10)
    assert numbers == list(range(100))


def test_work_that_fails_ends_nothing_but_itself() -> None:
    background, finished = Background(threads=1, share=1), threading.Event()

    def fail() -> None:
        raise ValueError("what nobody has foreseen")

    background.run("plgalice", fail)
    background.run("plgalice", finished.set)
    assert finished.wait(10)


def test_an_owner_whose_work_is_done_is_forgotten() -> None:
    background, finished = Background(threads=2, share=2), threading.Event()
    for owner in range(50):
        background.run(owner, finished.set)
    background._executor.shutdown(wait=True)
    assert (dict(background._waiting), dict(background._under_way)) == ({}, {})
