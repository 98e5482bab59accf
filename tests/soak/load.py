"""Users who submit all the time: half of them retry with a key, as a careful script does, half of them never do."""

import random
import threading
import time
from collections.abc import Sequence

from tests.live.faults.client import Client, Posted, new_tag
from tests.live.faults.lane import Lane

_OVER = {201, 422}  # answers after which a careful script does not try again
_TRIES = 20
_PAUSE = 0.5  # seconds between two of them


class Load:
    """Submits from `number` threads until it is stopped; notes every answer."""

    def __init__(self, clients: Sequence[Client], lanes: Sequence[Lane], number: int, dice: random.Random) -> None:
        self._dice = dice
        self._clients = clients
        self._lanes = lanes
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._submit, args=(each % 2 == 0,)) for each in range(number)]
        self._posts: list[Posted] = []

    @property
    def posts(self) -> list[Posted]:
        """Every answer so far."""
        return list(self._posts)

    @property
    def submissions(self) -> int:
        """How many jobs were ordered so far, retries not counted."""
        return len({posted.tag for posted in self._posts})

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let nobody begin another submission, and wait for those under way."""
        self._over.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a call has no end"

    def _submit(self, is_careful: bool) -> None:
        while not self._over.is_set():
            client, lane, tag = self._dice.choice(self._clients), self._dice.choice(self._lanes), new_tag()
            if is_careful:
                self._insist(client, lane, tag)
            else:
                self._posts.append(client.post(lane, tag=tag))
            time.sleep(self._dice.uniform(0, 0.3))

    def _insist(self, client: Client, lane: Lane, tag: str) -> None:
        """Repeat the same request with the same key until there is an answer that decides."""
        for _ in range(_TRIES):
            posted = client.post(lane, tag=tag, key=tag)
            self._posts.append(posted)
            if posted.code in _OVER or self._over.wait(_PAUSE):
                return
