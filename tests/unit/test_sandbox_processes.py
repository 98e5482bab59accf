"""How the sandbox finds and ends processes, and how it describes them to supervisor."""

import configparser
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import processes, supervision
from sandbox.layout import Layout
from sandbox.programs import Program

CHECKOUT = Path(__file__).parents[2]
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


IN_A_CONTAINER = (
    "-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,+net_bind_service,"
    "+sys_chroot,+kill,+audit_write"
)
"""What root has in a container of Docker's: no CAP_SYS_PTRACE, which reads what others have in /proc/PID/environ, no
CAP_SYS_ADMIN and no CAP_PERFMON, with which newer kernels let it be read too."""
WITHOUT_PTRACE = ("setpriv", f"--bounding-set={IN_A_CONTAINER}", "--inh-caps=-all", "--")
FIND = "import sys; from sandbox import processes; print(*(one.pid for one in processes.mentioning(sys.argv[1])))"


@contextmanager
def sleeper(mark: str, *before: str) -> Iterator[int]:
    """A process of another account with `mark` in its environment; yields its pid."""
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", *before, "sleep", "60"]
    with subprocess.Popen(command, env={"MARK": mark, "PATH": "/usr/bin:/bin"}) as process:
        try:
            directory = Path("/proc") / str(process.pid)
            deadline = time.monotonic() + 5
            while (directory / "comm").read_text() != "sleep\n" and time.monotonic() < deadline:
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()


def found_without_ptrace(mark: str) -> set[int]:
    command = [*WITHOUT_PTRACE, sys.executable, "-c", FIND, mark]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {int(pid) for pid in done.stdout.split()}


def test_a_process_of_another_account_is_found_without_the_right_to_trace_it() -> None:
    mark = f"mark-{time.monotonic_ns()}"
    with sleeper(mark) as pid:
        refused = subprocess.run([*WITHOUT_PTRACE, "cat", f"/proc/{pid}/environ"], capture_output=True, check=False)
        assert refused.returncode != 0  # what is tested is there
        assert found_without_ptrace(mark) == {pid}


def test_a_process_that_nobody_may_read_is_passed_over() -> None:
    mark = f"mark-{time.monotonic_ns()}"
    hidden = "import ctypes, sys, time; ctypes.CDLL(None).prctl(4, 0); print(flush=True); time.sleep(60)"
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "/usr/bin/python3", "-c", hidden]
    with sleeper(mark) as pid, subprocess.Popen(command, env={"MARK": mark}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it is not dumpable now: prctl(2), PR_SET_DUMPABLE
            assert found_without_ptrace(mark) == {pid}
        finally:
            process.kill()


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
