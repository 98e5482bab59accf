"""The files that the sandbox writes for others: read here by their readers' rules."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from sandbox import demo, environment, grid, layout, loginnodes, packages, passwords, service, slurm, typed
from sandbox.clusters import BOTH, CPUS, PROMETHEUS, ZEUS, Cluster
from sandbox.hostname import Host
from sandbox.layout import Layout
from sandbox.machine import ports_from

CHECKOUT = Path(__file__).parents[2]
PORTS = ports_from(20_000)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Layout:
    """A layout with everything that asks the machine answered."""
    monkeypatch.setattr(slurm, "host", lambda: Host("localhost", "127.0.0.1", ()))
    monkeypatch.setattr(loginnodes, "host_key", lambda cluster, _: f"ssh-ed25519 {cluster.name}")
    monkeypatch.setattr(passwords, "write", lambda path, text, **_: path.write_text(text))
    return Layout(tmp_path, tmp_path / ".local with ' quote")


def slurm_settings(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines]


def test_a_shell_reads_the_values_that_were_meant(place: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    place.state.mkdir()
    monkeypatch.setattr(environment, "write", lambda path, text, **_: path.write_text(text) and path)
    environment.publish(place, PORTS, "/a/supervisorctl -c /a/conf")

    script = '. "$1"; printf "%s|" "$BASE_URL" "$SUPERVISORCTL" "$ALICE_PROXY"; exec env'
    said = subprocess.run(
        ["/bin/sh", "-c", script, "sh", place.state / "sandbox.env"], capture_output=True, text=True, check=True
    ).stdout

    proxy = place.state / "proxies" / "plgalice.pem"
    assert said.startswith(f"https://127.0.0.1:{PORTS['web']}|/a/supervisorctl -c /a/conf|{proxy}|")
    assert f"REDIS_URL=redis://:{passwords.password(place, 'redis')}@127.0.0.1:{PORTS['redis']}/0" in said.splitlines()


def test_the_clusters_are_listed_with_what_makes_them_differ(place: Layout) -> None:
    text = "\n".join(service.cluster_entry(cluster, place, PORTS) for cluster in BOTH)
    zeus, prometheus = tomllib.loads(text)["cluster"]

    assert (zeus["name"], zeus["aliases"], zeus["job_domain"]) == (
        "zeus.cyfronet.pl",
        ["zeus"],
        "batch.grid.cyf-kr.edu.pl",
    )
    assert (zeus["port"], prometheus["port"]) == (PORTS["zeus-sshd"], PORTS["prometheus-sshd"])
    assert (zeus["time_zone"], prometheus["time_zone"]) == ("Europe/Warsaw", "UTC")
    assert (zeus["host_keys"], prometheus["host_keys"]) == (["ssh-ed25519 zeus"], ["ssh-ed25519 prometheus"])
    assert zeus["poll_account"] == "plgpoll"
    assert "poll_account" not in prometheus
    assert zeus["environment"] == {"SLURM_CONF": str(ZEUS.slurm_conf(place))}


@pytest.mark.parametrize("cluster", BOTH, ids=lambda cluster: cluster.name)
def test_no_setting_of_slurm_is_given_twice(cluster: Cluster, place: Layout) -> None:
    names = [name for name, _ in slurm_settings(slurm.configuration(cluster, place, PORTS)) if name != "NodeName"]

    assert sorted(names) == sorted(set(names))


def test_the_longest_state_leaves_room_for_the_sockets_of_job_steps() -> None:
    state = Path("/" + "x" * (layout.LONGEST_STATE - 1))
    spool = Layout(state, state).spool
    # slurmstepd's own form, with the largest job id and the number of a batch script's step.
    sockets = [f"{spool}/{node}/{node}_67108863.4294967291.0" for cluster in BOTH for node in cluster.workers.values()]

    assert max(map(len, sockets)) <= 107


def test_each_node_has_its_own_port_and_at_least_sixteen_processors(place: Layout) -> None:
    nodes = [value for name, value in slurm_settings(slurm.configuration(ZEUS, place, PORTS)) if name == "NodeName"]

    assert [f"Port={PORTS[process]} " in node for process, node in zip(ZEUS.workers, nodes, strict=True)] == [
        True,
        True,
    ]
    assert all(f"CPUs={CPUS} " in node for node in nodes)
    assert CPUS >= 16


def test_only_the_private_cluster_hides_jobs(place: Layout) -> None:
    hidden = [
        ("PrivateData", "jobs") in slurm_settings(slurm.configuration(c, place, PORTS)) for c in (ZEUS, PROMETHEUS)
    ]

    assert hidden == [False, True]


def test_a_test_may_shorten_the_controllers_memory(place: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(slurm.JOB_AGE_VARIABLE, "2")

    assert ("MinJobAge", "2") in slurm_settings(slurm.configuration(ZEUS, place, PORTS))


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's policy about starting daemons, in a place of its own."""
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "KEPT_POLICY", tmp_path / "kept")
    return tmp_path / "policy-rc.d"


def test_daemons_are_denied_while_packages_are_installed_and_not_after(policy: Path) -> None:
    with packages.daemons_denied():
        assert subprocess.run([policy], check=False).returncode == 101

    assert not policy.exists()


def test_the_machines_own_policy_comes_back(policy: Path) -> None:
    policy.write_text("own")

    with packages.daemons_denied():
        assert policy.read_text() == packages.DENY

    assert policy.read_text() == "own"


def test_the_machines_own_policy_comes_back_after_a_run_that_was_killed(policy: Path) -> None:
    policy.write_text("own")
    killed = packages.daemons_denied()
    killed.__enter__()

    with packages.daemons_denied():
        pass

    assert policy.read_text() == "own"


def test_a_denial_left_by_a_killed_run_is_not_taken_for_the_machines_own(policy: Path) -> None:
    policy.write_text(packages.DENY)

    with packages.daemons_denied():
        pass

    assert not policy.exists()


def way_out(place: Layout) -> str:
    """Return the command by which a proxy comes out of the container, its file being for nobody else."""
    return f"(umask 077; docker compose exec -T sandbox cat {grid.proxy(place, 'plgalice')} > alice.pem)"


def test_the_page_about_the_sandbox_says_how_a_proxy_comes_out_of_the_container() -> None:
    """The image has the checkout in its working directory, and `.local` below it."""
    assert way_out(Layout(Path(), Path(".local"))) in (CHECKOUT / "docs" / "try-it.md").read_text()


@pytest.mark.parametrize(("address", "told"), [("0.0.0.0", True), (None, False)])  # noqa: S104 - as docker-compose.yml
def test_the_demo_says_so_in_a_container_alone(
    place: Layout, monkeypatch: pytest.MonkeyPatch, address: str | None, told: bool
) -> None:
    monkeypatch.delenv(service.ADDRESS_VARIABLE, raising=False)
    if address:
        monkeypatch.setenv(service.ADDRESS_VARIABLE, address)
    assert (way_out(place) in demo.by_hand(place, "https://127.0.0.1:1")) == told


def test_the_demo_refuses_another_code_than_it_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed.Terminal, "_run", lambda *_: typed.Answer(500, "broken"))

    with pytest.raises(typed.UnexpectedAnswer, match="expected HTTP 200, got 500: broken"):
        typed.Terminal(Path("ca.pem")).curl("https://localhost/", expect=200, quiet=True)
