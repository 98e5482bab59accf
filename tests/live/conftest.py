"""The cast of every test on the running sandbox: owner, stranger, unmapped, anonymous; and the two clusters."""

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.live.caller import Caller, Job
from tests.live.ground import Cluster, variable


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
    with httpx.Client(base_url=variable("BASE_URL"), verify=False, timeout=90) as client:  # noqa: S501 - a self-signed loopback
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


@pytest.fixture(scope="session", autouse=True)
def head_start(request: pytest.FixtureRequest) -> None:
    """SLURM takes minutes over some things: begin with them, if any of the tests to come asks for them."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in sorted({"overdue", "forgetting"} & wanted):
        request.getfixturevalue(name)


@pytest.fixture(scope="session")
def overdue(alice: Caller, bob: Caller, zeus: Cluster, prometheus: Cluster) -> dict[str, tuple[Caller, Job]]:
    """A job on each cluster that wants more time than it may take: SLURM looks after a minute, every half a minute."""
    lines = ["#SBATCH --time=1", "#SBATCH --error=overdue.err", "echo begun", "echo odd >&2", "exec sleep 300"]
    return {cluster.host: (who, who.submit(cluster, *lines)) for who, cluster in ((alice, zeus), (bob, prometheus))}


@pytest.fixture(scope="session")
def forgetting(alice: Caller, zeus: Cluster) -> Iterator[list[Job]]:
    """Jobs that have ended and whose controller forgets ended jobs soon; it looks for them once a minute."""
    jobs = [alice.submit(zeus, f"#SBATCH --output={name}.out", f"echo {name}", "exit 3") for name in ("kept", "ended")]
    with zeus.forgetful():
        yield [alice.complete(job) for job in jobs]


@pytest.fixture
def tag() -> str:
    """A tag that no other test uses."""
    return f"live-{uuid.uuid4().hex}"
