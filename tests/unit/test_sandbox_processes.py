"""How the sandbox finds and ends processes, and how it describes them to supervisor."""

import configparser
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import processes, supervision
from sandbox.layout import Layout
from sandbox.programs import Program

PLACE = Layout(Path("/checkout"), Path("/checkout/.local"))


def program(**changes: object) -> Program:
    fields: dict[str, object] = {"name": "web", "command": ("/bin/web",), "user": "root", "ready": lambda: True}
    return Program(**{**fields, **changes})  # type: ignore[arg-type]  # each test names the fields it is about


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    """A shell that ignores SIGTERM, and a child of its own."""
    script = "trap '' TERM; sleep 60 & echo ready; while :; do wait; sleep 0.1; done"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        yield shell
        shell.kill()


def test_a_family_is_a_process_and_all_below_it(stubborn: subprocess.Popen[bytes]) -> None:
    members = processes.family(stubborn.pid)

    assert stubborn.pid in {member.pid for member in members}
    assert len(members) == 2


def test_what_ignores_the_request_to_end_is_killed(stubborn: subprocess.Popen[bytes]) -> None:
    members = processes.family(stubborn.pid)

    processes.end(members, grace=0.3)

    assert processes.alive(members) == []


def test_a_later_process_with_the_same_pid_is_another_one(stubborn: subprocess.Popen[bytes]) -> None:
    now = processes.find(stubborn.pid)
    assert now is not None
    earlier = processes.Process(now.pid, now.born - 1)

    processes.end([earlier], grace=0.1)

    assert processes.alive([now, earlier]) == [now]


def test_a_process_that_mentions_a_text_is_found_but_never_this_one() -> None:
    mark = f"mark-{time.monotonic_ns()}"
    with subprocess.Popen(["/bin/sleep", "60"], env={"MARK": mark}) as sleeper:
        try:
            deadline = time.monotonic() + 5
            while not processes.mentioning(mark) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert {found.pid for found in processes.mentioning(mark)} == {sleeper.pid}
        finally:
            sleeper.kill()


def test_supervisor_reads_back_the_words_and_variables_that_were_meant() -> None:
    words = ("/bin/web", "a b", "100%", "it's", '"quoted"')
    text = supervision.configuration(PLACE, [program(command=words, environment={"RATE": "50%", "URL": "p://u:x@h/d"})])

    read = configparser.ConfigParser()
    read.read_string(text)
    section = read["program:web"]

    assert tuple(shlex.split(section["command"])[-len(words) :]) == words
    assert 'RATE="50%"' in section["environment"]
    assert 'URL="p://u:x@h/d"' in section["environment"]


def test_nothing_starts_before_its_turn() -> None:
    text = supervision.configuration(PLACE, [program(name=name) for name in ("web", "worker")])

    assert text.count("autostart=false") == 2


def test_a_change_of_a_file_that_a_program_reads_is_a_reason_to_restart(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_text("port 1")
    before = program(inputs=(conf,)).fingerprint()
    assert program(inputs=(conf,)).fingerprint() == before

    conf.write_text("port 2")

    assert program(inputs=(conf,)).fingerprint() != before


@pytest.mark.parametrize(
    "change", [{"command": ("/bin/other",)}, {"user": "nobody"}, {"environment": {"A": "1"}}, {"version": "2"}]
)
def test_a_change_of_what_would_run_is_a_reason_to_restart(change: dict[str, object]) -> None:
    assert program(**change).fingerprint() != program().fingerprint()
