"""SLURM's commands as the attacker writes them: they answer the service's questions in the attacker's logins."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from tests.harness.fault_cluster import SLURM, FaultCluster
from tests.live.attacks.attacker import STRIKE, Attacker

_COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
_GENTLY = "ulimit -v 1000000; renice -n 15 $$ > /dev/null"  # the login node is this machine too


@contextmanager
def forged(attacker: Attacker, *clusters: FaultCluster, **bodies: str) -> Iterator[None]:
    """Let `bodies` be the commands of `clusters` for the attacker alone: shell scripts, `$real` is SLURM's own command.

    A start-up file runs the service's own agent, its marker included, with other commands.
    """
    folder = attacker.account.directory("forged")
    for command in _COMMANDS:
        if body := bodies.get(command):
            file = folder / command
            file.write_text(f"#!/bin/sh\nreal={SLURM / command}\n{STRIKE}\n{_GENTLY}\n{body}\n")
            file.chmod(0o755)
        else:
            (folder / command).symlink_to(SLURM / command)
    places = " ".join(str(cluster.bin) for cluster in clusters)
    text = f"""for _from in {places}; do case $BASH_EXECUTION_STRING in
*"$_from"*) eval "${{BASH_EXECUTION_STRING//"$_from"/{folder}}}"; exit;;
esac; done
"""
    try:
        with attacker.starting_up(text):
            yield
    finally:
        shutil.rmtree(folder)


def sleeping(attacker: Attacker, *clusters: FaultCluster, upon: str) -> AbstractContextManager[None]:
    """Have each login sleep when the command `upon` is to run, and be quick otherwise."""
    return forged(attacker, *clusters, **{upon: "exec sleep 600"})


def in_turn(bodies: Sequence[str]) -> str:
    """Return a body that is another one of `bodies` each time, by the clock."""
    cases = "\n".join(f"{number}) {body} ;;" for number, body in enumerate(bodies))
    return (
        f"now=$(date +%N); now=${{now%??????}}; now=${{now#0}}; case $((${{now#0}} % {len(bodies)})) in\n{cases}\nesac"
    )


def altered(program: str) -> str:
    """Return a body that lets awk's `program` change the fields of each line that the real command prints.

    The character 1 of what it writes becomes a NUL.
    """
    return f"""st=$(mktemp); {{ "$real" "$@"; echo $? > $st; }} | \
awk -F'|' -v OFS='|' 'NF > 9 {{ {program} }} {{ print }}' | tr '\\001' '\\000'
status=$(cat $st); rm $st; exit $status"""
