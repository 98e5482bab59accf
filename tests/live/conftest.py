"""The cast of every test on the running sandbox: owner, stranger, unmapped, anonymous; and the two clusters."""

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.harness.caller import Caller, Job
from tests.harness.sandbox_env import Cluster, variable


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """A failure shows what was expected and what came, not each of the questions before."""
    logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def base_url() -> str:
    """Where the service answers."""
    return variable("BASE_URL")


@pytest.fixture(scope="session")
def zeus() -> Cluster:
    """The cluster whose times are Warsaw's."""
    zone = ZoneInfo("Europe/Warsaw")
    return Cluster("zeus.cyfronet.pl", "batch.grid.cyf-kr.edu.pl", zone, Path(variable("ZEUS_SLURM_CONF")))


@pytest.fixture(scope="session")
def prometheus() -> Cluster:
    """The cluster whose times are UTC, and whose users do not see each other's jobs."""
    conf = Path(variable("PROMETHEUS_SLURM_CONF"))
    return Cluster("prometheus.cyfronet.pl", "prometheus.cyfronet.pl", ZoneInfo("UTC"), conf)


@pytest.fixture(scope="session", params=["zeus", "prometheus"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each of the two clusters."""
    one: Cluster = request.getfixturevalue(request.param)
    return one


@contextmanager
def calling(user: str | None, directory: str | None = None) -> Iterator[Caller]:
    """Let `user` call the service, and delete the jobs that are left at the end."""
    proxy = Path(variable(f"{user}_PROXY")).read_bytes() if user else None
    # The server closes a connection that is idle for long: this end does so first, and sends nothing into the void.
    early = httpx.Limits(keepalive_expiry=1)
    with httpx.Client(base_url=variable("BASE_URL"), verify=False, timeout=90, limits=early) as client:  # noqa: S501 - a self-signed loopback
        caller = Caller(client, proxy, directory)
        yield caller
        caller.clear_up()


@contextmanager
def working_directory(account: str) -> Iterator[str]:
    """Make a directory in the account's home for this run's jobs, and remove it afterwards."""
    directory = Path(f"/home/{account}/live-{uuid.uuid4().hex}")
    directory.mkdir(mode=0o700)
    shutil.chown(directory, account, account)
    try:
        yield str(directory)
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def alice() -> Iterator[Caller]:
    """The owner of the jobs; her shell is bash."""
    with working_directory("plgalice") as directory, calling("ALICE", directory) as caller:
        yield caller


@pytest.fixture(scope="session")
def bob() -> Iterator[Caller]:
    """A stranger with an account of his own; his shell is tcsh, and it talks."""
    with working_directory("plgbob") as directory, calling("BOB", directory) as caller:
        yield caller


@pytest.fixture(scope="session")
def carol() -> Iterator[Caller]:
    """A valid proxy that is mapped to no account."""
    with calling("CAROL") as caller:
        yield caller


@pytest.fixture(scope="session")
def nobody() -> Iterator[Caller]:
    """No proxy at all."""
    with calling(None) as caller:
        yield caller


@pytest.fixture(autouse=True)
def head_start(request: pytest.FixtureRequest) -> None:
    """SLURM takes a minute to forget jobs: begin with that, if any of the tests that run alone is about such jobs.

    Where it does not begin, the tests that are about them say so, and no other one fails.
    """
    wanted = any("forgetting" in getattr(item, "fixturenames", ()) for item in request.session.items)
    if wanted and request.node.get_closest_marker("alone"):
        with suppress(Exception, pytest.fail.Exception):
            request.getfixturevalue("forgetting")


@dataclass(frozen=True)
class Forgotten:
    """Jobs that have ended, as the service showed them then, and arrays by their clusters' hosts with their output."""

    jobs: list[Job]
    arrays: dict[str, Job]
    outputs: dict[str, str]


@pytest.fixture(scope="session")
def forgetting(alice: Caller, zeus: Cluster, prometheus: Cluster) -> Iterator[Forgotten]:
    """Jobs that have ended and whose controllers forget ended jobs soon; they look for them once a minute."""
    lines = ["#SBATCH --array=3,12", "#SBATCH --output=forgotten-%j.txt", "echo $SLURM_ARRAY_TASK_ID"]
    arrays = {cluster.host: alice.submit(cluster, *lines) for cluster in (zeus, prometheus)}
    jobs = [alice.submit(zeus, f"#SBATCH --output={name}.out", f"echo {name}", "exit 3") for name in ("kept", "ended")]
    ended = [alice.complete(job) for job in jobs]
    outputs = {host: alice.output(alice.complete(job)) for host, job in arrays.items()}
    with zeus.forgetful(), prometheus.forgetful():
        yield Forgotten(ended, arrays, outputs)


@pytest.fixture
def tag() -> str:
    """A tag that no other test uses."""
    return f"live-{uuid.uuid4().hex}"
