"""The verb `submit`: what sbatch answers, however it ends, and that it is run once."""

import getpass
import time
import uuid
from pathlib import Path

import pytest

from tests.unit.clusters.agents import EVIL, TOKEN, Asked, LoginNode, every_shell, node
from tests.unit.clusters.submissions import (
    SCRIPT,
    framed,
    login,
    ran_in,
    statuses,
)

__all__ = ["login", "node"]


def answered(node: LoginNode, agent: Asked, answer: str, status: int, describe: str = "") -> list[tuple[str, int]]:
    (node.out / "answer").write_text(answer)
    (node.out / "status").write_text(str(status))
    [(_nothing, begun), *rest] = agent.submit(SCRIPT, token=uuid.UUID(TOKEN.hex), describe=describe)
    assert begun == 0
    agent.told("clear", TOKEN.hex, "")
    return rest


@every_shell
def test_an_answer_is_the_id_alone_and_a_job_is_described_where_that_is_asked_for(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        for told, scontrol in (("77", "show job 77"), ("77;prometheus", "-M prometheus show job 77")):
            assert answered(login, agent, f"{told}\n", 0) == [(told, 0)]
            assert answered(login, agent, f"{told}\n", 0, "yes") == [
                (told, 0),
                ("words", 0),
                (f"scontrol {scontrol}", 0),
            ]
        [_, _, (described, _status)] = answered(login, agent, f"77;{EVIL}\n", 0, "yes")
    assert described.startswith("scontrol -M x[$(touch CANARY)]")
    assert login.canaries == []


@every_shell
def test_where_sbatch_ends_well_without_an_id_the_controllers_are_asked(login: LoginNode, name: str) -> None:
    me = getpass.getuser()
    calls = [f"CLUSTER: -t all -o %i|%o -u {me}", f"CLUSTER: -t all -o %i|%o -M all -u {me}"]
    with login.agent(name) as agent:
        assert answered(login, agent, "", 0) == [("", 0), ("words", 0), *((call, 0) for call in calls)]
        (login.out / "squeue").write_text("5")
        assert answered(login, agent, "", 0)[2:] == [(call, 5) for call in calls]
        (login.out / "job").touch()
        job = f"78|/home/x/.job-submitter/{TOKEN.hex}/job.sh"
        assert answered(login, agent, "Welcome\n", 0) == [
            ("Welcome", 0), ("words", 0), *((f"{call}\n{job}", 5) for call in calls)
        ]  # fmt: skip


@every_shell
def test_an_sbatch_that_fails_is_told_with_its_errors(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        for describe in ("", "yes"):
            assert answered(login, agent, "", 3, describe) == [("", 3), ("words", 0)]
            assert answered(login, agent, "oops\nodd", 3, describe) == [("oops\nodd", 3), ("words", 0)]
            described = ("scontrol show job 77", 0)
            assert answered(login, agent, "77\n", 3, describe) == [("77", 3), ("words", 0), described]
            for more in ("Welcome\n77\n", "77\nsee you", "77\n\n", "76\n77\n"):
                whole = more.strip()
                assert answered(login, agent, more, 0, describe) == [(whole, 0), ("words", 0), described], more


@every_shell
def test_a_line_that_has_not_ended_tells_no_id(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        assert answered(login, agent, "7", 3) == [("7", 3), ("words", 0)]
        [_said, _words, own, _all] = answered(login, agent, "7", 0)
    assert own[0].startswith("CLUSTER: ")


@every_shell
def test_of_much_that_sbatch_prints_the_beginning_is_told(login: LoginNode, name: str) -> None:
    login.has(sbatch="echo 77; seq 100000 110000 | tr '\\n' ' '; seq 100000 >&2; exit 3")
    with login.agent(name) as agent:
        [_begun, said, words, described] = agent.ask(framed(SCRIPT))
        assert agent.told("tidy") == [("", 0)]
    assert said.output.startswith(b"77\n100000 100001 ")
    assert words.output.startswith(b"1\n2\n")
    assert [24_500 < len(each.output) <= 24_576 for each in (said, words)] == [True, True]
    assert described.output == b"scontrol show job 77\n"


@every_shell
def test_an_sbatch_that_prints_very_much_is_not_made_to_fail_by_that(login: LoginNode, name: str) -> None:
    login.has(sbatch="seq 100000 | sed s,^,line, || exit 1; echo 77")
    with login.agent(name) as agent:
        [_begun, (said, status), _errors, *listings] = agent.submit(SCRIPT)
    assert (said.startswith("line1\nline2\n"), status, len(listings)) == (True, 0, 2)
    kept = (login.traces / TOKEN.hex / "answer").read_text().split("\n")
    assert (kept[:100], kept[-2:]) == ([f"line{n}" for n in range(1, 101)], [f"--{TOKEN.hex}-- 0", ""])
    assert len(kept) < 110


@every_shell
@pytest.mark.parametrize("number", [1, 99, 100])
def test_an_id_is_found_among_many_lines(login: LoginNode, name: str, number: int) -> None:
    login.has(sbatch=f"seq {number - 1} | sed s,^,line,; echo 77; echo end")
    with login.agent(name) as agent:
        assert agent.submit(SCRIPT)[-1] == ("scontrol show job 77", 0)


@every_shell
def test_an_sbatch_that_does_not_end_is_ended(login: LoginNode, name: str) -> None:
    login.has(sbatch="echo $$ > $JS_OUT/process; echo waiting >&2; exec sleep 1000")
    with login.agent(name) as agent:
        assert agent.submit(SCRIPT, seconds=1) == [("", 0), ("", 124), ("waiting", 0)]
    assert not Path("/proc", (login.out / "process").read_text().strip()).exists()


@every_shell
def test_what_sbatch_says_is_kept_with_its_end_unless_it_is_an_id_alone(login: LoginNode, name: str) -> None:
    kept = login.traces / TOKEN.hex
    for answer, status, end in (
        *(("77\n", 0, ""), ("", 3, f"\n--{TOKEN.hex}-- 3\n"), ("oops", 3, f"\n--{TOKEN.hex}-- 3\n")),
        *(("77\n", 3, f"\n--{TOKEN.hex}-- 3\n"), ("", 0, f"\n--{TOKEN.hex}-- 0\n")),
    ):
        (login.out / "answer").write_text(answer)
        (login.out / "status").write_text(str(status))
        with login.agent(name) as agent:
            agent.submit(SCRIPT)
            assert ((kept / "answer").read_text(), (kept / "error").read_text()) == (answer + end, "words\n")
            assert (kept / "job.sh").read_text() == SCRIPT
            assert {path.name for path in kept.iterdir()} == {"answer", "error", "job.sh"}
            agent.told("clear", TOKEN.hex, "")


@every_shell
def test_what_another_has_claimed_is_not_submitted_and_no_section_says_that_sbatch_began(
    login: LoginNode, name: str
) -> None:
    directory = login.traces / TOKEN.hex
    directory.mkdir(parents=True)
    (directory / "job.sh").touch()
    with login.agent(name) as agent:
        assert agent.submit(SCRIPT) == [("", 75)]
    assert ran_in(login) is None
    assert ([path.name for path in directory.iterdir()], (directory / "job.sh").read_text()) == (["job.sh"], "")


@every_shell
def test_a_submission_that_is_made_twice_is_made_once(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent, login.agent(name) as another:
        assert statuses(agent.submit(SCRIPT)) == [0, 0]
        (login.out / "script").unlink()
        assert statuses(another.submit("#!/bin/sh\nother\n")) == [75]
        assert statuses(agent.submit(SCRIPT)) == [75]
    assert not (login.out / "script").exists()


@every_shell
def test_of_many_agents_that_submit_the_same_one_does(login: LoginNode, name: str) -> None:
    login.has(sbatch='echo >> "$JS_OUT/count"; echo 77')
    data = framed(SCRIPT)
    with login.agent(name) as one, login.agent(name) as two, login.agent(name) as three:
        agents = [one, two, three]
        for each in agents:
            each.agent.send(data, timeout=60)
        ends = [[section.status for section in each.agent.reply(time.monotonic() + 60, 60).sections] for each in agents]
    assert sorted(ends) == [[0, 0], [75], [75]]
    assert (login.out / "count").read_text() == "\n"


@every_shell
def test_sbatchs_command_line_has_the_token(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
    expected = f"--parsable {login.traces}/{TOKEN.hex}/job.sh"
    assert (login.out / "arguments").read_text().strip() == expected
    assert (login.traces.stat().st_mode & 0o777, (login.traces / TOKEN.hex).stat().st_mode & 0o777) == (0o700, 0o700)
