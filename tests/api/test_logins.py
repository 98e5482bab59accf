"""Which logins are tried: the budget of each login node, and what all processes remember of an account."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.utils import timezone

from clusters.calls import login_limits
from clusters.calls.login_limits import SharedAttempt, SharedLogins
from clusters.errors import BrokenOff, Busy, Refused, Unreachable
from clusters.models import Login, LoginNode
from clusters.ssh import connecting
from clusters.ssh.endpoint import Endpoint

pytestmark = pytest.mark.django_db

NODE = Endpoint("login.test", 22, ("ssh-ed25519 AAAA",))


def attempt(account: str = "plgalice", patience: float = 0.0) -> SharedAttempt:
    return SharedLogins().attempt(NODE, account, patience)


def outstanding() -> float:
    """Return the seconds that the login node still holds against the service."""
    left = (LoginNode.objects.get().penalty_until - timezone.now()).total_seconds()
    return max(0.0, left)


def pass_time(seconds: float) -> None:
    back = timedelta(seconds=seconds)
    LoginNode.objects.update(penalty_until=F("penalty_until") - back)
    Login.objects.update(refused_until=F("refused_until") - back)


def test_a_login_that_is_accepted_costs_nothing_in_the_end() -> None:
    for number in range(20):
        attempt(f"plg{number}").accepted()
    assert outstanding() == 0


def test_at_most_two_logins_of_unknown_accounts_are_open_at_once() -> None:
    first, second = attempt("plg1"), attempt("plg2")
    with pytest.raises(Busy):
        attempt("plg3", patience=0.01)
    first.accepted()
    attempt("plg3", patience=0.01).accepted()
    second.unfinished()
    assert outstanding() == 0


def test_an_account_that_was_let_in_may_use_the_room_that_unknown_ones_leave() -> None:
    for account in ("plgalice", "plgbob"):
        attempt(account).accepted()
    for account in ("plg1", "plg2"):
        attempt(account)
    attempt("plgalice")
    with pytest.raises(Busy):
        attempt("plgbob", patience=0.01)


def test_an_unknown_account_is_tried_by_one_process_at_a_time() -> None:
    first = attempt()
    with pytest.raises(Busy):
        attempt(patience=0.01)
    assert 4 < outstanding() <= 5
    first.unfinished()
    attempt(patience=0.01)


def test_an_attempt_of_a_process_that_died_keeps_the_account_from_no_other_for_long() -> None:
    attempt()
    Login.objects.update(tried_until=timezone.now() - timedelta(seconds=1))
    attempt(patience=0.01)


@pytest.mark.parametrize("known", [True, False])
def test_a_refused_login_counts_five_seconds_whether_the_account_was_known_or_not(known: bool) -> None:
    if known:
        attempt().accepted()
    attempt().refused("not let in")
    assert 4 < outstanding() <= 5


def test_an_account_that_the_service_itself_does_not_use_costs_the_login_node_nothing() -> None:
    let_in = attempt()
    let_in.accepted()
    let_in.refused("plgalice is a system account")
    assert outstanding() == 0
    with pytest.raises(Refused, match="system account"):
        attempt()


def test_who_waits_for_room_hears_of_a_refusal_that_comes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    first = attempt()
    monkeypatch.setattr(login_limits.time, "sleep", lambda _seconds: first.refused("expired"))  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="expired"):
        attempt(patience=10)


def test_a_refusal_is_remembered_by_every_process_for_longer_each_time() -> None:
    pauses = []
    for _ in range(6):
        attempt().refused("your account has expired")
        login = Login.objects.get()
        assert login.refused_until
        pauses.append(round((login.refused_until - timezone.now()).total_seconds()))
        with pytest.raises(Refused, match="your account has expired"):
            SharedLogins().attempt(NODE, "plgalice", 10)
        pass_time(1000)
    assert pauses == [10, 20, 40, 80, 120, 120]


def test_a_refused_account_is_told_so_while_there_is_no_room_to_try_it_again() -> None:
    attempt().refused("your account has expired")
    pass_time(11)
    attempt("plgbob").refused("no such principal")
    with pytest.raises(Refused, match="your account has expired"):
        attempt()
    pass_time(5)
    assert attempt().is_suspect


def test_an_accepted_login_ends_what_was_held_against_the_account() -> None:
    attempt().refused("expired")
    pass_time(11)
    attempt().accepted()
    assert not attempt().is_suspect
    assert Login.objects.get().refusals == 0


def test_forget_has_the_next_call_try_again_for_whoever_was_refused() -> None:
    attempt().refused("expired")
    login_limits.forget_refusals(NODE, "plgalice")
    attempt().accepted()


def test_one_login_node_s_penalty_is_no_other_s() -> None:
    attempt().refused("expired")
    other = Endpoint("login.test", 2222, NODE.host_keys)
    SharedLogins().attempt(other, "plgalice", 0).accepted()
    assert LoginNode.objects.count() == 2


def test_without_the_database_logins_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("the database restarts")

    monkeypatch.setattr(connection, "cursor", away)
    attempt().accepted()
    attempt().refused("expired")


@pytest.fixture
def logs_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Have logins come to these ends, one after the other; the list holds the accounts that have tried."""

    def come_to(*ends: Exception | None) -> list[str]:
        tried: list[str] = []
        left = list(ends)

        def connect(_endpoint: Endpoint, account: str, accepted: Callable[[], None]) -> object:
            tried.append(account)
            end = left.pop(0)
            if end:
                raise end
            accepted()
            return object()

        monkeypatch.setattr(connecting, "Connection", connect)
        return tried

    return come_to


def connect() -> object:
    return connecting.connect(NODE, "plgalice", SharedLogins())


def broken_off(reason: str = "") -> BrokenOff:
    return BrokenOff(f"broke off: {reason}", explained=bool(reason))


def test_a_login_that_is_broken_off_without_a_word_is_tried_once_more(logs_in: Callable[..., list[str]]) -> None:
    tried = logs_in(broken_off(), None)
    connect()
    assert len(tried) == 2
    assert 4 < outstanding() <= 5, "the first one counts"
    assert Login.objects.get().refusals == 0


def test_a_login_that_is_broken_off_twice_is_refused(logs_in: Callable[..., list[str]]) -> None:
    tried = logs_in(broken_off(), broken_off())
    for _call in range(3):
        with pytest.raises(Refused):
            connect()
    assert len(tried) == 2
    assert Login.objects.get().refusals == 1


def test_a_login_that_is_broken_off_with_a_reason_is_refused_with_it(logs_in: Callable[..., list[str]]) -> None:
    tried = logs_in(broken_off("Your account has expired"))
    for _call in range(3):
        with pytest.raises(Refused, match="Your account has expired"):
            connect()
    assert len(tried) == 1


def test_a_login_node_out_of_reach_says_nothing_of_an_account(logs_in: Callable[..., list[str]]) -> None:
    tried = logs_in(*[Unreachable("no route")] * 3)
    for _call in range(3):
        with pytest.raises(Unreachable):
            connect()
    assert (len(tried), outstanding(), Login.objects.get().refusals) == (3, 0, 0)
