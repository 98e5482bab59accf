"""From nothing to a running grid and back: the order of the steps."""

import shutil
import time
from pathlib import Path

from sandbox import (
    accounting,
    accounts,
    databases,
    demo,
    environment,
    grid,
    layout,
    loginnodes,
    machine,
    packages,
    service,
    slurm,
    venv,
)
from sandbox.clusters import BOTH
from sandbox.layout import MACHINE_STATE, Layout
from sandbox.narration import say, step
from sandbox.programs import Program
from sandbox.supervision import Supervisor


def up(checkout: Path) -> None:
    """Bring everything up, or up to date. Raises what its steps raise; what is up by then stays up."""
    began = time.monotonic()
    place = layout.settle(checkout)
    with machine.lock(place.state / "lock"):
        ports = machine.register(place)
        _provide(place)
        supervisor = Supervisor(place)
        stages = _grid_stages(place, ports)
        code = service.home_of_code(place)
        own = service.programs(place, ports, code)
        supervisor.configure([program for stage in (*stages.values(), own) for program in stage])
        _start_grid(place, ports, supervisor, stages)
        environment.publish(place, ports, supervisor.control_command)
        with step("Service prepared: database, static files, clusters, admin"):
            service.prepare(place, ports, code)
        supervisor.start(own)
    say(f"Up after {time.monotonic() - began:.0f} s: {service.base_url(ports)}")
    say(f"Admin: {service.base_url(ports)}/admin/ as {service.ADMIN}, password in {place.secrets / 'admin'}")
    say(f"By hand: . {place.checkout / '.local' / 'sandbox.env'}")


def demonstrate(checkout: Path) -> None:
    """Bring everything up and tell the life of a job. Raises UnexpectedAnswer."""
    began = time.monotonic()
    up(checkout)
    place = layout.of(checkout)
    demo.run(place, machine.ports(place))
    say(f"Start and demo together took {time.monotonic() - began:.0f} s.")


def down(checkout: Path) -> None:
    """Stop every process of this sandbox; what they keep stays."""
    place = layout.of(checkout)
    if not place.state.exists():
        return
    with machine.lock(place.state / "lock"), step("Everything stopped"):
        Supervisor(place).stop()


def purge(checkout: Path) -> None:
    """Remove what `up` made: processes, state, and the accounts unless another checkout's sandbox uses them."""
    down(checkout)
    place = layout.of(checkout)
    with step("State removed"):
        if place.state.exists():
            shutil.rmtree(place.state)
        (checkout / ".local").unlink(missing_ok=True)
    with machine.lock(MACHINE_STATE / "lock"):
        last = machine.unregister(place)
        if last:
            with step("Accounts and their homes removed"):
                accounts.remove()
    if last and not any(path.is_dir() for path in MACHINE_STATE.iterdir()):
        shutil.rmtree(MACHINE_STATE)
    say("Debian's packages stay; `apt-get autoremove` and the list in sandbox/packages.py tell which.")


def install(checkout: Path) -> None:
    """Install Debian's packages and the Python environment, and start nothing."""
    place = layout.settle(checkout)
    _install_packages()
    venv.provide(place)


def _install_packages() -> None:
    with machine.lock(MACHINE_STATE / "lock"):
        lacking = packages.missing()
        if lacking:
            with step(f"Debian packages installed: {len(lacking)}"):
                packages.install(lacking)


def _provide(place: Layout) -> None:
    """Install and make what all processes stand on."""
    _install_packages()
    with machine.lock(MACHINE_STATE / "lock"), step("Unix accounts there"):
        accounts.make()
    venv.provide(place)
    for directory in (place.run, place.log, place.data, place.slurm, place.sshd, place.grid):
        layout.own(directory, "root", 0o755)
    with step("Certificate authority, certificates and proxies there"):
        grid.trust_directory(place)
        grid.certify(place)
        grid.delegate(place)
        grid.map_file(place)


def _grid_stages(place: Layout, ports: dict[str, int]) -> dict[str, list[Program]]:
    """Write the daemons' configurations and return their programs, in the order in which they can start."""
    for cluster in BOTH:
        slurm.prepare(cluster, place, ports)
    service.furnish(place, ports)
    with step("Databases' directories there"):
        bases = [databases.postgres(place, ports), databases.redis(place, ports), databases.mariadb(place, ports)]
    return {
        "bases": [*bases, accounting.munge(place), *(loginnodes.login_node(cluster, place, ports) for cluster in BOTH)],
        "accounting": [accounting.slurmdbd(place, ports)],
        "controllers": [slurm.controller(cluster, place) for cluster in BOTH],
        "workers": [worker for cluster in BOTH for worker in slurm.workers(cluster, place)],
    }


def _start_grid(place: Layout, ports: dict[str, int], supervisor: Supervisor, stages: dict[str, list[Program]]) -> None:
    """Start the stages one after the other, each with what the next one needs to find."""
    supervisor.start(stages["bases"])
    databases.grant_postgres(place, ports)
    databases.grant_mariadb(place)
    supervisor.start(stages["accounting"])
    with step("SLURM's accounts and associations there"):
        accounting.associate(place)
    supervisor.start(stages["controllers"])
    supervisor.start(stages["workers"])
