"""Questions about jobs, and orders to SLURM, asked by every shell that may be /bin/sh on a login node."""

import pytest

from clusters.remote import Request
from tests.unit.clusters.agents import LoginNode, every_shell, node

__all__ = ["node"]

QUEUE = "squeue -h -t all --noconvert -o %i|%u|%T|%V|%S|%e|%M|%D|%C|%N|%r"
FIELDS = "JobID,User,State,ExitCode,Submit,Start,End,ElapsedRaw,AllocNodes,AllocCPUS,NodeList"
SACCT = f"sacct -a -X -P -n --noconvert -o {FIELDS}"
STARTS = "sacct -X -P -n -D -o JobID,JobIDRaw,Submit,NodeList -S now-60seconds -j 12"


@pytest.fixture
def login(node: LoginNode) -> LoginNode:
    """A login node whose programs say how they were called."""
    for tool in ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo"):
        node.has(**{tool: f'echo "{tool} $*"'})
    return node


@every_shell
def test_each_question_is_asked_of_slurm_in_its_words(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        assert agent.told("ping") == [("sbatch --version", 0), ("scontrol ping", 0)]
        assert agent.told("name") == [("scontrol show config", 0)]
        assert agent.told("describe", 12, "") == [("scontrol show job 12", 0)]
        assert agent.told("describe", 12, "zeus") == [("scontrol -M zeus show job 12", 0)]
        assert agent.told("queue", "") == [(QUEUE, 0), ("", 0)]
        assert agent.told("queue", "plgalice") == [(f"{QUEUE} -u plgalice", 0), ("", 0)]
        assert agent.told("cancel_elsewhere", 12, "zeus") == [
            ("scancel -M zeus -Q 12", 0), ("squeue -M zeus -h -t all -j 12 -o %T", 0)
        ]  # fmt: skip
        started = [("squeue -h -t all -j 12 -o %i|%A|%V|%N", 0), (STARTS, 0)]
        assert agent.told("starts", 12, 60, "") == started
        assert agent.told("starts", 12, 60, "yes") == [*started, ("sinfo -h -N -o %N|%n", 0)]


@every_shell
@pytest.mark.parametrize("number", [1, 2, 3_000])
def test_the_history_of_any_number_of_jobs_is_asked_for_at_once(login: LoginNode, name: str, number: int) -> None:
    ids = ",".join(str(4_000_000_000 + each) for each in range(number))
    codes = f"squeue -h -t all -j {ids} -O JobArrayID:40,exit_code:20"
    sacct = f"{SACCT} -D -S now-60seconds -j {ids}"
    with login.agent(name) as agent:
        for ended, expected in ((ids, codes), ("", "")):
            found = agent.ask(Request("history", (60,), text=f"{ended}\n{ids}"), limit=1_000_000)
            assert [(each.text.strip(), each.status) for each in found] == [(expected, 0), (sacct, 0), ("", 0)]


@every_shell
def test_accounting_is_not_asked_about_no_jobs_which_would_be_all(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        for ended in ("", "12"):
            codes, *sacct = agent.ask(Request("history", (60,), text=f"{ended}\n"))
            assert (ended in codes.text, [(each.output, each.status) for each in sacct]) == (True, [(b"", 0), (b"", 0)])


@every_shell
def test_errors_are_apart_from_a_long_answer(login: LoginNode, name: str) -> None:
    fails = "echo 12; echo oops >&2; seq 10000 >&2; exit 3"
    login.has(squeue=fails, sacct=fails)
    with login.agent(name) as agent:
        for request in (Request("queue", ("",)), Request("history", (60,), text="\n12")):
            rows, errors = agent.ask(request)[-2:]
            assert (rows.output, rows.status) == (b"12\n", 3)
            assert (errors.output[:7], len(errors.output), errors.status) == (b"oops\n1\n", 4096, 0)


@every_shell
def test_the_exit_codes_are_no_part_of_accountings_answer_whatever_comes_of_them(login: LoginNode, name: str) -> None:
    login.has(squeue="echo oops >&2; exit 1")
    with login.agent(name) as agent:
        codes, sacct, _errors = agent.ask(Request("history", (60,), text="12\n12"))
    assert (codes.output, codes.status, sacct.status) == (b"", 1, 0)
    assert sacct.text.startswith("sacct ")


def squeue_tells(node: LoginNode, *names: str, status: int = 0) -> None:
    rows = "".join(f"{name}|plgalice|RUNNING\n" for name in names)
    (node.out / "rows").write_text(rows)
    node.has(squeue=f'cat "$JS_OUT/rows"; exit {status}')


@every_shell
def test_accounting_is_asked_about_the_jobs_that_squeue_does_not_know(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        for told, unknown in (
            ((), "12,3,45"), (("12", "3", "45"), ""), (("12",), "3,45"), (("12_[1-3]", "45+0"), "3"),
            (("12_1", "12_2", "3"), "45"),
            (("123", "112", "4", "5"), "12,3,45"), (("45+0", "45+1", "12", "3_9"), ""), (("45",), "12,3"),
        ):  # fmt: skip
            squeue_tells(login, *told)
            squeue, *sacct = agent.told("inspect", 60, "plgalice", "12,3,45")
            assert squeue == ("\n".join(f"{each}|plgalice|RUNNING" for each in told), 0)
            assert sacct == ([(f"{SACCT} -S now-60seconds -j {unknown}", 0)] if unknown else [])


@every_shell
def test_one_job_is_asked_about_by_its_id_and_several_by_their_owner(login: LoginNode, name: str) -> None:
    with login.agent(name) as agent:
        assert agent.told("inspect", 60, "plgalice", 12)[0] == (f"{QUEUE} -j 12", 0)
        assert agent.told("inspect", 60, "plgalice", "12,3")[0] == (f"{QUEUE} -u plgalice -j 12,3", 0)


@every_shell
def test_how_squeue_ends_is_told_with_its_errors(login: LoginNode, name: str) -> None:
    login.has(squeue="echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    with login.agent(name) as agent:
        [squeue, (sacct, _status)] = agent.told("inspect", 60, "plgalice", 12)
    assert squeue == ("slurm_load_jobs error: Invalid job id specified", 1)
    assert sacct.endswith(" -j 12")


@every_shell
def test_many_are_cancelled_at_once_and_then_inspected(login: LoginNode, name: str) -> None:
    squeue_tells(login, "12", "45")
    login.has(scancel='echo "scancel $*"; exit 3')
    with login.agent(name) as agent:
        scancel, squeue, sacct = agent.told("cancel", 60, "plgalice", "12,3,45,6")
        assert scancel == ("scancel -Q 12 3 45 6", 3)
        assert squeue[0].count("RUNNING") == 2
        assert sacct == (f"{SACCT} -S now-60seconds -j 3,6", 0)
        assert len(agent.told("cancel", 60, "plgalice", 12)) == 2


@every_shell
def test_a_long_answer_is_told_whole_or_not_at_all(login: LoginNode, name: str) -> None:
    """Mksh has no printf of its own, and a program takes no argument of this length."""
    squeue_tells(login, *(f"12_{task}" for task in range(10_000)))
    with login.agent(name) as agent:
        reply = agent.agent.ask(Request("inspect", (60, "plgalice", "12,3")), timeout=60, limit=1_000_000)
        ids = ",".join(str(4_000_000_000 + each) for each in range(13_000))
        told = [len(each.output.split(b"\n")) for each in reply.sections]
    with login.agent(name) as agent:
        asked = agent.agent.ask(Request("history", (60,), text=f"12\n{ids}"), timeout=60, limit=1_000_000)
    found = [reply.ended, told, asked.ended, len(asked.sections)]
    assert found == (["70", [], "70", 0] if name == "mksh" else ["", [10_001, 2], "", 3])
