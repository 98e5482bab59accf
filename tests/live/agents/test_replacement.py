"""When an agent or its connection is replaced by another one, and what the caller is told of the first."""

import os
import signal
from pathlib import Path

import pytest

from clusters import gateway
from clusters.calls import asking
from clusters.calls.pool import Pool
from clusters.errors import Malformed, TimedOut
from clusters.ssh import agent as agents
from clusters.ssh import stream as streams
from tests.harness.sandbox_env import eventually, processes_with
from tests.live.agents.login_node import (
    ACCOUNT,
    EveryLogin,
    Programs,
    Traffic,
    a_pool,
    agent_process,
    answered_by,
    ask,
    connections,
    zeus,
)

pytestmark = pytest.mark.spread


def test_requests_on_a_warm_session_open_no_channel_and_send_one_message_each(
    pool: Pool, programs: Programs, traffic: Traffic
) -> None:
    first = answered_by(pool, programs)
    traffic.forget()
    assert {answered_by(pool, programs) for _ in range(20)} == {first}
    assert (len(traffic.channels), traffic.messages) == (0, 20)


def test_an_agent_that_has_answered_often_is_replaced(
    pool: Pool, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "_MOST_REQUESTS", 3)
    markers = [answered_by(pool, programs) for _ in range(7)]
    assert [markers.count(marker) for marker in dict.fromkeys(markers)] == [3, 3, 1]
    eventually(lambda: not processes_with(markers[0]), "the first one has ended")


def test_a_connection_on_which_no_answer_came_in_time_is_used_no_more(pool: Pool, programs: Programs) -> None:
    first = answered_by(pool, programs)
    [silent] = connections(pool)
    programs.write("scontrol", "exec sleep 60")
    with pytest.raises(TimedOut, match=r"no answer within 0\.5 s"):
        ask(pool, programs.setting, timeout=0.5)
    programs.write("scontrol", "id -un")
    assert answered_by(pool, programs) != first
    assert silent not in connections(pool)
    assert not silent.alive, "nobody used it any more"


def test_a_question_on_a_connection_that_fell_silent_is_late_and_does_not_fail(
    pool: Pool, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_SILENCE_BEFORE_PROBE", 0.5)
    monkeypatch.setattr(streams, "_PROBE_TIMEOUT", 0.5)
    programs.write("scontrol", "echo ClusterName = zeus")
    cluster = programs.cluster(zeus())
    assert gateway.slurm_name(cluster, ACCOUNT) == "zeus"
    [silent] = connections(pool)
    [held] = [held for session in pool._sessions.values() for held in session._waiting]
    status = Path(f"/proc/{agent_process(held.agent.marker)}/stat").read_text()
    sshd = int(status.rpartition(")")[2].split()[1])
    os.kill(sshd, signal.SIGSTOP)
    try:
        assert gateway.slurm_name(cluster, ACCOUNT) == "zeus"
        assert silent not in connections(pool)
        assert not silent.usable
    finally:
        os.kill(sshd, signal.SIGCONT)


def test_a_time_out_tells_what_had_been_printed(pool: Pool, programs: Programs) -> None:
    programs.write("scontrol", "echo half an answer; exec sleep 60")
    with pytest.raises(TimedOut) as late:
        ask(pool, programs.setting, timeout=0.5)
    assert late.value.stdout == b"half an answer\n"


def test_an_agent_that_was_ended_while_it_waited_is_replaced(pool: Pool, programs: Programs) -> None:
    first = answered_by(pool, programs)
    os.kill(agent_process(first), signal.SIGKILL)
    eventually(lambda: not any(h.agent.usable for s in pool._sessions.values() for h in s._waiting), "it is seen")
    assert answered_by(pool, programs) != first


def test_an_agent_that_is_ended_at_work_says_so_and_leaves_the_connection_to_the_others(
    pool: Pool, programs: Programs
) -> None:
    first = answered_by(pool, programs)
    [connection] = connections(pool)
    programs.write("scontrol", "kill -KILL $PPID; sleep 1")
    marker, reply = ask(pool, programs.setting)
    assert (marker, reply.sections, reply.ended) == (first, [], "a signal")
    programs.write("scontrol", "id -un")
    assert answered_by(pool, programs) != first
    assert connections(pool) == {connection}


def test_an_agent_that_prints_what_nobody_has_asked_for_is_replaced(pool: Pool, programs: Programs) -> None:
    programs.write("scontrol", "id -un; (sleep 0.3; echo 'a word of its own') &")
    first = answered_by(pool, programs)
    programs.write("scontrol", "id -un")
    eventually(lambda: not any(h.agent.usable for s in pool._sessions.values() for h in s._waiting), "it is seen")
    assert answered_by(pool, programs) != first


def test_an_answer_without_end_is_malformed_and_another_agent_serves_the_next(pool: Pool, programs: Programs) -> None:
    first = answered_by(pool, programs)
    programs.write("scontrol", "exec yes")
    with pytest.raises(Malformed, match="without end"):
        ask(pool, programs.setting)
    programs.write("scontrol", "id -un")
    assert answered_by(pool, programs) != first


def test_a_connection_in_use_is_renewed_in_the_background(programs: Programs) -> None:
    logins = EveryLogin()
    with a_pool(logins, lifetime=8.0, idle=4.0) as pool:
        answered_by(pool, programs)
        [old] = connections(pool)
        eventually(lambda: answered_by(pool, programs) and len(logins.threads) == 2, "another login")
        eventually(lambda: connections(pool) - {old}, "an agent waits there")
        eventually(lambda: answered_by(pool, programs) and not old.alive, "the old one is closed")
        assert [name.startswith("ssh-pool") for name in logins.threads] == [False, True]
