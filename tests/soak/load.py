"""Users who work all the time: half of them retry with a key, as a careful script does, half of them never do."""

import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from tests.harness.client import Client, Posted, new_tag
from tests.harness.fault_cluster import FaultCluster

_OVER = {201, 422}  # answers after which a careful script does not try again
_TRIES = 20
_PAUSE = 0.5  # seconds between two of them


@dataclass(frozen=True)
class Timed:
    """One call: when it began (monotonic seconds), and after how many seconds it was answered; infinite if refused."""

    began: float
    seconds: float


class Load:
    """Submits and looks from `number` threads until it is stopped; notes every answer to a submission."""

    def __init__(
        self, clients: Sequence[Client], clusters: Sequence[FaultCluster], number: int, dice: random.Random
    ) -> None:
        self._dice = dice
        self._clients = clients
        self._clusters = clusters
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(each % 2 == 0,)) for each in range(number)]
        self._posts: list[Posted] = []
        self._calls: list[Timed] = []

    @property
    def posts(self) -> list[Posted]:
        """Every answer to a submission so far."""
        return list(self._posts)

    @property
    def submissions(self) -> int:
        """How many jobs were ordered so far, retries not counted."""
        return len({posted.tag for posted in self._posts})

    def seconds(self, since: float, until: float) -> list[float]:
        """Return how long each call took that began between two times (monotonic seconds), the shortest first."""
        return sorted(call.seconds for call in list(self._calls) if since <= call.began < until)

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

    def _work(self, is_careful: bool) -> None:
        while not self._over.is_set():
            client, cluster, tag = self._dice.choice(self._clients), self._dice.choice(self._clusters), new_tag()
            if is_careful:
                self._insist(client, cluster, tag)
            else:
                self._post(client, cluster, tag)
            self._look(client, tag)
            time.sleep(self._dice.uniform(0, 0.3))

    def _insist(self, client: Client, cluster: FaultCluster, tag: str) -> None:
        """Repeat the same request with the same key until there is an answer that decides."""
        for _ in range(_TRIES):
            posted = self._post(client, cluster, tag, key=tag)
            if posted.code in _OVER or self._over.wait(_PAUSE):
                return

    def _post(self, client: Client, cluster: FaultCluster, tag: str, key: str | None = None) -> Posted:
        began = time.monotonic()
        posted = client.post(cluster, tag=tag, key=key)
        self._note(began, posted.code)
        self._posts.append(posted)
        return posted

    def _look(self, client: Client, tag: str) -> None:
        """List what there is with `tag`."""
        began, code = time.monotonic(), None
        try:
            code = client.call("GET", "/api/jobs", params={"tag": tag}).status_code
        except httpx.TransportError:
            self._over.wait(_PAUSE)
        finally:
            self._note(began, code)

    def _note(self, began: float, code: int | None) -> None:
        is_usual = code in {HTTPStatus.OK, HTTPStatus.CREATED}
        self._calls.append(Timed(began, time.monotonic() - began if is_usual else math.inf))
