"""Agents and files share the channels of a connection: who comes first, and how many there are."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clusters.calls.pool import Pool
from clusters.errors import Busy
from clusters.remote import Request
from clusters.ssh import agent as agents
from clusters.ssh import metrics
from clusters.ssh.agent import AgentSettings
from tests.harness.sandbox_env import eventually
from tests.live.agents.login_node import (
    ACCOUNT,
    LONG,
    NAME,
    Programs,
    Traffic,
    a_pool,
    ask,
    zeus,
)

pytestmark = pytest.mark.spread


def test_an_account_is_served_by_its_own_agents(pool: Pool, programs: Programs) -> None:
    with ThreadPoolExecutor(8) as threads:
        accounts = ["plgalice", "plgbob"] * 20
        told = list(threads.map(lambda account: ask(pool, programs.setting, account=account)[1], accounts))
    assert [reply.sections[0].text.strip() for reply in told] == accounts


def test_agents_of_two_settings_are_not_mixed_and_make_room_for_each_other(pool: Pool, programs: Programs) -> None:
    programs.write("scontrol", 'echo "$JS_COLOUR"')
    node = zeus(channels=2)
    settings = [AgentSettings(str(programs.directory), (("JS_COLOUR", colour),)) for colour in ("red", "green", "blue")]
    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(lambda number: ask(pool, settings[number % 3], at=node)[1], range(30)))
    assert [reply.sections[0].text for reply in told] == ["red\n", "green\n", "blue\n"] * 10


def test_agents_that_wait_make_room_for_a_file_transfer_and_the_other_way_round(pool: Pool, programs: Programs) -> None:
    node = zeus(channels=2)
    with pool.agent(node, ACCOUNT, programs.setting, timeout=LONG) as lent:
        ask(pool, programs.setting, at=node)
        assert pool.stats().standby == 1
        with pool.channel(node, ACCOUNT, timeout=LONG):
            assert pool.stats().standby == 0
            with pytest.raises(Busy), pool.channel(node, ACCOUNT, timeout=0.05):
                pytest.fail("there are no more than two")
        lent.ask(NAME, timeout=LONG)
    with pool.channel(node, ACCOUNT, timeout=LONG):
        ask(pool, programs.setting, at=node)


def test_who_waits_gets_the_first_channel_that_is_free_agent_or_not(pool: Pool, programs: Programs) -> None:
    node = zeus(channels=1)
    with ThreadPoolExecutor(12) as threads:

        def use(number: int) -> str:
            if number % 2:
                with pool.channel(node, ACCOUNT, timeout=60):
                    return "channel"
            return ask(pool, programs.setting, at=node)[1].ended

        assert list(threads.map(use, range(24))) == ["", "channel"] * 12


def test_there_are_never_more_channels_than_an_endpoint_has(
    pool: Pool, programs: Programs, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "_MOST_REQUESTS", 2)
    node = zeus(channels=3)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: ask(pool, programs.setting, at=node), range(60)))
    assert traffic.most_open <= 3
    [session] = pool._sessions.values()
    assert session._channels == session.standby <= 3


def test_where_sshd_has_less_room_than_the_endpoint_everybody_is_served(pool: Pool, programs: Programs) -> None:
    node = zeus(channels=16)  # sshd takes ten
    programs.write("scontrol", "sleep 0.2; id -un")
    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(lambda _: ask(pool, programs.setting, at=node)[1], range(32)))
    assert {reply.sections[0].text for reply in told} == {f"{ACCOUNT}\n"}


def test_callers_beyond_the_bounds_are_turned_away_at_once(pool: Pool, programs: Programs) -> None:
    node = zeus(channels=1, callers_per_account=2, callers=3)
    with ThreadPoolExecutor(1) as threads:
        with pool.agent(node, ACCOUNT, programs.setting, timeout=LONG):
            waiting = threads.submit(ask, pool, programs.setting, at=node)
            eventually(lambda: pool.stats().callers == 2, "it waits")
            with pytest.raises(Busy, match="under way already"):
                ask(pool, programs.setting, at=node)
            with pool.agent(node, "plgbob", programs.setting, timeout=LONG), pytest.raises(Busy, match="under way"):
                ask(pool, programs.setting, at=node, account="plgbob")
        assert waiting.result(LONG)[1].ended == ""
    assert pool.stats().callers == 0


def test_the_gauges_say_what_the_pool_holds(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    def standby() -> float:
        return float(metrics.STANDBY._value.get())

    before = standby()
    monkeypatch.setattr(agents, "_MOST_REQUESTS", 5)
    node = zeus(channels=4)
    with a_pool() as pool, ThreadPoolExecutor(8) as threads:

        def use(number: int) -> None:
            if number % 7 == 0:
                with pool.channel(node, ACCOUNT, timeout=60):
                    return
            ask(pool, programs.setting, Request("nothing" if number % 11 == 0 else "name"), at=node)

        list(threads.map(use, range(80)))
        assert standby() - before == pool.stats().standby > 0
    assert standby() == before
