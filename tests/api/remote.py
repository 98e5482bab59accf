"""A cluster whose login node is replayed: every remote command is counted, and answered as SLURM prints it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pytest

from clusters import gateway
from clusters.run import Answer, Script
from clusters.shell import Section


@dataclass
class Remote:
    """What `queue` (squeue's lines) and `history` (sacct's) say; as which accounts they have been asked, and for what.

    `questions`: what was written to the script that asks accounting, see `clusters.scripts.LOOK`.
    """

    queue: Sequence[str] = ()
    history: Sequence[str] = ()
    commands: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    during: Callable[[], object] = lambda: None
    _lock: Any = field(default_factory=Lock)

    @classmethod
    def instead_of_ssh(cls, monkeypatch: pytest.MonkeyPatch) -> "Remote":
        """Put one in the place of connections and channels; all of the gateway above them is real."""
        remote = cls()
        monkeypatch.setattr(gateway, "_channel", remote._channel)
        monkeypatch.setattr(Script, "start", lambda script, account, **_: _Run(remote, account, script))
        return remote

    @contextmanager
    def _channel(self, _cluster: Any, account: str) -> Iterator[str]:
        yield account

    def began(self, account: str) -> None:
        """Count a command."""
        with self._lock:
            self.commands.append(account)
        self.during()


class _Run:
    """One remote command: squeue's answer, then, to whoever goes on, those of the script's other commands."""

    def __init__(self, remote: Remote, account: str, script: Script) -> None:
        remote.began(account)
        self._remote = remote
        self._whose = script.arguments[1]

    def answer(self, _sections: int, **_: Any) -> Answer:
        return _answer(self._of_whom(self._remote.queue))

    def result(self, data: bytes = b"", **_: Any) -> Answer:
        self._remote.questions.append(data.decode())
        return _answer([], [], self._remote.history)

    def _of_whom(self, lines: Sequence[str]) -> Sequence[str]:
        return [line for line in lines if f"|{self._whose}|" in line] if self._whose else lines


def _answer(*outputs: Sequence[str]) -> Answer:
    return Answer(0, b"", b"", truncated=False, sections=[Section("".join(output).encode(), 0) for output in outputs])
