"""Records what SLURM of one version answers to the requests of `clusters.remote`, with jobs that end in every way.

    python -m tests.recorded.record DIRECTORY --user PREFIX [--operator PREFIX] [--node NODE] [--urgent PARTITION]

PREFIX is put before `sh -c ...`, and passes that on word for word, as `sudo -u plgalice` does. It takes some three
minutes and twenty small jobs. With an operator's prefix jobs are suspended too; NODE is taken down and back for a
moment, PARTITION preempts.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

from clusters import remote
from clusters.remote import Request
from clusters.slurm import shell
from clusters.slurm.shell import Section
from clusters.ssh.agent import AgentSettings
from tests.recorded import MARKER

BIN = "/usr/bin"
SINCE = 3600
SLEEP = "sleep 300"
AGAIN = f'[ -n "$SLURM_RESTART_COUNT" ] || {SLEEP}'
ARRAY = "case $SLURM_ARRAY_TASK_ID in 1) exit 0;; 2) exit 5;; esac;"

# Name, sbatch's options, and the script's last line.
JOBS = (
    ("finished", "", "exit 0"),
    ("failed", "", "exit 3"),
    ("killed", "", "kill -9 $$"),
    ("unlaunched", "-o /nowhere/out", "exit 0"),
    ("array_ended", "--array=1-3", ARRAY),
    ("parts_ended", "-n1 : -n2", "exit 0"),
    ("timeout", "--time=1", SLEEP),
    ("held", "--hold", SLEEP),
    ("begins_later", "--begin=now+3600", SLEEP),
    ("own_files", "--hold -J name -o 'a b-%j.out' -e %x.err", SLEEP),
    ("running", "-n2 --time=10", SLEEP),
    ("to_cancel", "", SLEEP),
    ("to_requeue", "--requeue", AGAIN),
    ("to_hold_again", "--requeue", SLEEP),
    ("to_mark", "--requeue", SLEEP),
    ("to_stop", "", SLEEP),
    ("array_waiting", "--array=1-6%2", f"{ARRAY} {SLEEP}"),
    ("parts_running", "-n1 : -n2", SLEEP),
    ("deadline", "-N2 --exclusive --time=1 --deadline=now+75", "exit 0"),
)
FOR_OPERATORS = (("to_suspend", "", SLEEP), ("to_resume", "", "sleep 20"))


@dataclass
class Recorder:
    """A cluster that is asked as `user`, and the jobs that were submitted there."""

    directory: Path
    user: str
    operator: str
    jobs: dict[str, int] = field(default_factory=dict)

    def say(self, command: str, *arguments: str, prefix: str = "", stdin: str = "") -> str:
        """Run a line of POSIX sh and return what it printed, errors too."""
        argv = [*shlex.split(prefix or self.user), "sh", "-c", command, MARKER, *arguments]
        done = subprocess.run(
            argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        )
        return done.stdout

    def operate(self, command: str) -> None:
        """Run a line with SLURM's commands as its operator, or as the user who owns the jobs."""
        print(command, self.say(command, prefix=self.operator), file=sys.stderr)

    def submit(self, name: str, options: str, last: str) -> None:
        """Submit a job as the service does, from a directory whose name is a token."""
        at = f"$HOME/{remote.DIRECTORY}/{token(name)}"
        line = f'cd; mkdir -p "{at}"; cat > "{at}/job.sh"; {BIN}/sbatch --parsable {options} "{at}/job.sh"'
        printed = self.say(line, stdin=f"#!/bin/sh\nhostname >/dev/null; {last}\n")
        if printed.strip().isdigit():
            self.jobs[name] = int(printed)
        else:
            print(name, printed, file=sys.stderr)

    def ask(self, request: Request) -> list[Section]:
        """Have an agent answer `request` alone, and return the sections."""
        stdin = f"{remote.program()}{MARKER}\n".encode() + request.framed(MARKER)
        line = AgentSettings(BIN).command(MARKER)
        printed = self.say(line, stdin=stdin.decode()).encode()
        return shell.sections(printed.removeprefix(f"{MARKER}\n".encode()), MARKER)

    def record(self, name: str, *sections: Section) -> None:
        """Write sections down."""
        written = b"".join(each.output + f"\n{MARKER} {each.status}\n".encode() for each in sections)
        (self.directory / f"{name}.txt").write_bytes(written)

    def look(self, name: str, account: str) -> None:
        """Write down a look, which asks for all jobs in each way: squeue's answer, the exit codes, sacct's answer."""
        ids = ",".join(str(job) for job in self.jobs.values())
        rows, _errors = self.ask(Request("queue", (account,)))
        codes, records, _errors = self.ask(Request("history", (SINCE,), text=f"{ids}\n{ids}"))
        self.record(name, rows, codes, records)

    def states(self, *names: str) -> set[str]:
        """Return the controller's words for jobs; nothing of those that it has forgotten."""
        found = self.say(f"{BIN}/squeue -h -t all -o '%A|%F|%T'").splitlines()
        ids = {str(self.jobs[name]) for name in names if name in self.jobs}
        return {line.split("|")[2] for line in found if ids & set(line.split("|")[:2])}


def token(name: str) -> str:
    """Return the token of a job's submission: of the name, so that it stays the same."""
    return md5(name.encode(), usedforsecurity=False).hexdigest()


def until(what: Callable[[], bool], seconds: int) -> None:
    """Wait until `what` is so; where it never is, go on: what was seen is recorded all the same."""
    for _ in range(seconds):
        if what():
            return
        time.sleep(1)
    print("it took too long", file=sys.stderr)


def submissions(at: Recorder) -> None:
    """Write down what is answered of a script that sbatch takes, and of one that it refuses."""
    for name, option in (("submit", "-t 1"), ("submit_refused", "-p nowhere")):
        script = f"#!/bin/sh\n#SBATCH {option}\nexit 0\n"
        begun, sbatch, *more = at.ask(Request("submit", (token(name), 30, ""), "", script))
        job = sbatch.text.strip()
        at.record(name, begun, sbatch, *(more or at.ask(Request("describe", (job, "")))))
        at.ask(Request("clear", (token(name), "")))


def begin(at: Recorder, node: str, urgent: str) -> None:
    """Submit, wait until what runs is running, and do to it what users and operators do."""
    away = f"-x {node} " if node else ""
    for name, options, last in (*JOBS, *(FOR_OPERATORS if at.operator else ())):
        at.submit(name, away + options.replace(": ", f": {away}"), last)
    at.submit("depends", f"--dependency=afterok:{at.jobs['failed']}", "exit 0")
    if node:
        at.submit("on_lost_node", f"--no-requeue -w {node}", SLEEP)
        at.submit("queued_again", f"--requeue -w {node}", AGAIN)
    ended = ("finished", "failed", "killed", "array_ended", "parts_ended")
    until(lambda: not at.states(*ended) & {"PENDING", "RUNNING", "COMPLETING"}, 40)
    until(lambda: at.states("running", "to_cancel", "to_stop", "parts_running", "to_suspend") == {"RUNNING"}, 40)
    if node:
        until(lambda: at.states("on_lost_node", "queued_again") == {"RUNNING"}, 40)
    at.operate(f"{BIN}/scontrol requeue {at.jobs['to_requeue']}")
    at.operate(f"{BIN}/scontrol requeuehold {at.jobs['to_hold_again']}")
    at.operate(f"{BIN}/scontrol requeuehold State=SpecialExit {at.jobs['to_mark']}")
    at.operate(f"{BIN}/scancel -s STOP {at.jobs['to_stop']}")
    if at.operator:
        at.operate(f"{BIN}/scontrol suspend {at.jobs['to_suspend']}; {BIN}/scontrol suspend {at.jobs['to_resume']}")
        time.sleep(3)
        at.operate(f"{BIN}/scontrol resume {at.jobs['to_resume']}")
    if node:
        at.operate(f"{BIN}/scontrol update nodename={node} state=down reason=recording")
        at.operate(f"{BIN}/scontrol update nodename={node} state=resume")
    if urgent:
        at.submit("preempted", f"--no-requeue --exclusive -w {node}", SLEEP)
        until(lambda: at.states("preempted") == {"RUNNING"}, 20)
        at.submit("preempting", f"-p {urgent} --exclusive -w {node}", "exit 0")
        until(lambda: at.states("preempted") == {"PREEMPTED"}, 20)
    time.sleep(3)


def end(at: Recorder) -> None:
    """Wait until what has a limit has come to it, and the controller has forgotten what ended first."""
    limited = ("timeout", "deadline", "to_requeue", "queued_again")
    until(lambda: not at.states(*limited) & {"RUNNING", "PENDING", "COMPLETING"}, 200)
    until(lambda: not at.states("finished", "failed", "array_ended"), 330)


def main() -> None:
    """Run the whole of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("directory", type=Path)
    for option in ("--user", "--operator", "--node", "--urgent"):
        asked.add_argument(option, default="")
    given = asked.parse_args()
    given.directory.mkdir(parents=True, exist_ok=True)
    at = Recorder(given.directory, given.user, given.operator)
    account = at.say("id -un").strip()
    at.record("ping", *at.ask(Request("ping")))
    begin(at, given.node, given.urgent)
    (given.directory / "jobs.json").write_text(json.dumps(at.jobs, indent=1) + "\n")
    at.look("look_early", "")
    for name in ("finished", "running", "held", "own_files", "array_waiting", "parts_running", "to_requeue"):
        at.record(f"inspect_{name}", *at.ask(Request("inspect", (SINCE, account, at.jobs[name]))))
        at.record(f"describe_{name}", *at.ask(Request("describe", (at.jobs[name], ""))))
    many = ",".join(str(job) for job in (at.jobs["running"], 4_000_000, at.jobs["array_waiting"], at.jobs["own_files"]))
    at.record("inspect_many", *at.ask(Request("inspect", (SINCE, account, many))))
    at.record("describe_many", *at.ask(Request("describe_many", (many,))))
    for name in ("begins_later", "to_cancel", "array_waiting", "parts_running", "finished"):
        at.record(f"cancel_{name}", *at.ask(Request("cancel", (SINCE, account, at.jobs[name]))))
    submissions(at)  # whose jobs are no part of a look
    end(at)
    at.look("look_end", account)
    at.record("inspect_forgotten", *at.ask(Request("inspect", (SINCE, account, at.jobs["finished"]))))
    at.record("inspect_unknown", *at.ask(Request("inspect", (SINCE, account, 4_000_000))))
    at.record("describe_unknown", *at.ask(Request("describe", (4_000_000, ""))))
    at.say(f'rm -r "$HOME/{remote.DIRECTORY}/{token("finished")}"')
    tokens = " ".join(token(name) for name in ("finished", "running", "nowhere"))
    at.record("lookup", *at.ask(Request("look_up", (SINCE, account), tokens)))
    at.say(f'rm -rf "$HOME/{remote.DIRECTORY}"; {BIN}/scancel -u {account}')


if __name__ == "__main__":
    main()
