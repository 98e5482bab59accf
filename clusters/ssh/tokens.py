"""Tokens of submissions, each of which names one submission in the registry and on the login node."""

import time
from collections import deque
from collections.abc import Iterable
from uuid import UUID, uuid4

_FRESH = 3600.0  # seconds


class PreparedTokens:
    """Tokens of submissions to come whose directories are there.

    After an hour they are not used: on the login node directories are removed a day after they were made.
    """

    def __init__(self) -> None:
        self._tokens: deque[tuple[float, UUID]] = deque()

    def add(self, tokens: Iterable[UUID]) -> None:
        """Keep `tokens`."""
        self._tokens.extend((time.monotonic(), token) for token in tokens)

    def token(self) -> UUID:
        """Return one of them, or a new one."""
        while self._tokens:
            made_at, token = self._tokens.popleft()
            if time.monotonic() - made_at < _FRESH:
                return token
        return uuid4()
