"""Names of output files that take long to be compared: they are nobody's trouble but the attacker's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.harness.instance import Instance
from tests.live.attacks.attacker import Attacker
from tests.live.attacks.crowd import Crowd
from tests.live.attacks.victim import Victim

NO_TASK = "4294967294"  # what SLURM shows for %a where there is no task (NO_VAL in slurm.h)


@contextmanager
def backtracking_name(
    instance: Instance, attacker: Attacker, clusters: Sequence[FaultCluster], *lines: str
) -> Iterator[Crowd]:
    """Lay a file of 250 digits and another letter beside an output file that `lines` name; ask for that all the time.

    As a regular expression with one group of digits for each number of the name, each place at which a group may end is
    tried.
    """
    with attacker.folder("digits") as folder:
        (folder / ("1" * 250 + "y")).touch()
        jobs = attacker.hold_each(clusters, 1, *lines, directory=str(folder))
        requests = [attacker.request("GET", f"/api/jobs/{job}/stdout") for job in jobs]
        # Whoever waits in vain comes again, and meets another process.
        with Crowd(instance.port, requests, 8, patience=2) as crowd:
            yield crowd


@pytest.mark.parametrize(
    "lines",
    [[f"#SBATCH -o {NO_TASK * 20}x"], ["#SBATCH --array=0-3", f"#SBATCH -o {'%a' * 20}x"]],
    ids=["a job", "an array job"],
)
def test_output_named_by_twenty_numbers_stops_nobody_else(
    instance: Instance, attacker: Attacker, victim: Victim, clusters: Sequence[FaultCluster], lines: list[str]
) -> None:
    with backtracking_name(instance, attacker, clusters, *lines) as crowd:
        victim.watch()
        assert crowd.sent > 0
