"""What the commands of one account share: a connection that no command's end may cost the others."""

import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from clusters.slurm import shell
from clusters.ssh.connection import Connection
from clusters.ssh.stream import Stream
from tests.live.agents.login_node import ACCOUNT, zeus

TOGETHER, EACH = 4, 400  # sshd takes ten channels, and counts one for a moment after its end


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection of plgalice to zeus."""
    connection = Connection(zeus(), ACCOUNT)
    yield connection
    connection.close()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns so often that whatever can come between two of their steps does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def said(connection: Connection, word: str) -> tuple[bytes, int | None]:
    """Return what a command says that ends upon its last word, and how it ended."""
    marker = shell.marker(uuid.uuid4())
    stream = Stream(connection.open_channel(10), marker)
    stream.start(shell.script_line('read -r word; echo "$word";', (), {}, marker), 10)
    stream.send(f"{word}\n".encode(), 10)
    output = stream.begin(10)
    while (piece := stream.take(time.monotonic() + 10, 10)) is not None:
        output += piece
    status = stream.exit_status(10)
    stream.close()
    return output, status


@pytest.mark.usefixtures("hurried")
def test_a_command_that_ends_upon_its_last_word_leaves_the_connection_to_the_others(connection: Connection) -> None:
    def answers(number: int) -> list[tuple[bytes, int | None]]:
        return [said(connection, str(number)) for _ in range(EACH)]

    with ThreadPoolExecutor(TOGETHER) as pool:
        told = list(pool.map(answers, range(TOGETHER)))
    assert told == [[(f"{number}\n".encode(), 0)] * EACH for number in range(TOGETHER)]
    assert connection.alive
