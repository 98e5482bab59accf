"""The verb `submit`, where the home or the temporary directory does not take what it writes."""

import uuid
from collections.abc import Callable

import pytest

from clusters import remote
from tests.unit.clusters.agents import TOKEN, LoginNode, every_shell, installed, node
from tests.unit.clusters.submissions import (
    SCRIPT,
    framed,
    given,
    login,
    statuses,
)

__all__ = ["login", "node"]


Breaking = Callable[[LoginNode], dict[str, str]]


def home_that_is_gone(node: LoginNode) -> dict[str, str]:
    return {"HOME": str(node.root / "nowhere")}


def home_that_is_a_file(node: LoginNode) -> dict[str, str]:
    (node.root / "file").touch()
    return {"HOME": str(node.root / "file")}


def home_where_a_file_is_in_the_way(node: LoginNode) -> dict[str, str]:
    node.traces.touch()
    return {}


def no_place_for_temporary_files(node: LoginNode) -> dict[str, str]:
    return home_that_is_gone(node) | {"TMPDIR": str(node.root / "nowhere")}


@every_shell
@pytest.mark.parametrize("broken", [home_that_is_gone, home_that_is_a_file, home_where_a_file_is_in_the_way])
def test_where_the_home_takes_no_file_the_script_is_among_temporary_ones(
    login: LoginNode, name: str, broken: Breaking
) -> None:
    with login.agent(name, broken(login)) as agent:
        assert agent.submit(SCRIPT, "/tmp") == [("", 0), ("77", 0)]  # noqa: S108 - a directory that is there
        at = login.root / "tmp" / TOKEN.hex
        assert (login.out / "arguments").read_text() == f"--parsable {at}/job.sh\n"
        assert (given(login), (at / "answer").read_text(), at.stat().st_mode & 0o777) == (
            SCRIPT.encode(),
            "77\n",
            0o700,
        )
        assert agent.told("progress", TOKEN.hex) == [("77", 0)]
        agent.told("clear", TOKEN.hex, "")
    assert not at.exists()


@every_shell
@pytest.mark.parametrize("script", [SCRIPT, SCRIPT * 1000])
def test_where_no_file_can_be_written_the_script_comes_on_standard_input(
    login: LoginNode, name: str, script: str
) -> None:
    with login.agent(name, no_place_for_temporary_files(login)) as agent:
        described = ("scontrol show job 77", 0)
        assert agent.submit(script, "/tmp") == [("", 0), ("77\nwords", 0), ("", 0), described]  # noqa: S108
        assert ((login.out / "arguments").read_text(), given(login)) == ("--parsable\n", script.encode())
        (login.out / "answer").write_text("")
        (login.out / "status").write_text("4")
        assert agent.submit(script, "/tmp") == [("", 0), ("words", 4), ("", 0)]  # noqa: S108


# ksh93 is ended by SIGXFSZ, as if nobody had it ignored; a full file system it finds as the others do.
@pytest.mark.parametrize("name", installed("ksh93", "posh"))
def test_a_script_for_which_there_is_not_room_enough_reaches_sbatch_whole(login: LoginNode, name: str) -> None:
    login.has(sbatch='echo "$*" > "$JS_OUT/arguments"; cat "${2:-/dev/stdin}" | cksum > "$JS_OUT/script"; echo 77')
    script = SCRIPT * 1000
    with login.agent(name, file_size=9000) as agent:
        assert statuses(agent.submit(script)) == [0, 0, 0, 0]
    assert (login.out / "arguments").read_text() == "--parsable\n"
    whole = login.root / "whole"
    whole.write_text(script)
    assert given(login).split()[1] == str(len(script.encode())).encode()


@every_shell
def test_no_pipe_is_left_however_an_agent_ends(login: LoginNode, name: str) -> None:
    for end in ("", "nonsense\n", "submit"):
        for home in ("home", "nowhere"):
            with login.agent(name, {"HOME": str(login.root / home)}) as agent:
                assert agent.submit(SCRIPT, "/tmp", token=uuid.uuid4())[1] == ("77", 0)  # noqa: S108 - it is there
                agent.ends_with(end.encode())
    left = [*(login.root / "tmp").iterdir(), *login.traces.iterdir()]
    assert [path for path in left if path.is_fifo()] == []


@every_shell
def test_where_the_pipe_cannot_be_among_temporary_files_it_is_in_the_home(login: LoginNode, name: str) -> None:
    with login.agent(name, {"TMPDIR": str(login.root / "nowhere")}) as agent:
        assert agent.submit(SCRIPT) == [("", 0), ("77", 0)]
        assert agent.submit(SCRIPT, token=uuid.uuid4()) == [("", 0), ("77", 0)]
    assert [path for path in login.traces.iterdir() if path.is_fifo()] == []


@every_shell
def test_where_no_pipe_can_be_made_a_file_is_in_its_place(login: LoginNode, name: str) -> None:
    (login.root / "tools").mkdir()
    (login.root / "tools" / "mkfifo").write_text("#!/bin/sh\nexit 1\n")
    (login.root / "tools" / "mkfifo").chmod(0o755)
    with login.agent(name, {"PATH": f"{login.root}/tools:{login.path}"}) as agent:
        described = ("scontrol show job 77", 0)
        assert agent.submit(SCRIPT) == [("", 0), ("77", 0), ("words", 0), described]
    assert given(login) == SCRIPT.encode()


@every_shell
def test_a_directory_that_vanishes_before_sbatch_runs_does_not_keep_the_agent(login: LoginNode, name: str) -> None:
    (login.root / "tools").mkdir()
    (login.root / "tools" / "mkfifo").write_text(f'#!/bin/sh\nrm -r {login.traces}\nexec /usr/bin/mkfifo "$@"\n')
    (login.root / "tools" / "mkfifo").chmod(0o755)
    with login.agent(name, {"PATH": f"{login.root}/tools:{login.path}"}) as agent:
        reply = agent.agent.ask(framed(SCRIPT), timeout=10)
        assert [section.status == 0 for section in reply.sections] == [True, False, True, True, True]
        assert agent.submit(SCRIPT) == [("", 0), ("77", 0)]


def test_a_directory_that_is_long_and_relative_is_not_entered_where_the_whole_is_too_long(login: LoginNode) -> None:
    with login.agent() as agent:
        assert statuses(agent.submit(SCRIPT, "x/" * 2040)) == [1]
    assert remote.LONGEST_DIRECTORY == 4095
