"""What a user's start-up files export for the user's own questions does not reach ours; sbatch has all of it."""

import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from clusters import gateway, scripts, shell
from tests.pure.clusters.logins import CLUSTER

MARKER = shell.marker(uuid.UUID("0123456789abcdef0123456789abcdef"))
EVIL = "x[$(touch CANARY)]`touch CANARY`'\"; touch CANARY; \n export SQUEUE_FORMAT=%i $((x[$(touch CANARY)]))"
EXPORTED = {**dict.fromkeys(scripts.STEERING, EVIL), "SQUEUE_STATES": "PENDING", "SCANCEL_STATE": "PENDING"}
NEUTRAL = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}  # what we set for ourselves
TOOLS = ("squeue", "sacct", "scancel", "scontrol")
every_shell = pytest.mark.parametrize("name", ["dash", "bash", "busybox", "ksh93", "mksh"])

# Keeps its environment, and says what SLURM's program would.
PROGRAM = """#!/bin/sh
/usr/bin/env -0 > "$JS_OUT/${0##*/}.$$"
case "${0##*/}" in sbatch) echo 77;; esac
"""

# Each script by name: its arguments behind SLURM's directory, what it reads, and which programs it runs.
RUNS = {
    "LOOK": (["plgalice"], "60\n12\n12\n", {"squeue", "sacct"}),
    "INSPECT": (["12", "60"], "", {"squeue", "sacct"}),
    "CANCEL": (["12", "60"], "", {"scancel", "squeue", "sacct"}),
    "PING": ([], "", {"sbatch", "scontrol"}),
    "LOOKUP": (["60", "plgalice"], f"{'0' * 32}\n", {"squeue", "sacct"}),
    "DESCRIBE": (["12"], "", {"scontrol"}),
    "SUBMIT": (["10", ""], scripts.submission("", "#!/bin/sh\n", MARKER).decode() + "known\n", {"sbatch", "scontrol"}),
}
every_script = pytest.mark.parametrize("script", RUNS)


@dataclass(frozen=True)
class Login:
    """A login node of one directory, whose SLURM programs keep the environment that they find."""

    root: Path

    def run(self, name: str, script: str, text: str, extra: dict[str, str]) -> str:
        """Run `text`, the script `script`, by the shell `name`, called sh; return what it printed."""
        program = shutil.which(name)
        assert program, f"{name} is missing: make up installs it"
        arguments, stdin, _programs = RUNS[script]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home"), "JS_OUT": str(self.root / "out")}
        done = subprocess.run(
            ["sh", "-c", " ".join(text.split()), MARKER, str(self.root / "bin"), *arguments],  # noqa: S607 - argv[0]
            executable=program,
            input=stdin,
            env=environment | extra,
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        assert not (self.root / "CANARY").exists()
        return done.stdout

    @property
    def found(self) -> list[tuple[str, dict[str, str]]]:
        """Each program that has run, and the environment that it had."""
        notes = [(note.name.partition(".")[0], note.read_text()) for note in (self.root / "out").iterdir()]
        return [(tool, dict(line.split("=", 1) for line in text.split("\0") if line)) for tool, text in notes]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """A login node where nothing has run."""
    for name in ("home", "out", "bin"):
        (tmp_path / name).mkdir()
    for name in (*TOOLS, "sbatch"):
        (tmp_path / "bin" / name).write_text(PROGRAM)
        (tmp_path / "bin" / name).chmod(0o755)
    return Login(tmp_path)


@every_shell
@every_script
def test_no_question_of_ours_has_what_the_user_exports_for_theirs(login: Login, name: str, script: str) -> None:
    login.run(name, script, getattr(scripts, script), EXPORTED)
    assert {tool for tool, _ in login.found} == RUNS[script][2]
    for tool, environment in login.found:
        if tool != "sbatch":
            steering = {key: value for key, value in environment.items() if key in scripts.STEERING}
            assert steering.items() <= NEUTRAL.items(), tool


@every_shell
def test_sbatch_has_the_users_own_environment_and_nothing_of_ours(login: Login, name: str) -> None:
    login.run(name, "SUBMIT", scripts.SUBMIT, EXPORTED)
    [environment] = [environment for tool, environment in login.found if tool == "sbatch"]
    assert {key: environment.get(key) for key in EXPORTED} == EXPORTED
    given = {*EXPORTED, "PATH", "HOME", "JS_OUT"}
    of_shells = {"PWD", "OLDPWD", "SHLVL", "_", "A__z", "MKSH"}
    assert set(environment) - given <= of_shells


@every_shell
@every_script
def test_what_an_operator_has_set_for_the_cluster_steers_our_questions(login: Login, name: str, script: str) -> None:
    CLUSTER.environment = {"SLURM_CLUSTERS": "zeus", "SLURM_CONF": "/etc/slurm.conf"}
    try:
        text = gateway._script(CLUSTER, getattr(scripts, script)).text
    finally:
        CLUSTER.environment = {}
    login.run(name, script, text, EXPORTED | {"SLURM_CLUSTERS": "zeus", "SLURM_CONF": "/etc/slurm.conf"})
    assert {tool for tool, _ in login.found} == RUNS[script][2]
    for tool, environment in login.found:
        assert (environment["SLURM_CLUSTERS"], environment["SLURM_CONF"]) == ("zeus", "/etc/slurm.conf")
        assert tool == "sbatch" or "SQUEUE_STATES" not in environment


@every_script
def test_every_variable_may_be_the_operators(login: Login, script: str) -> None:
    login.run("dash", script, scripts.keeping(getattr(scripts, script), scripts.STEERING), EXPORTED)
    for _tool, environment in login.found:
        assert environment["SCANCEL_STATE"] == "PENDING"


@pytest.mark.parametrize("script", ["LOOK", "INSPECT", "CANCEL", "PING", "DESCRIBE"])
def test_functions_and_options_that_bash_takes_from_its_environment_change_no_answer(login: Login, script: str) -> None:
    expected = login.run("bash", script, getattr(scripts, script), {})
    functions = {f"BASH_FUNC_{name}%%": "() {  command echo odd\n}" for name in ("cat", "echo", "printf", "read")}
    options = {"SHELLOPTS": "errexit:noclobber:noglob:nounset", "BASH_ENV": "/nowhere", "ENV": "/nowhere"}
    assert login.run("bash", script, getattr(scripts, script), functions | options) == expected


def test_a_function_called_echo_does_not_change_the_marker() -> None:
    line = shell.script_line("true", [], {"BASH_FUNC_echo%%": "() {  command echo odd; }"}, MARKER)
    done = subprocess.run(["/bin/bash", "-c", line.replace("/bin/sh", "/bin/bash")], capture_output=True, check=True)
    assert (done.stdout.decode(), done.stderr.decode()) == (f"{MARKER}\n", f"{MARKER}\n")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_installed_program_names_no_other_variable(tool: str) -> None:
    program = shutil.which(tool)
    assert program, f"{tool} is missing: make up installs it"
    prefix = tool.upper()
    named = {
        word.decode() for word in re.findall(rb"\0(%s_[A-Z0-9_]+)(?=\0)" % prefix.encode(), Path(program).read_bytes())
    }
    assert named
    assert named <= set(scripts.STEERING)
