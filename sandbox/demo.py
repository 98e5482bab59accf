"""The life of a job on both clusters, told with the sample calls of the documentation."""

import json
import shlex
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from sandbox import grid, service
from sandbox.accounting import GRANT
from sandbox.clusters import BOTH
from sandbox.layout import Layout
from sandbox.narration import say
from sandbox.typed import Terminal, UnexpectedAnswer

GREETING = "hello from a batch job"
SCRIPT = f"#!/bin/bash\n#SBATCH -A {GRANT}\necho {GREETING}\nsleep 12\necho done\nexit 0"
LONG_SCRIPT = f"#!/bin/bash\n#SBATCH -A {GRANT}\nsleep 600"
FACTS = ("nodes", "cores", "start_time", "end_time", "wall_time", "queue_time")
HEADER = """printf 'PROXY: %s\\n' "$(base64 < {proxy} | tr -d '\\n')" > "$header\""""
PATIENCE = 120
"""How long the demo waits for a job to end or its runtime information to come, in seconds."""

Job = dict[str, Any]


@dataclass
class Demo:
    """One telling of the story, as plgalice."""

    layout: Layout
    base_url: str
    tag: str = field(default_factory=lambda: f"demo-{int(time.time())}")

    def __post_init__(self) -> None:
        self.terminal = Terminal(service.ca_file(self.layout))

    def tell(self) -> None:
        """Tell the whole story. Raises UnexpectedAnswer at the first answer that is not right."""
        say("\nThis is what a scientist does. The proxy goes along with every call, from a file of its own:")
        self.terminal.assign("header", "$(mktemp)")
        try:
            self._tell()
        finally:
            self.terminal.do('rm "$header"')

    def _tell(self) -> None:
        self.terminal.do(HEADER.format(proxy=shlex.quote(str(grid.proxy(self.layout, "plgalice")))))
        jobs = self._submit_to_both()
        self._list(jobs)
        self._watch(jobs)
        for job in jobs:
            self._look_at_results(job["job_id"])
        self._abort_another()
        self._delete(jobs)

    def _submit_to_both(self) -> list[Job]:
        say("\n--- Submit a job to each cluster, with a tag to find them by")
        jobs = [self._submit(cluster.host, SCRIPT) for cluster in BOTH]
        _check(all(job["status"] in {"QUEUED", "RUNNING"} for job in jobs), "a new job is QUEUED or RUNNING")
        return jobs

    def _submit(self, host: str, script: str) -> Job:
        body = shlex.quote(json.dumps({"host": host, "script": script, "tag": self.tag}))
        call = f'--header "Content-Type: application/json" --data-binary {body}'
        job: Job = self._call(call, "", expect=201)
        _check(job["tag"] == self.tag, "the answer repeats the tag")
        return job

    def _list(self, jobs: list[Job]) -> None:
        say("\n--- List them by the tag, newest first")
        listed = self._call("", f"?tag={self.tag}")
        _check(
            [job["job_id"] for job in listed] == [job["job_id"] for job in reversed(jobs)], "both jobs, newest first"
        )

    def _watch(self, jobs: list[Job]) -> None:
        """Ask for the list again and again until all jobs have finished, and show how they get on."""
        say("\n--- Watch them (the same call, every half second)")
        seen: dict[str, list[str]] = {job["job_id"]: [job["status"]] for job in jobs}
        display = Display()
        began = time.monotonic()
        while any(statuses[-1] != "FINISHED" for statuses in seen.values()):
            _check(time.monotonic() < began + PATIENCE, f"both jobs finish within {PATIENCE} s")
            for job in self._call("", f"?tag={self.tag}", quiet=True):
                statuses = seen[job["job_id"]]
                if job["status"] != statuses[-1]:
                    statuses.append(job["status"])
            display.show(seen, time.monotonic() - began)
            time.sleep(0.5)
        display.end()
        for statuses in seen.values():
            _check(statuses[-2:] == ["RUNNING", "FINISHED"], "a job goes from RUNNING to FINISHED")

    def _look_at_results(self, job_id: str) -> None:
        say(f"\n--- What {job_id} used, and what it wrote")
        self._await_facts(job_id)
        job = self._call("", f"/{job_id}")
        _check((job["nodes"], job["cores"]) == ("1", "1"), "one core on one node")
        written = self.terminal.curl(f'--header @"$header" {shlex.quote(job["stdout_path"])}', expect=200)
        _check(written.body.split("\n")[:2] == [GREETING, "done"], "the job's output")

    def _await_facts(self, job_id: str) -> None:
        """Wait for the runtime information, which comes up to one minute after the end."""
        deadline = time.monotonic() + PATIENCE
        while not all(name in self._call("", f"/{job_id}", quiet=True) for name in FACTS):
            _check(time.monotonic() < deadline, "the runtime information comes")
            time.sleep(0.5)

    def _abort_another(self) -> None:
        say("\n--- Change of mind: submit once more, and abort")
        for cluster in BOTH:
            job_id = self._submit(cluster.host, LONG_SCRIPT)["job_id"]
            action = """-X PUT --header "Content-Type: application/json" --data-binary '{"action":"abort"}\'"""
            self._call(action, f"/{job_id}", expect=204)
            _check(self._call("", f"/{job_id}")["status"] == "ABORTED", "an aborted job is ABORTED at once")

    def _delete(self, jobs: list[Job]) -> None:
        say("\n--- Delete the jobs: they are gone for good")
        for job in jobs:
            self._call("-X DELETE", f"/{job['job_id']}", expect=204)
            gone = self._call("", f"/{job['job_id']}", expect=404)
            _check(gone["error_message"] == f"Job with {job['job_id']} not found", "the documented words")
        left = self._call("", f"?tag={self.tag}")
        _check(all(job["status"] == "ABORTED" for job in left), "only the aborted jobs are left")
        for job in left:
            self._call("-X DELETE", f"/{job['job_id']}", expect=204, quiet=True)

    def _call(self, words: str, path: str, *, expect: int = 200, quiet: bool = False) -> Any:
        """Call the service as plgalice; return the JSON, None where there is no body."""
        url = f"{self.base_url}/api/jobs{path}"
        line = " ".join(filter(None, ['--header @"$header"', words, shlex.quote(url)]))
        answer = self.terminal.curl(line, expect=expect, quiet=quiet)
        return answer.document() if answer.body else None


class Display:
    """How the jobs get on: one line that renews itself on a terminal, a line for each change elsewhere."""

    def __init__(self) -> None:
        self._renews = sys.stdout.isatty()
        self._shown = ""

    def show(self, seen: dict[str, list[str]], seconds: float) -> None:
        """Show each job's statuses so far; `seconds` is the time since the watch began."""
        text = "   ".join(f"{job_id}: {' > '.join(statuses)}" for job_id, statuses in seen.items())
        if self._renews:
            sys.stdout.write(f"\r\033[K{seconds:4.0f} s  {text}")
            sys.stdout.flush()
        elif text != self._shown:
            say(f"{seconds:4.0f} s  {text}")
        self._shown = text

    def end(self) -> None:
        """Leave the line."""
        if self._renews:
            say()


def _check(right: bool, what: str) -> None:
    if not right:
        raise UnexpectedAnswer(f"this should hold: {what}")


def run(layout: Layout, ports: dict[str, int]) -> None:
    """Tell the story, and how to go on. Raises UnexpectedAnswer."""
    began = time.monotonic()
    url = service.base_url(ports)
    Demo(layout, url).tell()
    say(f"\nEvery step was right. The demo took {time.monotonic() - began:.0f} s.\n\n{by_hand(layout, url)}")


def by_hand(layout: Layout, url: str) -> str:
    """Return how to go on without the demo; in a container also how to call the service from outside of it."""
    return f"""Go on by hand, in a root shell:
  . {layout.checkout}/.local/sandbox.env
  header=$(mktemp)
  {HEADER.format(proxy="$ALICE_PROXY")}
  curl --cacert $CA_FILE --header @"$header" $BASE_URL/api/jobs
  SLURM_CONF=$ZEUS_SLURM_CONF squeue          what SLURM itself says
  $SUPERVISORCTL status                       the processes; their logs are in $SANDBOX_LOGS
  {url}/          the five calls, explained
  {url}/admin/    as {service.ADMIN}, with the password in $ADMIN_PASSWORD_FILE
`make down` stops everything, `make purge` removes it.{_outside(layout) if service.is_in_a_container() else ""}"""


def _outside(layout: Layout) -> str:
    return f"""
Outside of the container, beside docker-compose.yml, the same calls go with a copy of the proxy:
  (umask 077; docker compose exec -T sandbox cat {grid.proxy(layout, "plgalice")} > alice.pem)"""
