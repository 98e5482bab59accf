"""Accounts whose logins are refused ask again and again: sshd goes on letting the others in (PerSourcePenalties)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from clusters.errors import Refused, Unreachable
from clusters.ssh.connection import Connection
from tests.live.penalties.accounts import CROWD, EXPIRED, NEWCOMER, REGULARS, SLEEPERS, STRANGER, WELCOME, Account
from tests.live.penalties.asking import LET_IN, PAUSE, Answers, ask_anew, asked
from tests.live.penalties.node import Node, running

# The service's processes share what they know of logins, in the database of these tests. The nodes share their root
# directory, and so who may log in.
pytestmark = [pytest.mark.apart, pytest.mark.xdist_group("penalties"), pytest.mark.django_db(transaction=True)]

_LOGINS = 15  # of the account that is let in, a new connection each
_REFUSED = {Refused.__name__, "BrokenOff"}


@dataclass(frozen=True)
class Attack:
    """Who asks, in how many processes, which kinds of answers are right, and how often a newcomer may have to ask."""

    accounts: Sequence[Account]
    processes: int
    right: set[str]
    patience: int


@dataclass(frozen=True)
class Siege:
    """What came of it: answers to who is let in and to who is new in the midst of it, wrong ones to the refused."""

    welcome: list[str]
    newcomer: list[str]
    wrong: Answers
    failed_logins: int
    penalties_in_force: list[str]


_ATTACKS = {
    "two accounts, one process": Attack([EXPIRED, STRANGER], 1, _REFUSED, 1),
    "two accounts, three processes": Attack([EXPIRED, STRANGER], 3, _REFUSED, 1),
    # So many cannot all be tried within the time: who has not been is told that the node is busy.
    "five accounts, three processes": Attack(CROWD, 3, _REFUSED | {"Busy"}, 6),
}


@pytest.fixture(scope="module", params=list(_ATTACKS))
def siege(
    request: pytest.FixtureRequest,
    debian_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> Siege:
    """Have refused accounts ask once a second while another one logs in anew once a second."""
    with django_db_blocker.unblock(), running(debian_root, tmp_path_factory.mktemp("node")) as node:
        return besiege(node, _ATTACKS[request.param])


def besiege(node: Node, attack: Attack) -> Siege:
    """Have the attack go on for as long as the others log in."""
    welcome, newcomer = [ask_anew(node.endpoint, WELCOME.name)], list[str]()
    with asked(node.endpoint, [one.name for one in attack.accounts], attack.processes, node.ca) as answers:
        for number in range(_LOGINS):
            welcome.append(ask_anew(node.endpoint, WELCOME.name))
            if number >= _LOGINS // 2 and LET_IN not in newcomer:
                newcomer.append(ask_anew(node.endpoint, NEWCOMER.name))
            time.sleep(PAUSE)
    wrong = {account: [kind for kind in kinds if kind not in attack.right] for account, kinds in answers.items()}
    return Siege(welcome, newcomer[: attack.patience], wrong, node.failed_logins, node.penalties_in_force)


def test_sshd_drops_an_address_after_four_failed_logins(node: Node) -> None:
    for _ in range(4):
        with pytest.raises(Refused):
            Connection(node.endpoint, STRANGER.name)
        node.settle()
    with pytest.raises(Unreachable):
        Connection(node.endpoint, WELCOME.name)
    assert [line for line in node.penalties_in_force if "penalty: failed authentication" in line]


def test_others_log_in_all_the_while(siege: Siege) -> None:
    assert siege.welcome == [LET_IN] * (1 + _LOGINS)


def test_an_account_that_is_new_to_the_node_is_let_in_as_well(siege: Siege) -> None:
    assert LET_IN in siege.newcomer


def test_sshd_forgives_the_logins_that_fail(siege: Siege) -> None:
    assert siege.failed_logins > 0
    assert siege.penalties_in_force == []


def test_refused_accounts_are_told_so_every_time(siege: Siege) -> None:
    assert {account: kinds for account, kinds in siege.wrong.items() if kinds} == {}


def test_sshd_forgives_the_logins_of_regular_users_that_fail_while_the_node_is_closed(node: Node) -> None:
    names = [one.name for one in REGULARS]
    assert [ask_anew(node.endpoint, name) for name in names] == [LET_IN] * len(names)
    with node.closed("Down for maintenance.\n"), asked(node.endpoint, names, 3, node.ca) as answers:
        for _ in range(5):
            time.sleep(PAUSE)
    assert LET_IN not in {kind for kinds in answers.values() for kind in kinds}
    assert node.penalties_in_force == []


def test_accounts_whose_shells_sleep_keep_no_newcomer_out(node: Node) -> None:
    slow, hurried = (replace(node.endpoint, connect_timeout=seconds) for seconds in (5.0, 2.0))
    with asked(slow, [one.name for one in SLEEPERS], 3, node.ca) as answers:
        node.await_logins(2)
        newcomers = [ask_anew(hurried, one.name) for one in REGULARS]
    assert newcomers == [LET_IN] * len(REGULARS)
    assert LET_IN not in {kind for kinds in answers.values() for kind in kinds}
