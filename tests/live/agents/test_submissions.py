"""Submissions and cancels by agents: what is known of one that broke off, and how many share a request."""

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
from clusters.calls.pool import Pool
from clusters.errors import Busy, Interrupted, TimedOut
from clusters.remote import DIRECTORY
from clusters.slurm.sbatch import Accepted, Rejected
from clusters.submitting import SubmissionSlot
from clusters.submitting.acknowledgement import (
    AcknowledgedBatch,
    Acknowledgement,
    _in_background,
    _Together,
    clear_batch,
    describe_batch,
)
from tests.harness.sandbox_env import eventually, processes_with
from tests.live.agents.login_node import (
    ACCOUNT,
    LONG,
    Programs,
    Traffic,
    agent_process,
    answered_by,
    zeus,
)

pytestmark = pytest.mark.spread

JOB = "42"


def _nobody(_told: object) -> None:
    """Be told what became of submissions."""


@pytest.fixture
def slot(programs: Programs) -> Iterator[SubmissionSlot]:
    """A slot for a submission, whose traces are removed."""
    slot = SubmissionSlot(programs.cluster(zeus()), ACCOUNT, uuid.uuid4())
    yield slot
    clear_batch(AcknowledgedBatch([Acknowledgement(slot, None)], _nobody))


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
    pool: Pool, programs: Programs, slot: SubmissionSlot
) -> None:
    programs.write("sbatch", f"echo {JOB}")
    process = agent_process(answered_by(pool, programs))
    os.kill(process, signal.SIGSTOP)
    thread, ends = in_the_background(lambda: submitting.submit(slot, "", "#!/bin/sh\n"))
    eventually(lambda: pool.stats().callers == 1 and pool.stats().standby == 0, "it was sent")
    time.sleep(0.2)
    os.kill(process, signal.SIGKILL)
    thread.join(LONG)
    words = "nothing was submitted: the login node ended the submission with a signal"
    assert ends == [submitting.SubmissionAnswer(Rejected(-1, "", "", words))]
    assert programs.runs("sbatch") == []


def test_a_submission_whose_agent_is_killed_once_sbatch_runs_is_open(
    pool: Pool, programs: Programs, slot: SubmissionSlot
) -> None:
    programs.write("sbatch", f"echo {JOB}; exec sleep 2")
    marker = answered_by(pool, programs)
    thread, ends = in_the_background(lambda: submitting.submit(slot, "", "#!/bin/sh\n"))
    eventually(lambda: programs.runs("sbatch"), "sbatch runs")
    for process in processes_with(marker):
        os.kill(process, signal.SIGKILL)
    thread.join(LONG)
    assert [type(end) for end in ends] == [Interrupted]


@pytest.mark.usefixtures("pool")
def test_a_submission_whose_time_is_over_tells_what_sbatch_has_printed(
    programs: Programs, slot: SubmissionSlot
) -> None:
    programs.write("sbatch", "echo contacting the controller; trap '' TERM; sleep 8 & wait; wait")
    slot.cluster.command_timeout = 3
    with pytest.raises(TimedOut, match="no answer within 3 s") as late:
        submitting.submit(slot, "", "#!/bin/sh\n")
    assert late.value.stdout == b"contacting the controller\n"


@pytest.mark.usefixtures("pool")
def test_submissions_that_take_long_in_all_channels_do_not_wait_for_each_other(programs: Programs) -> None:
    programs.write("sbatch", f"sleep 1.5; echo {JOB}")
    cluster = programs.cluster(zeus(channels=2))
    cluster.command_timeout = 3 * int(LONG)
    slots = [SubmissionSlot(cluster, ACCOUNT, uuid.uuid4()) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        made = [threads.submit(submitting.submit, slot, "", "#!/bin/sh\n") for slot in slots]
        assert [future.result(LONG).outcome for future in made] == [Accepted(int(JOB))] * 2
    clear_batch(AcknowledgedBatch([Acknowledgement(slot, None) for slot in slots], _nobody))


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
    eventually(lambda: all(path.is_dir() for path in prepared), "they are made, after the answer")
    unused = [Acknowledgement(SubmissionSlot(cluster, ACCOUNT, token), None) for token in tokens]
    clear_batch(AcknowledgedBatch(unused, _nobody))
    eventually(lambda: not any(path.exists() for path in prepared), "they are removed")


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
        eventually(lambda: pool.stats().callers == 2, "both are counted")
        for ask_for in (gateway.cancel, gateway.inspect):
            with pytest.raises(Busy, match="under way already"):
                ask_for(cluster, ACCOUNT, 3, 60)
        (programs.directory / "go").touch()
        assert [future.result(LONG).records for future in waiting] == [[], []]
    assert pool.stats().callers == 0
