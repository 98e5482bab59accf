"""What submissions leave in the home: shown, claimed and removed by every shell that may be /bin/sh on a login node."""

import os
import shutil
import uuid

import pytest

from clusters import remote
from clusters.remote import Request
from tests.unit.clusters.agents import TOKEN, LoginNode, every_shell, node

__all__ = ["node"]

SCRIPT = "#!/bin/sh\ntrue\n"
OTHER = uuid.UUID("f" * 32)
NEW = uuid.UUID("e" * 32)


@pytest.fixture
def login(node: LoginNode) -> LoginNode:
    """A login node where nothing has been submitted."""
    node.has(
        sbatch="[ $# = 2 ] && echo 77; echo words >&2",
        scontrol='echo scontrol "$@"; exec cat',
        squeue='echo "squeue $*"',
        sacct='[ "$1" = -e ] || echo "sacct $*"',
    )
    return node


def traces(node: LoginNode) -> set[str]:
    """Return the names of what is in the directory of submissions."""
    return {path.name for path in node.traces.iterdir()}


def listed(*items: object) -> str:
    return ",".join(map(str, items))


@every_shell
def test_many_jobs_are_described_many_traces_removed_and_many_directories_made(login: LoginNode, name: str) -> None:
    tokens, new = ([uuid.uuid4().hex for _ in range(32)] for _ in range(2))
    with login.agent(name) as agent:
        for token in tokens:
            agent.submit(SCRIPT, token=uuid.UUID(token))
        (login.traces / "another").mkdir()
        jobs = range(4_000_000_000, 4_000_000_032)
        [(told, status)] = agent.told("describe_many", listed(*jobs))
        assert agent.told("clear", listed(*tokens), listed(*new)) == [("", 0)]
        assert (told.split("\n"), status) == (["scontrol", *(f"show job {job}" for job in jobs), "quit"], 0)
        agent.told("tidy")
    assert traces(login) == {*new, "another"}
    assert {(login.traces / token).stat().st_mode & 0o777 for token in new} == {0o700}


@every_shell
def test_lists_may_be_empty(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        assert agent.told("describe_many", "") == [("", 0)]
        assert agent.told("clear", "", "") == [("", 0)]
        assert agent.told("describe_many", "12") == [("scontrol\nshow job 12\nquit", 0)]
        assert agent.told("clear", TOKEN.hex, "") == [("", 0)]
        assert agent.told("clear", TOKEN.hex, NEW.hex) == [("", 0)]
        assert agent.told("clear", OTHER.hex, NEW.hex) == [("", 0)]
    assert traces(login) == {NEW.hex}


@every_shell
def test_a_prepared_directory_is_used(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        agent.told("clear", TOKEN.hex, NEW.hex)
        agent.told("tidy")
        prepared = (login.traces / NEW.hex).stat().st_ino
        assert agent.submit(SCRIPT, token=NEW) == [("", 0), ("77", 0)]
    assert (login.traces / NEW.hex).stat().st_ino == prepared
    assert (login.traces / NEW.hex / "job.sh").read_text() == SCRIPT


@every_shell
def test_a_prepared_directory_that_vanishes_is_made_again(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        agent.told("clear", TOKEN.hex, NEW.hex)
        agent.told("tidy")
        shutil.rmtree(login.traces)
        assert agent.submit(SCRIPT, token=NEW) == [("", 0), ("77", 0)]
    assert traces(login) == {NEW.hex}


@every_shell
@pytest.mark.parametrize(("number", "left"), [(10, 10), (255, 0)])
def test_where_directories_become_many_the_old_ones_go(login: LoginNode, name: str, number: int, left: int) -> None:
    login.traces.mkdir()
    for each in ("young", *(f"old{n}" for n in range(number))):
        (login.traces / each).mkdir()
    for n in range(number):
        os.utime(login.traces / f"old{n}", (0, 0))
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        agent.told("clear", TOKEN.hex, NEW.hex)
        agent.told("ping")
    assert traces(login) == {"young", NEW.hex} | {f"old{n}" for n in range(left)}


@every_shell
def test_tidy_removes_what_is_older_than_a_day(login: LoginNode, name: str) -> None:
    (login.traces / "old" / "x").mkdir(parents=True)
    (login.traces / "young").mkdir()
    os.utime(login.traces / "old", (0, 0))
    with login.agent(name) as agent:
        assert agent.told("tidy") == [("", 0)]
    assert traces(login) == {"young"}


@every_shell
def test_where_there_is_no_home_nothing_is_cleared_and_the_agent_goes_on(login: LoginNode, name: str) -> None:
    with login.agent(name, {"HOME": str(login.root / "nowhere")}) as agent:
        assert agent.told("describe_many", "12") == [("scontrol\nshow job 12\nquit", 0)]
        assert agent.told("clear", TOKEN.hex, NEW.hex) == [("", 0)]
        [(_words, status)] = agent.told("tidy")
        assert status == 1
        assert agent.told("look_up", 60, "plgalice", line=TOKEN.hex)[0] == ("nowhere", 0)


@every_shell
def test_progress_shows_what_sbatch_has_said_so_far(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        [(_words, status)] = agent.told("progress", TOKEN.hex)
        assert status != 0
        (login.traces / TOKEN.hex).mkdir(parents=True)
        for said in ("77\nand more", "7", "x" * 30_000):
            (login.traces / TOKEN.hex / "answer").write_text(said)
            [answer] = agent.ask(Request("progress", (TOKEN.hex,)))
            assert (answer.text, answer.status) == (said[:24_576], 0)


@every_shell
def test_a_submission_that_is_found_missing_cannot_be_made_later(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        fate, errors, *_slurm = agent.told("look_up", 60, "plgalice", line=TOKEN.hex)
        assert (fate, errors[0]) == (("fenced", 0), "")
        assert agent.submit(SCRIPT) == [("", 75)]
        assert agent.told("look_up", 60, "plgalice", line=TOKEN.hex)[0] == ("fenced", 0)
    kept = login.traces / TOKEN.hex
    assert {path.name: path.read_text() for path in kept.iterdir()} == {"job.sh": "", "fenced": ""}


@every_shell
def test_a_prepared_directory_claims_nothing(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        agent.told("clear", TOKEN.hex, NEW.hex)
        assert agent.told("look_up", 60, "plgalice", line=NEW.hex)[0] == ("fenced", 0)
        assert agent.submit(SCRIPT, token=NEW) == [("", 75)]


@every_shell
def test_a_submission_that_has_begun_is_told_with_what_sbatch_has_said(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        agent.submit(SCRIPT)
        found = agent.told("look_up", 60, "plgalice", line=f"{TOKEN.hex} {OTHER.hex}")
        assert found[:3] == [("claimed\n77", 0), ("words", 0), ("fenced", 0)]
        assert len(found) == 2 * 2 + 2
        (login.traces / NEW.hex).mkdir()
        (login.traces / NEW.hex / "job.sh").touch()
        assert agent.told("look_up", 60, "plgalice", line=NEW.hex)[0][0] == "claimed"


@every_shell
def test_what_slurm_remembers_of_the_accounts_jobs_is_told_after_the_traces(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        asked = ("squeue -h -t all -o %i|%o -u plgalice", 0), (
            "sacct -u plgalice -X -P -n -D -o JobID,SubmitLine -S now-60seconds", 0
        )  # fmt: skip
        assert tuple(agent.told("look_up", 60, "plgalice", line="")) == asked
        assert tuple(agent.told("look_up", 60, "plgalice", line=TOKEN.hex)[2:]) == asked
        assert agent.told("look_up_elsewhere", 60, "plgalice") == [
            ("squeue -t all -o %i|%o -M all -u plgalice", 0), ("", 0)
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ("Account JobID State", "JobID"),
        ("Account JobID State\nSubmit SubmitLine Suspended", "JobID,SubmitLine"),
        ("", "JobID,SubmitLine"),  # where that is not told, an error is better than a job that is not seen
    ],
)
def test_accounting_is_asked_for_command_lines_unless_it_has_none(login: LoginNode, fields: str, asked: str) -> None:
    login.has(sacct=f'[ "$1" = -e ] && echo "{fields}" || echo "$@"')
    with login.agent() as agent:
        *_, (sacct, _status) = agent.told("look_up", 60, "plgalice", line="")
        assert f"-o {asked} -S now-60seconds" in sacct
        *_, (sacct, _status) = agent.told("look_up_elsewhere", 60, "plgalice")
    assert ("-o Cluster,JobID,SubmitLine -S now-60seconds" in sacct) == ("SubmitLine" in fields)


@every_shell
def test_what_programs_print_that_should_not_is_in_no_answer(login: LoginNode, name: str) -> None:
    (login.root / "tools").mkdir()
    for tool in ("rm", "mkdir", "find", "mkfifo"):
        (login.root / "tools" / tool).write_text(f'#!/bin/sh\necho odd\nexec /usr/bin/{tool} "$@"\n')
        (login.root / "tools" / tool).chmod(0o755)
    (login.traces / "many").mkdir(parents=True)
    for number in range(256):
        (login.traces / f"many{number}").mkdir()
    with login.agent(name, {"PATH": f"{login.root}/tools:{login.path}"}) as agent:
        assert agent.submit(SCRIPT)[1:] == [("77", 0)]
        assert agent.told("clear", TOKEN.hex, NEW.hex) == [("", 0)]
        assert agent.told("look_up", 60, "plgalice", line=OTHER.hex)[:2] == [("fenced", 0), ("", 1)]
        assert agent.told("describe", 12, "") == [("scontrol show job 12", 0)]
        assert agent.agent.usable


@every_shell
def test_a_search_leaves_what_may_be_looked_for_however_old_it_is(login: LoginNode, name: str) -> None:
    old = login.traces / TOKEN.hex
    old.mkdir(parents=True)
    (old / "job.sh").touch()
    (old / "answer").write_text("77\n")
    os.utime(old, (0, 0))
    with login.agent(name) as agent:
        for _ in range(2):
            [(fate, _status), *_rest] = agent.told("look_up", 60, "plgalice", line=TOKEN.hex)
            assert fate.split() == ["claimed", "77"]
    assert traces(login) == {TOKEN.hex}
    assert login.traces.name == remote.DIRECTORY
