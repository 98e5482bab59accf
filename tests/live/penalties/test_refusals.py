"""An account that the login node does not let in is refused, with the login node's reason, and is no outage."""

import re

import pytest

from clusters.calls.pool import Pool
from clusters.errors import Refused
from tests.live.penalties.accounts import BARRED, DENIED, EXPIRED, OUTDATED, STRANGER, TWO_FACTORS, WELCOME, Account
from tests.live.penalties.asking import LET_IN, ask, ask_anew
from tests.live.penalties.node import Node

# The service's processes share what they know of logins, in the database of these tests. The nodes share their root
# directory, and so who may log in.
pytestmark = [pytest.mark.apart, pytest.mark.xdist_group("penalties"), pytest.mark.django_db(transaction=True)]


def refusal(pool: Pool, node: Node, account: Account) -> str:
    """Return the message with which `account` is refused. Fails where it is let in, or not reached."""
    with pytest.raises(Refused) as caught, pool.channel(node.endpoint, account.name, timeout=10):
        pass
    return str(caught.value)


def test_a_login_is_let_in_where_nothing_speaks_against_the_account(node: Node, pool: Pool) -> None:
    assert ask(pool, node.endpoint, WELCOME.name) == LET_IN
    assert node.failed_logins == 0


def test_an_account_that_pam_refuses_is_refused_in_pam_s_words(node: Node, pool: Pool) -> None:
    assert "Your account has expired; please contact your system administrator." in refusal(pool, node, EXPIRED)


def test_an_account_that_pam_refuses_without_a_word_is_refused(node: Node, pool: Pool) -> None:
    assert BARRED.name in refusal(pool, node, BARRED)


def test_an_account_that_has_to_change_its_password_first_is_refused_in_the_node_s_words(
    node: Node, pool: Pool
) -> None:
    assert "Your password has expired" in refusal(pool, node, OUTDATED)


def test_a_node_that_is_closed_to_users_refuses_everybody_with_its_message_on_one_line(node: Node, pool: Pool) -> None:
    with node.closed("Down for maintenance\nuntil noon.\n"):
        message = refusal(pool, node, WELCOME)
    assert re.search(r"Down for maintenance\s+until noon\.", message)
    assert len(message.splitlines()) == 1


def test_an_account_that_needs_a_second_factor_is_refused(node: Node, pool: Pool) -> None:
    assert TWO_FACTORS.name in refusal(pool, node, TWO_FACTORS)


@pytest.mark.parametrize("account", [STRANGER, DENIED], ids=lambda account: account.name)
def test_an_account_that_sshd_refuses_is_refused(node: Node, pool: Pool, account: Account) -> None:
    assert account.name in refusal(pool, node, account)


@pytest.mark.parametrize("account", [EXPIRED, STRANGER], ids=lambda account: account.name)
def test_a_refused_account_stays_refused_however_often_and_by_whatever_process_it_asks(
    node: Node, account: Account
) -> None:
    answers = set()
    for _ in range(8):
        answers.add(ask_anew(node.endpoint, account.name))
        node.settle()
    assert answers <= {"Refused", "BrokenOff"}
