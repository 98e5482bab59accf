"""What a user's start-up files export for the user's own questions does not reach ours; sbatch has all of it."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from clusters import remote
from clusters.remote import Request
from clusters.slurm import shell
from clusters.ssh.agent import AgentSettings
from tests.unit.clusters.agents import SHELLS, TOKEN, LoginNode, every_shell, node

__all__ = ["node"]

MARKER = shell.marker(TOKEN)
EVIL = "x[$(touch CANARY)]`touch CANARY`'\"; touch CANARY; \n export SQUEUE_FORMAT=%i $((x[$(touch CANARY)]))"
STEERING = re.findall(r"[A-Z][A-Z0-9_]+", remote.program().partition('js_steering="')[2].partition('"')[0])
EXPORTED = {**dict.fromkeys(STEERING, EVIL), "SQUEUE_STATES": "PENDING", "SCANCEL_STATE": "PENDING"}
NEUTRAL = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}  # what we set for ourselves
TOOLS = ("squeue", "sacct", "scancel", "scontrol")

# Keeps its environment, and says what SLURM's program would.
PROGRAM = """
/usr/bin/env -0 > "$JS_OUT/${0##*/}.$$"
case "${0##*/}" in
sbatch) [ "$TEST_SILENT" ] || echo 77 ;;
squeue) [ ! "$TEST_ODD" ] || echo odd ;;
esac
"""

# Each verb by name: a request, and which programs it runs.
RUNS = {
    "ping": (Request("ping"), {"sbatch", "scontrol"}),
    "name": (Request("name"), {"scontrol"}),
    "queue": (Request("queue", ("plgalice",)), {"squeue"}),
    "history": (Request("history", (60,), text="12\n12"), {"squeue", "sacct"}),
    "inspect": (Request("inspect", (60, "plgalice", "12,13")), {"squeue", "sacct"}),
    "cancel": (Request("cancel", (60, "plgalice", 12)), {"scancel", "squeue", "sacct"}),
    "cancel_elsewhere": (Request("cancel_elsewhere", (12, "zeus")), {"scancel", "squeue"}),
    "starts": (Request("starts", (12, 60, "yes")), {"squeue", "sacct", "sinfo"}),
    "look_up": (Request("look_up", (60, "plgalice"), "0" * 32), {"squeue", "sacct"}),
    "look_up_elsewhere": (Request("look_up_elsewhere", (60, "plgalice")), {"squeue", "sacct"}),
    "describe": (Request("describe", (12, "")), {"scontrol"}),
    "describe_many": (Request("describe_many", ("12,13",)), {"scontrol"}),
    "clear": (Request("clear", (TOKEN.hex, "1" * 32)), set()),
    "progress": (Request("progress", (TOKEN.hex,)), set()),
    "tidy": (Request("tidy"), set()),
    "submit": (Request("submit", (TOKEN.hex, 10, ""), "", "#!/bin/sh\n"), {"sbatch"}),
    "submit and describe": (Request("submit", (TOKEN.hex, 10, "yes"), "", "#!/bin/sh\n"), {"sbatch", "scontrol"}),
}
every_verb = pytest.mark.parametrize("verb", RUNS)
WITHOUT_ID = {"TEST_SILENT": "yes"}  # then the controllers are asked for the submission's job


@pytest.fixture
def login(node: LoginNode) -> LoginNode:
    """A login node where nothing has run, whose programs keep the environment that they find."""
    node.has(**dict.fromkeys((*TOOLS, "sbatch", "sinfo"), PROGRAM))
    return node


def found(node: LoginNode) -> list[tuple[str, dict[str, str]]]:
    """Return each program that has run, and the environment that it had."""
    notes = [(note.name.partition(".")[0], note.read_text()) for note in node.out.iterdir()]
    return [(tool, dict(line.split("=", 1) for line in text.split("\0") if line)) for tool, text in notes]


def steered(environments: Iterable[tuple[str, dict[str, str]]]) -> list[str]:
    """Return the programs, but for sbatch, that found what is not ours."""
    return [
        tool
        for tool, environment in environments
        if tool != "sbatch" and {(key, environment[key]) for key in STEERING if key in environment} - NEUTRAL.items()
    ]


def test_every_verb_is_asked() -> None:
    assert set(re.findall(r"^verb_(\w+)\(\)", remote.program(), re.MULTILINE)) | {"submit and describe"} == set(RUNS)


@every_shell
@every_verb
def test_no_question_of_ours_has_what_the_user_exports_for_theirs(login: LoginNode, name: str, verb: str) -> None:
    with login.agent(name, EXPORTED) as agent:
        agent.ask(RUNS[verb][0])
    assert {tool for tool, _ in found(login)} == RUNS[verb][1]
    assert steered(found(login)) == []
    assert login.canaries == []


@every_shell
def test_no_search_for_a_job_without_an_id_has_it_either(login: LoginNode, name: str) -> None:
    with login.agent(name, EXPORTED | WITHOUT_ID) as agent:
        agent.ask(RUNS["submit"][0])
    assert sorted(tool for tool, _ in found(login)) == ["sbatch", "squeue", "squeue"]
    assert steered(found(login)) == []


@every_shell
def test_sbatch_has_the_users_own_environment_and_nothing_of_ours(login: LoginNode, name: str) -> None:
    logins = {"js_marker": "x", "js_text": "y", "js_own": "z", "IFS": "x", "ZSH_VERSION": "5"}
    with login.agent(name, EXPORTED | logins) as agent:
        for verb in ("ping", "queue", "history", "cancel", "look_up", "describe_many"):
            agent.ask(RUNS[verb][0])
        for note in login.out.iterdir():
            note.unlink()
        agent.ask(RUNS["submit"][0])
    [(tool, environment)] = found(login)
    assert tool == "sbatch"
    assert {key: environment.get(key) for key in EXPORTED} == EXPORTED
    assert environment["js_own"] == "z"
    given = {*EXPORTED, *logins, "PATH", "HOME", "JS_OUT", "LC_ALL", "TMPDIR"}
    of_shells = {"PWD", "OLDPWD", "SHLVL", "_", "A__z", "MKSH", "_AST_FEATURES", "LOGNAME"}
    assert set(environment) - given <= of_shells


@every_shell
@every_verb
def test_what_an_operator_has_set_for_the_cluster_steers_our_questions(login: LoginNode, name: str, verb: str) -> None:
    operators = {"SLURM_CLUSTERS": "zeus", "SLURM_CONF": "/etc/slurm.conf"}
    with login.agent(name, EXPORTED, operators) as agent:
        agent.ask(RUNS[verb][0])
    assert {tool for tool, _ in found(login)} == RUNS[verb][1]
    for tool, environment in found(login):
        assert (environment["SLURM_CLUSTERS"], environment["SLURM_CONF"]) == ("zeus", "/etc/slurm.conf")
        assert tool == "sbatch" or "SQUEUE_STATES" not in environment


@every_verb
def test_every_variable_may_be_the_operators(login: LoginNode, verb: str) -> None:
    operators = dict.fromkeys(STEERING, "PENDING")
    with login.agent(SHELLS[0], EXPORTED, operators) as agent:
        agent.ask(RUNS[verb][0])
    for _tool, environment in found(login):
        assert environment["SCANCEL_STATE"] == "PENDING"


FUNCTIONS = {
    f"BASH_FUNC_{name}%%": "() {  builtin echo odd\n}"
    for name in (
        *(
            "cd",
            "cat",
            "echo",
            "find",
            "grep",
            "head",
            "id",
            "mkdir",
            "printf",
            "read",
            "rm",
            "sleep",
            "timeout",
            "true",
        ),
        *re.findall(r"^(\w+)\(\)", remote.program(), re.MULTILINE),
    )
}
SHOPT = {"BASHOPTS": "nullglob:dotglob:nocasematch:xpg_echo:lastpipe", "BASH_ENV": "/nowhere", "ENV": "/nowhere"}


def answers(node: LoginNode, exported: dict[str, str]) -> str:
    """Return what bash answers to every verb, with these variables as well, and which files it leaves."""
    node.has(**dict.fromkeys((*TOOLS, "sbatch", "sinfo"), 'echo "${0##*/} 77"'))
    told: list[object] = []
    for request, _programs in RUNS.values():
        with node.agent("bash", exported) as agent:
            told.append((agent.ask(request), agent.told("tidy")))
    told.append(sorted(str(path) for path in (node.root / "home").glob("**/*")))
    return repr(told).replace(str(node.root), "")


@pytest.mark.parametrize(
    "exported",
    [
        FUNCTIONS,
        *(
            SHOPT | {"SHELLOPTS": options}
            for options in (
                *("errexit:noclobber:noglob:nounset", "allexport:keyword", "verbose:xtrace", "monitor:notify"),
                *("pipefail:physical", "privileged:noglob:hashall"),
            )
        ),
    ],
    ids=lambda exported: exported.get("SHELLOPTS", "functions"),
)
def test_functions_and_options_that_bash_takes_from_its_environment_change_no_answer(
    tmp_path: Path, exported: dict[str, str]
) -> None:
    for name in ("plain", "odd"):
        (tmp_path / name).mkdir()
    expected = answers(LoginNode(tmp_path / "plain"), {})
    assert answers(LoginNode(tmp_path / "odd"), exported) == expected


@every_shell
def test_greps_own_options_do_not_change_the_frame_of_an_answer(login: LoginNode, name: str) -> None:
    """Of GREP_OPTIONS, grep before 3.6 takes `--color=always`, which would stand in the lines with the marker."""
    tools = login.root / "tools"
    tools.mkdir()
    (tools / "grep").write_text('#!/bin/sh\nexec /usr/bin/env -u GREP_OPTIONS /usr/bin/grep $GREP_OPTIONS "$@"\n')
    (tools / "grep").chmod(0o755)
    path = f"{tools}:{login.path}"
    with login.agent(name, WITHOUT_ID | {"GREP_OPTIONS": "--color=always", "PATH": path}) as agent:
        assert [each.status for each in agent.ask(RUNS["submit"][0])] == [0] * 5


def test_a_function_called_echo_does_not_change_the_marker() -> None:
    line = shell.script_line("true", [], {"BASH_FUNC_echo%%": "() {  command echo odd; }"}, MARKER)
    done = subprocess.run(["/bin/bash", "-c", line.replace("/bin/sh", "/bin/bash")], capture_output=True, check=True)
    assert (done.stdout.decode(), done.stderr.decode()) == (f"{MARKER}\n", "")


def test_an_operators_variables_reach_the_agent_by_their_names_and_values() -> None:
    command = AgentSettings("/opt/slurm", (("SLURM_CONF", "/etc/a b"), ("SLURM_CLUSTERS", "zeus"))).command(MARKER)
    assert command.startswith("exec '/usr/bin/env' 'SLURM_CONF=/etc/a b' 'SLURM_CLUSTERS=zeus' '/bin/sh' '-c' ")
    assert command.endswith(f" '{MARKER}' '/opt/slurm' 'SLURM_CONF SLURM_CLUSTERS'")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_installed_program_names_no_other_variable(tool: str) -> None:
    program = shutil.which(tool)
    assert program, f"{tool} is missing: make up installs it"
    prefix = tool.upper()
    named = {
        word.decode() for word in re.findall(rb"\0(%s_[A-Z0-9_]+)(?=\0)" % prefix.encode(), Path(program).read_bytes())
    }
    assert named
    assert named <= set(STEERING)
