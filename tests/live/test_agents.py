"""Agents on a real login node: what they cost, when one is replaced, and what is known of a request that broke off."""

import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusters import gateway, submitting
from clusters.calls import asking
from clusters.calls import pool as pools
from clusters.calls.pool import Pool
from clusters.errors import Busy, Interrupted, Malformed, TimedOut
from clusters.remote import DIRECTORY, Request
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.ssh import agent as agents
from clusters.ssh import metrics
from clusters.ssh import stream as streams
from clusters.ssh.agent import AgentSettings, Reply
from clusters.ssh.connection import Connection
from clusters.ssh.endpoint import Endpoint
from clusters.submitting import SubmissionSlot
from clusters.submitting.acknowledgement import (
    AcknowledgedBatch,
    Acknowledgement,
    _in_background,
    _Together,
    clear_batch,
    describe_batch,
)
from tests.live.ground import eventually, processes_with
from tests.live.logins import (
    ACCOUNT,
    NAME,
    EveryLogin,
    Programs,
    Traffic,
    a_pool,
    counted,
    some_programs,
    zeus,
)

LONG = 20.0  # seconds
JOB = "42"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """The connections of this process."""
    with a_pool() as one:
        monkeypatch.setattr(pools, "current", lambda: one)
        yield one


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Programs in SLURM's place."""
    with some_programs() as some:
        yield some


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """What is opened and sent."""
    return counted(monkeypatch)


def ask(
    pool: Pool, setting: AgentSettings, request: Request = NAME, *, timeout: float = LONG, at: Endpoint | None = None,
    account: str = ACCOUNT,
) -> tuple[str, Reply]:  # fmt: skip
    """Return the answer to a request, and the marker of the agent that gave it."""
    with pool.agent(at or zeus(), account, setting, timeout=LONG) as lent:
        return lent.marker, lent.ask(request, timeout=timeout)


def answered_by(pool: Pool, programs: Programs) -> str:
    """Return the marker of an agent that answers as it should."""
    marker, reply = ask(pool, programs.setting)
    assert ([section.text for section in reply.sections], reply.ended) == ([f"{ACCOUNT}\n"], "")
    return marker


def agent_process(marker: str) -> int:
    """Return the process of the agent with this marker."""
    [process] = processes_with(marker)
    return process


def connections(pool: Pool) -> set[Connection]:
    return {held.connection for session in pool._sessions.values() for held in session._waiting}


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
    eventually(lambda: not processes_with(markers[0]), "the first one has ended", seconds=10)


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


def test_a_connection_in_use_is_renewed_in_the_background(programs: Programs) -> None:
    logins = EveryLogin()
    with a_pool(logins, lifetime=8.0, idle=4.0) as pool:
        answered_by(pool, programs)
        [old] = connections(pool)
        eventually(lambda: answered_by(pool, programs) and len(logins.threads) == 2, "another login", seconds=30)
        eventually(lambda: connections(pool) - {old}, "an agent waits there", seconds=10)
        eventually(lambda: answered_by(pool, programs) and not old.alive, "the old one is closed", seconds=30)
        assert [name.startswith("ssh-pool") for name in logins.threads] == [False, True]


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


def _nobody(_told: object) -> None:
    """Be told what became of submissions."""


@pytest.fixture
def place(programs: Programs) -> Iterator[SubmissionSlot]:
    """A place for a submission, whose traces are removed."""
    place = SubmissionSlot(programs.cluster(zeus()), ACCOUNT, uuid.uuid4())
    yield place
    clear_batch(AcknowledgedBatch([Acknowledgement(place, None)], _nobody))


def in_the_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Begin `work`; the list has what it returns, or raises, once the thread has ended."""
    ends: list[object] = []

    def run() -> None:
        try:
            ends.append(work())
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            ends.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ends


def test_a_submission_whose_agent_is_killed_before_anything_began_has_submitted_nothing(
    pool: Pool, programs: Programs, place: SubmissionSlot
) -> None:
    programs.write("sbatch", f"echo {JOB}")
    process = agent_process(answered_by(pool, programs))
    os.kill(process, signal.SIGSTOP)
    thread, ends = in_the_background(lambda: submitting.submit(place, "", "#!/bin/sh\n"))
    eventually(lambda: pool.stats().callers == 1 and pool.stats().standby == 0, "it was sent")
    time.sleep(0.2)
    os.kill(process, signal.SIGKILL)
    thread.join(LONG)
    words = "nothing was submitted: the login node ended the submission with a signal"
    assert ends == [submitting.SubmissionAnswer(Rejected(-1, "", "", words))]
    assert programs.runs("sbatch") == []


def test_a_submission_whose_agent_is_killed_once_sbatch_runs_is_open(
    pool: Pool, programs: Programs, place: SubmissionSlot
) -> None:
    programs.write("sbatch", f"echo {JOB}; exec sleep 2")
    marker = answered_by(pool, programs)
    thread, ends = in_the_background(lambda: submitting.submit(place, "", "#!/bin/sh\n"))
    eventually(lambda: programs.runs("sbatch"), "sbatch runs")
    for process in processes_with(marker):
        os.kill(process, signal.SIGKILL)
    thread.join(LONG)
    assert [type(end) for end in ends] == [Interrupted]


@pytest.mark.usefixtures("pool")
def test_a_submission_whose_time_is_over_tells_what_sbatch_has_printed(
    programs: Programs, place: SubmissionSlot
) -> None:
    programs.write("sbatch", "echo contacting the controller; trap '' TERM; sleep 8 & wait; wait")
    place.cluster.command_timeout = 3
    with pytest.raises(TimedOut, match="no answer within 3 s") as late:
        submitting.submit(place, "", "#!/bin/sh\n")
    assert late.value.stdout == b"contacting the controller\n"


@pytest.mark.usefixtures("pool")
def test_submissions_that_take_long_in_all_channels_do_not_wait_for_each_other(programs: Programs) -> None:
    programs.write("sbatch", f"sleep 1.5; echo {JOB}")
    cluster = programs.cluster(zeus(channels=2))
    cluster.command_timeout = 3 * int(LONG)
    places = [SubmissionSlot(cluster, ACCOUNT, uuid.uuid4()) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        made = [threads.submit(submitting.submit, place, "", "#!/bin/sh\n") for place in places]
        assert [future.result(LONG).outcome for future in made] == [Accepted(int(JOB))] * 2
    clear_batch(AcknowledgedBatch([Acknowledgement(place, None) for place in places], _nobody))


def test_acknowledging_many_submissions_is_two_requests_and_prepares_the_next_ones(
    pool: Pool, programs: Programs, traffic: Traffic
) -> None:
    cluster = programs.cluster(zeus())
    answered_by(pool, programs)
    traffic.forget()
    told: queue.Queue[object] = queue.Queue()
    acknowledged = [
        Acknowledgement(SubmissionSlot(cluster, ACCOUNT, uuid.uuid4()), Accepted(number)) for number in range(1, 21)
    ]
    together = _Together(cluster.pk, ACCOUNT, told.put)
    _in_background(describe_batch, together, acknowledged)
    told.get(timeout=LONG)
    assert (traffic.messages, len(programs.runs("scontrol"))) == (1, 2)
    _in_background(clear_batch, together, acknowledged)
    told.get(timeout=LONG)
    assert (told.empty(), traffic.messages) == (True, 2)
    tokens = [pool.token(cluster.endpoint, ACCOUNT) for _ in acknowledged]
    prepared = [Path("/home", ACCOUNT, DIRECTORY, token.hex) for token in tokens]
    eventually(lambda: all(path.is_dir() for path in prepared), "they are made, after the answer", seconds=10)
    unused = [Acknowledgement(SubmissionSlot(cluster, ACCOUNT, token), None) for token in tokens]
    clear_batch(AcknowledgedBatch(unused, _nobody))
    eventually(lambda: not any(path.exists() for path in prepared), "they are removed", seconds=10)


@pytest.mark.usefixtures("pool")
def test_cancels_of_many_callers_at_once_start_few_scancels(programs: Programs) -> None:
    programs.write("scancel", "sleep 0.5")
    programs.write("squeue", "exit 0")
    programs.write("sacct", "exit 0")
    cluster = programs.cluster(zeus())
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda job: gateway.cancel(cluster, ACCOUNT, job, 60), range(1, 9)))
    assert [(each.records, each.complaint) for each in told] == [([], "")] * 8
    runs = programs.runs("scancel")
    assert sorted(int(job) for run in runs for job in run.split()[1:]) == list(range(1, 9))
    assert len(runs) <= 4


def test_callers_who_share_requests_are_bounded_as_all_others(pool: Pool, programs: Programs) -> None:
    """Else whoever waits for their turn on a slow cluster would take every thread of the service."""
    programs.write("scancel", f"until [ -e {programs.directory}/go ]; do sleep 0.05; done")
    programs.write("squeue", "exit 0")
    programs.write("sacct", "exit 0")
    cluster = programs.cluster(zeus(callers_per_account=2))
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(gateway.cancel, cluster, ACCOUNT, job, 60) for job in (1, 2)]
        eventually(lambda: pool.stats().callers == 2, "both are counted", seconds=10)
        for ask_for in (gateway.cancel, gateway.inspect):
            with pytest.raises(Busy, match="under way already"):
                ask_for(cluster, ACCOUNT, 3, 60)
        (programs.directory / "go").touch()
        assert [future.result(LONG).records for future in waiting] == [[], []]
    assert pool.stats().callers == 0
