"""What other accounts of a machine own: their files, on which no agent relies, and their processes, which are found.

These tests give files to other accounts and start processes of theirs, which takes root; they need no service.
"""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.clusters.agents import KNOWN_SHELLS, TOKEN, LoginNode, every_shell, node

__all__ = ["node"]

CHECKOUT = Path(__file__).parents[2]
OTHER = uuid.UUID("f" * 32)


def test_each_shell_that_may_run_an_agent_is_installed() -> None:
    """Elsewhere tests of agents take the shells that are there."""
    assert [name for name in KNOWN_SHELLS if not shutil.which(name)] == []


@every_shell
def test_progress_believes_no_temporary_file_that_is_somebody_elses(node: LoginNode, name: str) -> None:
    """Everybody may make a directory in /tmp, and see the token in the command line of sbatch."""
    theirs = node.root / "tmp" / TOKEN.hex
    theirs.mkdir()
    (theirs / "answer").write_text("99\n")
    for path in (theirs / "answer", theirs):
        os.chown(path, 65_534, 65_534)
    (node.root / "own").mkdir()
    (node.root / "own" / "answer").write_text("99\n")
    (node.root / "tmp" / OTHER.hex).symlink_to(node.root / "own")
    with node.agent(name) as agent:
        for token in (TOKEN, OTHER):
            [(said, _status)] = agent.told("progress", token.hex)
            assert not said.startswith("99")


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
