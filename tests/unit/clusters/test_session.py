"""What a session counts, and what it says of an agent that does not begin, on connections of a test's own."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from clusters.calls.pool import Pool
from clusters.errors import NoRoom, Refused, Silent, TimedOut, Unreachable, Unresponsive
from clusters.remote import Request
from clusters.ssh import connecting, connection
from clusters.ssh.agent import AgentSettings
from clusters.ssh.endpoint import Endpoint
from clusters.ssh.session import Session
from clusters.ssh.shared_connection import Limits
from tests.unit.clusters.logins import KILLED, Channel, agent, printed

NODE = Endpoint("login.example.org", 22, (), channels=2)
HURRIED = replace(NODE, connect_timeout=0.3)  # for logins that say nothing: the time is waited for
NAME = Request("name")


@dataclass(eq=False)
class Connection:
    """A connection to a login node, each channel of which is as `channel` says."""

    channel: Callable[[], Channel]
    room: int = 10
    age: float = 0.0
    usable: bool = True
    closed: bool = False
    channels: list[Channel] = field(default_factory=list)

    def open_channel(self, timeout: float) -> Channel:
        assert timeout > 0
        if sum(not channel.closed for channel in self.channels) >= self.room:
            raise NoRoom("there are enough")
        self.channels.append(self.channel())
        return self.channels[-1]

    def retire(self) -> None:
        self.usable = False

    def close(self) -> None:
        self.closed, self.usable = True, False


@dataclass
class Login:
    """An account's login: its connections, one after the other."""

    channel: Callable[[], Channel] = lambda: Channel(printed(b"zeus"))
    room: int = 10
    connections: list[Connection] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    is_suspect = False

    def attempt(self, *_args: object) -> Any:
        return self

    def accepted(self) -> None: ...

    def broken_off(self) -> None: ...

    def refused(self, _message: str) -> None: ...

    def unfinished(self) -> None: ...

    def connect(self, *_args: object) -> Connection:
        self.during()
        self.connections.append(Connection(self.channel, self.room))
        return self.connections[-1]

    def session(self, monkeypatch: pytest.MonkeyPatch, lifetime: float = 240.0, node: Endpoint = NODE) -> Session:
        monkeypatch.setattr(connecting, "Connection", self.connect)
        return Session(node, "plgalice", Limits(lifetime=lifetime), self)


def ask(session: Session, setting: AgentSettings | None = None, timeout: float = 0.2) -> str:
    with session.agent(setting or AgentSettings(), timeout) as lent:
        return lent.ask(NAME, timeout=5).sections[0].text


def is_empty(session: Session) -> bool:
    """Whether nothing is counted that is not there."""
    return session._channels == session.standby and sum(session._connection._leases.values()) == session.standby


def endless(_marker: bytes) -> bytes:
    return b"y\n" * 4_000_000


NO_COMMAND = "the login of plgalice runs no command: "
BEGINNINGS: dict[str, tuple[Callable[[bytes], bytes], Endpoint, str]] = {
    "silent": (lambda _marker: b"", HURRIED, "no answer within"),
    "endless": (endless, NODE, "the login prints without end"),
    "noisy": (lambda _marker: b"Welcome", HURRIED, "no answer within"),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_where_no_agent_begins_nothing_was_asked_and_that_is_certain(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Malformed and TimedOut would say that a submission may have been made."""
    begins, node, why = BEGINNINGS[name]
    session = Login(lambda: Channel(printed(b""), begins)).session(monkeypatch, node=node)
    with pytest.raises(Unresponsive, match=NO_COMMAND + why):
        ask(session)
    assert is_empty(session)


@pytest.mark.parametrize(("status", "how"), [(7, "ended with 7"), (KILLED, "was ended by a signal")])
def test_a_login_shell_that_ends_is_refused(monkeypatch: pytest.MonkeyPatch, status: int, how: str) -> None:
    def ended() -> Channel:
        channel = Channel(printed(b""), lambda _marker: b"closed today")
        channel.exit_status = status
        channel.status_event.set()
        return channel

    session = Login(ended).session(monkeypatch)
    with pytest.raises(Refused, match=f"the account's shell {how} before it ran a command.*'closed today'"):
        ask(session)
    assert is_empty(session)


@pytest.mark.parametrize("error", [EOFError("lost"), OSError("lost")])
def test_a_channel_that_cannot_be_closed_counts_no_longer(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    login = Login()
    session = login.session(monkeypatch)
    for number in range(5):
        ask(session, AgentSettings(environment=(("N", str(number)),)))

    def broken(channel: Channel) -> None:
        channel.closed = True
        raise error

    monkeypatch.setattr(Channel, "close", broken)
    for number in range(5):
        ask(session, AgentSettings(environment=(("M", str(number)),)))
        with session.channel(0.2):
            pass
    session.drop_old()
    assert is_empty(session)


def test_a_caller_who_finds_every_channel_in_use_waits_no_longer_than_they_want_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Login().session(monkeypatch)
    refused = pytest.raises(Unreachable, match="were busy for 0 s")
    with (
        session.agent(AgentSettings(), 1),
        session.agent(AgentSettings(), 1),
        refused,
        session.agent(AgentSettings(), 3600, patience=0),
    ):
        pytest.fail("there are two")
    with session.agent(AgentSettings(), 1, patience=0):
        pass
    assert is_empty(session)


def test_a_request_that_cannot_be_framed_is_not_sent_and_costs_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch)
    ask(session)
    with pytest.raises(ValueError, match="field with blanks"), session.agent(AgentSettings(), 1) as lent:
        lent.ask(Request("name", ("a b",)), timeout=5)
    ask(session)
    assert len(login.connections[0].channels) == 1


def test_where_the_login_node_has_less_room_an_agent_that_waits_makes_some(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login(room=1)
    session = login.session(monkeypatch)
    ask(session, AgentSettings(environment=(("N", "1"),)))
    ask(session, AgentSettings(environment=(("N", "2"),)))
    assert session.standby == 1
    assert is_empty(session)
    with session.agent(AgentSettings(), 1), pytest.raises(NoRoom), session.channel(0.05):
        pytest.fail("there is room for one")
    assert is_empty(session)


def test_an_answer_is_not_kept_until_the_next_request() -> None:
    one = agent(Channel(printed(b"x" * 100_000)))
    assert len(one.ask(NAME, timeout=5, limit=1_000_000).sections[0].output) == 100_000
    assert one._answer._kept == b""


def test_renewal_is_wanted_once_for_each_worn_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch, lifetime=100)
    ask(session)
    assert not session.wants_renewal()
    login.connections[0].age = 80
    assert [session.wants_renewal() for _ in range(3)] == [True, False, False]
    session.renew(AgentSettings())
    assert (len(login.connections), session.wants_renewal()) == (2, False)
    assert session.standby == 2
    assert is_empty(session)
    login.connections[1].age = 80
    assert session.wants_renewal()


def test_a_renewal_that_fails_is_wanted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch, lifetime=100)
    ask(session)
    login.connections[0].age = 80
    assert session.wants_renewal()

    def fail() -> None:
        raise Unreachable("no route")

    login.during = fail
    with pytest.raises(Unreachable):
        session.renew(AgentSettings())
    assert session.wants_renewal()
    ask(session)


def test_callers_use_the_old_connection_while_a_new_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch, lifetime=100)
    ask(session)
    login.connections[0].age = 80
    answers: list[str] = []

    def ask_meanwhile() -> None:
        answers.append(ask(session))
        answers.append(ask(session, AgentSettings(environment=(("N", "1"),))))  # on a further channel

    login.during = ask_meanwhile
    session.renew(AgentSettings())
    assert answers == ["zeus", "zeus"]
    assert len(login.connections) == 2


def test_a_connection_is_closed_with_its_last_user_and_no_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch, lifetime=100)
    with session.agent(AgentSettings(), 1) as lent:
        old = login.connections[0]
        old.age = 101
        session.drop_old()
        ask(session, AgentSettings(environment=(("N", "1"),)))
        assert (len(login.connections), old.closed) == (2, False)
        lent.ask(NAME, timeout=5)
    assert old.closed
    assert not login.connections[1].closed
    assert is_empty(session)


def test_a_connection_that_fell_silent_is_used_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch)
    ask(session)
    login.connections[0].channels[0].prints = lambda _marker: (b"half", None)
    with pytest.raises(TimedOut):
        ask(session)
    assert ask(session) == "zeus"
    assert (len(login.connections), login.connections[0].closed) == (2, True)
    assert is_empty(session)


def test_a_session_that_was_closed_while_it_was_renewed_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    monkeypatch.setattr(connecting, "Connection", login.connect)
    pool = Pool(Limits(lifetime=100), login)
    with pool.agent(NODE, "plgalice", AgentSettings(), timeout=1) as lent:
        lent.ask(NAME, timeout=5)
    login.connections[0].age = 80
    login.during = pool.close
    [session] = pool._sessions.values()
    pool._renew((NODE, "plgalice"), session, AgentSettings())
    assert [connection.closed for connection in login.connections] == [True, True]
    assert is_empty(session)


@dataclass
class Transport:
    """An SSH transport to a login whose shell prints what `channel` does."""

    channel: Channel

    def open_session(self, timeout: float) -> Channel:
        assert timeout > 0
        return self.channel

    def is_active(self) -> bool:
        return True

    def close(self) -> None:
        self.channel.close()


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_login_that_comes_to_no_command_is_unresponsive(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    begins, node, why = BEGINNINGS[name]
    monkeypatch.setattr(connection, "_handshake", lambda _endpoint: Transport(Channel(printed(b""), begins)))
    monkeypatch.setattr(connection, "_check_host_key", lambda *_: None)
    monkeypatch.setattr(connection, "_log_in", lambda *_: None)
    with pytest.raises(Unresponsive, match=NO_COMMAND + why):
        connection.Connection(node, "plgalice")


@pytest.mark.parametrize("uid", [b"", b"1", b"100"])
def test_connection_lost_before_the_whole_uid_has_come_says_nothing_of_the_account(
    monkeypatch: pytest.MonkeyPatch, uid: bytes
) -> None:
    channel = Channel(printed(b""), lambda marker: marker + b"\n" + uid, lost=True)
    channel.status_event.set()
    monkeypatch.setattr(connection, "_handshake", lambda _endpoint: Transport(channel))
    monkeypatch.setattr(connection, "_check_host_key", lambda *_: None)
    monkeypatch.setattr(connection, "_log_in", lambda *_: None)
    with pytest.raises(Unresponsive, match="the connection was lost"):
        connection.Connection(NODE, "plgalice")


def test_a_connection_that_shows_no_life_is_used_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    session = login.session(monkeypatch)
    ask(session)
    with pytest.raises(Silent), session.agent(AgentSettings(), 1):
        raise Silent("nothing for 5 s")
    ask(session)
    assert (len(login.connections), login.connections[0].closed) == (2, True)


def test_agents_that_a_crowd_has_left_over_end_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Login(lambda: Channel(printed(b"ClusterName = zeus\n"))).session(monkeypatch)
    with session.agent(AgentSettings(), 1), session.agent(AgentSettings(), 1):
        pass
    assert session.standby == 2
    session.drop_old()
    assert session.standby == 2
    session._waiting[0].agent._last_used -= 61
    session.drop_old()
    assert session.standby == 1
    assert is_empty(session)
