"""What the commands of one account share: a connection that no command's end may cost the others."""

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusters import gateway, scripts
from clusters.errors import TimedOut
from clusters.gateway import Place, Submission
from clusters.models import Cluster
from clusters.pool import Pool
from clusters.run import Script
from clusters.sbatch import Accepted, Rejected
from clusters.ssh import Connection, Endpoint
from tests.live.ground import eventually, processes_with

TOGETHER, EACH = 4, 400  # sshd takes ten channels, and counts one for a moment after its end


@pytest.fixture
def zeus() -> Endpoint:
    """The login node of zeus."""
    key = " ".join(Path(os.environ["ZEUS_HOST_KEY"]).read_text().split()[:2])
    return Endpoint("127.0.0.1", int(os.environ["ZEUS_SSH_PORT"]), (key,))


@pytest.fixture
def connection(zeus: Endpoint) -> Iterator[Connection]:
    """A connection of plgalice to zeus."""
    connection = Connection(zeus, "plgalice")
    yield connection
    connection.close()


class EveryLogin:
    """Tries each login, and remembers nothing of it."""

    is_suspect = False

    def attempt(self, _endpoint: Endpoint, _account: str, _patience: float) -> "EveryLogin":
        return self

    def accepted(self) -> None: ...

    def broken_off(self) -> None: ...

    def refused(self, _message: str) -> None: ...

    def unfinished(self) -> None: ...


@pytest.fixture
def sessions() -> Iterator[Pool]:
    """The connections of a process."""
    sessions = Pool(logins=EveryLogin())
    yield sessions
    sessions.close()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns so often that whatever can come between two of their steps does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_a_script_that_ends_upon_its_last_word_leaves_the_connection_to_the_others(connection: Connection) -> None:
    script = Script('read -r word; echo "$word"')

    def answer(word: bytes) -> bytes:
        with connection.open_channel(10) as channel:
            return script.start(channel).result(word, timeout=10).stdout

    def answers(number: int) -> list[bytes]:
        return [answer(f"{number}\n".encode()) for _ in range(EACH)]

    with ThreadPoolExecutor(TOGETHER) as pool:
        told = list(pool.map(answers, range(TOGETHER)))
    assert told == [[f"{number}\n".encode()] * EACH for number in range(TOGETHER)]
    assert connection.alive


def test_a_script_that_was_ended_after_its_last_word_leaves_the_connection_in_use(
    zeus: Endpoint, sessions: Pool
) -> None:
    told = Script('echo 7; echo "$0 0"; while read -r word; do true; done')
    lease = sessions.started(zeus, "plgalice", told, uuid.uuid4(), timeout=10)
    with pytest.raises(TimedOut) as stop:
        lease.started.answer(2, timeout=0.5)
    assert stop.value.stdout
    Submission(Accepted(7), lease, timeout=0.5).settle(lambda _new: None, wait=True)
    with sessions.channel(zeus, "plgalice", timeout=10):
        assert lease.connection.usable


def test_a_script_that_a_signal_ends_before_sbatch_began_has_submitted_nothing(zeus: Endpoint, sessions: Pool) -> None:
    token = uuid.uuid4()
    waiting = Script(scripts.SUBMIT, ("/usr/bin", "20", ""))
    lease = sessions.started(zeus, "plgalice", waiting, token, timeout=10)
    traces = Path("/home/plgalice") / scripts.DIRECTORY / token.hex
    eventually(traces.exists, "the script has made its directory, and waits for its input", seconds=10)
    for process in processes_with(token.hex):
        os.kill(process, signal.SIGKILL)
    cluster = Cluster(name="zeus", command_timeout=10)
    outcome = gateway.submit(Place(cluster, "plgalice", token, lease), "", "#!/bin/sh\n").outcome
    words = "nothing was submitted: the login node ended the submission with a signal"
    traces.rmdir()
    assert outcome == Rejected(-1, "", "", words)
    assert lease.connection.alive


def test_a_connection_on_which_a_submission_is_not_settled_in_time_is_used_no_more(
    zeus: Endpoint, sessions: Pool
) -> None:
    deaf = Script("while read -r word; do true; done")
    lease = sessions.started(zeus, "plgalice", deaf, uuid.uuid4(), timeout=10)
    Submission(Rejected(1, "", ""), lease, timeout=0.5).settle(lambda _new: None, wait=True)
    assert not lease.connection.usable
