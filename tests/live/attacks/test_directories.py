"""Working directories as long as a path may be and longer: they are refused, and no shell looks into them."""

import itertools
from collections.abc import Sequence

import pytest

from tests.harness.fault_cluster import FaultCluster
from tests.live.attacks.attacker import STRIKE, Attacker

# Where the shell of the scripts is bash, which evaluates subscripts in arithmetic.
_BASH = f"""_from=/bin/sh
case $BASH_EXECUTION_STRING in *"$_from"*) {STRIKE}; eval "${{BASH_EXECUTION_STRING//"$_from"//bin/bash}}"; exit;; esac
"""
_LENGTHS = [60, 500, 4096, 4097, *range(4080, 4104), 4110, 4150, 4199, 4200, 100_000]  # PATH_MAX is 4096 (limits.h)


@pytest.mark.parametrize("text", ["", _BASH], ids=["the node's own shell", "bash"])
def test_working_directory_of_any_length_is_refused_and_not_evaluated(
    attacker: Attacker, clusters: Sequence[FaultCluster], text: str
) -> None:
    evaluated = attacker.account.home / "evaluated"
    evaluated.unlink(missing_ok=True)
    places = itertools.cycle(clusters)
    with attacker.starting_up(text):
        for length in _LENGTHS:
            command = "x[$(touch ~/evaluated)]"
            directory = command + "+0" * ((length - len(command)) // 2) + "+" * ((length - len(command)) % 2)
            posted = attacker.client.post(next(places), directory=directory)
            assert not evaluated.exists(), length
            assert posted.code == 422, (length, posted.body)
            assert "working_directory" in posted.body["error_message"]
        assert bool(attacker.strikes) == bool(text)
