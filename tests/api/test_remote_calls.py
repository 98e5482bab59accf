"""Whoever waits for a cluster holds no database connection, in any verb of a cluster, request or task."""

import inspect
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from clusters import gateway, job_requests, submitting
from clusters.calls import pool
from clusters.calls.counted import call
from clusters.errors import TimedOut
from clusters.gateway import PollSession
from clusters.models import Cluster
from clusters.slurm.sbatch import Accepted
from clusters.ssh import connection as ssh
from clusters.ssh.output_files import Named, Wanted
from clusters.submitting import SubmissionSlot
from jobs import bulk_operations, tasks
from jobs.models import BulkAction, Job
from tests.api.conftest import Cast
from tests.api.gateway import FakeGateway
from tests.api.test_end import record
from tests.api.test_polling import registered

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/sh\n"}
SILENT = {"acquire_slot", "acknowledge"}  # they ask nobody, or in the background


def holds_a_connection() -> bool:
    """Whether this thread has taken a database connection and not given it back."""
    return connection.connection is not None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a connection was held, for each time that the way to a login node was taken; nobody answers there."""
    held: list[bool] = []

    def silent(*_args: Any, **_options: Any) -> Any:
        held.append(holds_a_connection())
        raise TimedOut("no answer")

    @contextmanager
    def lend(*args: Any, **options: Any) -> Iterator[Any]:
        yield silent(*args, **options)

    monkeypatch.setattr(pool.Pool, "agent", lend)
    monkeypatch.setattr(pool.Pool, "channel", lend)
    monkeypatch.setattr(ssh, "greet", silent)
    return held


def verbs() -> dict[str, Callable[..., Any]]:
    """Return the public functions of the gateway, and of what submits."""
    doors = (gateway.__name__, job_requests.__name__, submitting.__name__)
    found = [*inspect.getmembers(gateway, inspect.isfunction), *inspect.getmembers(submitting, inspect.isfunction)]
    return {name: verb for name, verb in found if verb.__module__.startswith(doors) and not name.startswith("_")}


ARGUMENTS: dict[str, Callable[[Cluster], tuple[Any, ...]]] = {
    "submit": lambda zeus: (SubmissionSlot(zeus, "plgalice", uuid.uuid4()), "", "#!/bin/sh\n"),
    "find_lost_submissions": lambda zeus: (zeus, "plgalice", ["a" * 32], 60),
    "describe": lambda zeus: (zeus, "plgalice", 7),
    "slurm_name": lambda zeus: (zeus, "plgalice"),
    "cancel_elsewhere": lambda zeus: (zeus, "plgalice", Accepted(7, "athena")),
    "clean_remote_directory": lambda zeus: (zeus, "plgalice"),
    "cancel": lambda zeus: (zeus, "plgalice", 7, 60),
    "cancel_together": lambda zeus: (zeus, "plgalice", [(7, 60), (8, 60)]),
    "inspect": lambda zeus: (zeus, "plgalice", 7, 60),
    "inspect_together": lambda zeus: (zeus, "plgalice", [(7, 60), (8, 60)]),
    "poll_session": lambda zeus: (zeus, "plgalice"),
    "ping": lambda zeus: (zeus, "plgalice"),
    "check_host_key": lambda zeus: (zeus,),
    "task_starts": lambda zeus: (zeus, "plgalice", 7, 60),
    "open_file": lambda zeus: (zeus, "plgalice", Wanted(((Named("/home/plgalice/out"),),))),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "find_lost_submissions": {"sbatch_is_over": True},
    "poll_session": {"everybody": False},
    "task_starts": {"earliest": 1, "hosts": True},
}


def test_every_verb_is_tried_here() -> None:
    assert set(verbs()) - SILENT == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_verb_gives_the_connection_back_before_it_waits(zeus: Cluster, asked: list[bool], name: str) -> None:
    assert Cluster.objects.count() == 1
    assert holds_a_connection()
    with ExitStack() as stack, pytest.raises(TimedOut):
        ask(stack, verbs()[name](*ARGUMENTS[name](zeus), **OPTIONS.get(name, {})))
    assert asked == [False]


def ask(stack: ExitStack, answer: AbstractContextManager[object]) -> None:
    """Enter what a verb has returned that asks only then, or later."""
    entered = stack.enter_context(answer)
    assert isinstance(entered, PollSession)
    entered.queue()


@pytest.fixture
def during(fake: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a connection was held, for each call of the gateway; they pass through `call`, as the real ones do."""
    held: list[bool] = []
    fake.during = lambda: held.append(holds_a_connection())
    say = fake.answer

    def through_call(verb: str, answer: Any) -> Any:
        with call(Cluster.objects.all()[0], verb.split(maxsplit=1)[0]):
            return say(verb, answer)

    monkeypatch.setattr(fake, "answer", through_call)
    return held


def ask_for_output(cast: Cast, job: str) -> None:
    answer = cast.alice("GET", f"/api/jobs/{job}/stdout")
    for _piece in answer.streaming_content:
        assert not holds_a_connection()


REQUESTS: dict[str, Callable[[Cast, str], object]] = {
    "submit": lambda cast, _job: cast.alice("POST", "/api/jobs", ORDER),
    "inspect": lambda cast, job: cast.alice("GET", f"/api/jobs/{job}?refresh=true"),
    "cancel": lambda cast, job: cast.alice("PUT", f"/api/jobs/{job}", {"action": "abort"}),
    "cancel and remove": lambda cast, job: cast.alice("DELETE", f"/api/jobs/{job}"),
    "open_file": ask_for_output,
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_holds_no_connection_while_a_cluster_answers(
    cast: Cast, fake: FakeGateway, zeus: Cluster, during: list[bool], name: str
) -> None:
    job = registered(zeus, stdout="/home/plgalice/slurm-100.out")
    fake.files = {"/home/plgalice/slurm-100.out": b"hello"}
    REQUESTS[name](cast, job.job_id)
    assert during == [False]
    assert fake.calls[0].split()[0] == name.split(maxsplit=1)[0]


def test_a_poll_holds_no_connection_while_a_cluster_answers(
    fake: FakeGateway, zeus: Cluster, during: list[bool]
) -> None:
    registered(zeus)
    fake.accounted = [record("COMPLETED")]
    tasks.poll_account(zeus.pk, "plgpoll")
    assert fake.calls == ["queue everybody=True", "history"]
    assert during == [False, False]


def test_a_recovery_holds_no_connection_while_a_cluster_answers(
    fake: FakeGateway, zeus: Cluster, during: list[bool]
) -> None:
    before = timezone.now() - timedelta(minutes=4)
    Job.objects.create(cluster=zeus, account="plgalice", created_at=before)
    registered(zeus, created_at=before)
    tasks.recover_account(zeus.pk, "plgalice")
    assert fake.calls == ["lookup sbatch_is_over=True", "describe"]
    assert during == [False, False]


@pytest.mark.parametrize("verb", list(BulkAction))
def test_a_bulk_operation_holds_no_connection_while_a_cluster_answers(
    fake: FakeGateway, zeus: Cluster, during: list[bool], verb: BulkAction
) -> None:
    operator = User.objects.create_user("operator")
    operation = bulk_operations.create(verb, [registered(zeus)], operator, "127.0.0.1")
    fake.queued = [record("COMPLETING")]
    tasks.run_bulk_operation(str(operation.pk))
    assert during == [False]
    assert len(fake.calls) == 1
