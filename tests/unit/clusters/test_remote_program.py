"""The agent's program as a whole: how it gets to the login node, what frames its answers, what it costs."""

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters import remote
from clusters.errors import Refused
from clusters.remote import Request
from clusters.slurm import shell
from clusters.ssh.agent import AgentSettings
from tests.unit.clusters.agents import SHELLS, TOKEN, LoginNode, every_shell, installed, node

__all__ = ["node"]

MARKER = shell.marker(TOKEN)
SCRIPT = "#!/bin/sh\ntrue\n"
MIB = 1024 * 1024


def test_what_starts_it_can_be_quoted_for_every_login_shell() -> None:
    assert AgentSettings("/opt/slurm/bin", (("SLURM_CONF", "/etc/slurm.conf"),)).command(MARKER)


def test_it_reckons_with_nothing_and_evaluates_nothing_but_itself() -> None:
    program = remote.program()
    assert not {"eval", "expr", "let", "source", "."} & set(program.replace(";", " ").split())
    assert "$((" not in program
    assert "`" not in program
    assert set(re.findall(r"(\S+) -(?:lt|le|gt|ge|eq|ne) (\S+)", program)) == {
        *(('"$#"', "256"), ('"${#js_count}"', "99"))
    }
    assert re.findall(r"eval (\S+)", remote.BOOT) == ['"$js_all";']


def test_its_variables_are_its_own() -> None:
    program = f"{remote.BOOT}\n{remote.program()}"
    assigned = set(re.findall(r"(?:^|[\s;{(])([A-Za-z_][A-Za-z0-9_]*)=", program)) | set(
        re.findall(r"for (\w+)", program)
    )
    assert {name for name in assigned if not name.startswith("js_")} == {
        *("IFS", "LC_ALL", "GREP_OPTIONS", "TMOUT"),  # for one command each
        *("SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN"),  # in a subshell
    }


def test_comments_and_indentation_are_not_sent() -> None:
    lines = remote.program().split("\n")
    assert [line for line in lines[:-1] if line.startswith("#") or line != line.strip() or not line] == []
    assert lines[-2:] == ["js_serve", ""]


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5_000)


@given(words)
def test_a_text_is_framed_as_a_line_or_with_its_number_of_bytes(text: str) -> None:
    header, _, rest = Request("history", (60,), text=text).framed(MARKER).partition(b"\n")
    verb, since, size = header.split(b" ")
    assert (verb, since) == (b"history", b"60")
    inline = text.replace("\\", "\\\\").replace("\n", "\\n").encode() + b"\n"
    assert (size, rest) in {(b"0", inline), (b"%d" % (len(text.encode()) + len(MARKER)), f"{text}{MARKER}".encode())}
    assert (size == b"0") == (len(inline) <= 4_097)


def test_an_empty_field_is_a_hyphen() -> None:
    assert Request("clear", ("", "a")).framed(MARKER) == b"clear - a\n"


@pytest.mark.parametrize("field", ["a b", "a\nb", "\t", " ", "a\x0bb", "a\u2028b", "a\xa0b"])
def test_a_field_with_blanks_is_not_framed(field: str) -> None:
    with pytest.raises(ValueError, match="a field with blanks"):
        Request("describe", (12, field)).framed(MARKER)


@pytest.mark.parametrize("line", ["a\nb", "\n", "a\0b"])
def test_a_line_that_is_none_is_not_framed(line: str) -> None:
    with pytest.raises(ValueError, match="a line that is none"):
        Request("submit", (), line, "").framed(MARKER)


@every_shell
@pytest.mark.parametrize(
    "output",
    [
        *(b"", b"\n", b"\n\n\n", b"x", b"x\n", b"x\n\n", b" ", b"\\n", b"%s", b"-n", b"--", "ą\n".encode(), b"\x1b[0m"),
        *(b" end\n", b"\n-- 0 end\n", b"--0123-- 0 end\n", f"\n{MARKER} 0 end\n".encode()),
        *(b"x" * 60_000, b"x\n" * 30_000, b"\n" * 60_000),
    ],
    ids=range(20),
)
def test_whatever_a_command_prints_is_one_section(node: LoginNode, name: str, output: bytes) -> None:
    (node.out / "output").write_bytes(output)
    node.has(scontrol='cat "$JS_OUT/output"; exit 7', sbatch="echo next", squeue='cat "$JS_OUT/output" >&2; exit 8')
    with node.agent(name) as agent:
        for _ in range(2):
            assert [(each.output, each.status) for each in agent.ask(Request("name"))] == [(output, 7)]
            assert [(each.output, each.status) for each in agent.ask(Request("ping"))] == [(b"next\n", 0), (output, 7)]
            rows, errors = agent.ask(Request("queue", ("",)))
            assert (rows.output, rows.status, errors.status) == (b"", 8, 0)
            assert errors.output[:4_000].rstrip(b"\n") == output[:4_000].rstrip(b"\n")


@pytest.mark.parametrize("name", installed("yash", "posh"))
def test_errors_that_are_no_text_are_told_as_they_are(node: LoginNode, name: str) -> None:
    """Yash has characters where the others have bytes, and leaves out what is none."""
    node.has(squeue="printf '12\\377\\n'; printf 'a\\377\\376b' >&2")
    with node.agent(name) as agent:
        assert [each.output for each in agent.ask(Request("queue", ("",)))] == [b"12\xff\n", b"a\xff\xfeb"]


@every_shell
def test_an_answer_of_10_mib_is_one_section(node: LoginNode, name: str) -> None:
    node.has(squeue="yes 12345 2>/dev/null | head -c 10485760; exit 3", sbatch="", scontrol="echo here")
    with node.agent(name) as agent:
        rows, errors = agent.ask(Request("queue", ("",)), limit=11 * MIB)
        assert (len(rows.output), rows.status, errors.output, errors.status) == (10 * MIB, 3, b"", 0)
        reply = agent.agent.ask(Request("queue", ("",)), timeout=60, limit=8 * MIB)
        assert (reply.truncated, reply.ended) == (True, "")
        assert agent.told("name") == [("here", 0)]


@every_shell
def test_a_program_that_is_missing_is_told_by_its_status(node: LoginNode, name: str) -> None:
    with node.agent(name) as agent:
        [(_words, status)] = agent.told("name")
        assert status in {126, 127}
        _begun, (_said, status), *_more = agent.submit(SCRIPT)
        assert status in {126, 127}
        assert len(agent.told("ping")) == 2


@every_shell
def test_one_agent_answers_many_requests(node: LoginNode, name: str) -> None:
    node.has(sbatch="echo 77", scontrol="echo here")
    with node.agent(name) as agent:
        for number in range(100):
            assert agent.submit(f"{SCRIPT}{number}", token=uuid.uuid4()) == [("", 0), ("77", 0)]
        assert agent.agent.usable
        assert agent.told("name") == [("here", 0)]


@every_shell
def test_what_start_up_files_print_before_the_marker_is_noise(node: LoginNode, name: str) -> None:
    node.has(scontrol="echo here")
    for noise in (b"Welcome!\n1234\n", b"x" * 100_000 + b"\n", f"{MARKER}\n{MARKER} 0 end\n".encode(), b"\0\xff\n"):
        with node.agent(name, noise=noise) as agent:
            assert agent.agent.usable
            assert agent.told("name") == [("here", 0)]


def test_a_login_that_never_comes_to_the_marker_is_refused_in_its_words(node: LoginNode) -> None:
    with (
        pytest.raises(Refused, match=r"ended with 1 before .*: 'This account is currently not available\.'"),
        node.agent("false", noise=b"This account is currently not available.\n"),
    ):
        pass


# A program of the name notes its call, and does what the one of that name does.
NOTES = """#!/bin/sh
echo "${0##*/}" >> "$JS_OUT/calls"
exec "/usr/bin/${0##*/}" "$@"
"""


def started(node: LoginNode) -> list[str]:
    """Return which programs have been started since the last time, but for SLURM's."""
    calls = node.out / "calls"
    names = calls.read_text().split() if calls.exists() else []
    calls.unlink(missing_ok=True)
    return names


@pytest.fixture
def noting(node: LoginNode) -> LoginNode:
    """A login node that notes which programs are started."""
    node.has(
        sbatch='echo sbatch >> "$JS_OUT/calls"; echo 77',
        scontrol="while read -r _; do echo scontrol >> $JS_OUT/calls; done",
    )
    (node.root / "tools").mkdir()
    for tool in (
        "mkdir",
        "mkfifo",
        "head",
        "rm",
        "cat",
        "grep",
        "id",
        "find",
        "timeout",
        "ls",
        "rmdir",
        "touch",
        "sleep",
    ):
        (node.root / "tools" / tool).write_text(NOTES)
        (node.root / "tools" / tool).chmod(0o755)
    return node


# For zsh see js_print_script: it needs `cat` as well.
@pytest.mark.parametrize("name", installed("zsh", "posh"))
def test_a_submission_starts_timeout_and_sbatch_and_its_directory_if_none_was_prepared(
    noting: LoginNode, name: str
) -> None:
    new = uuid.uuid4()
    with noting.agent(name, {"PATH": f"{noting.root}/tools:{noting.path}"}) as agent:
        agent.submit(SCRIPT)
        assert started(noting) == ["mkdir", "mkdir", "mkfifo", "timeout", "sbatch"]
        agent.submit(SCRIPT, token=uuid.uuid4())
        assert started(noting) == ["mkdir", "timeout", "sbatch"]
        agent.told("clear", TOKEN.hex, new.hex)
        agent.told("progress", new.hex)
        assert started(noting) == ["rm", "mkdir", "head"]
        agent.submit(SCRIPT * 200, "/tmp", token=new)  # noqa: S108 - a directory that is there
        assert started(noting) == ["timeout", "sbatch"]
        agent.submit(SCRIPT * 1000, token=new)
        assert started(noting) == ["head"]


def test_many_submissions_are_described_and_cleared_by_one_process_of_each_kind(noting: LoginNode) -> None:
    tokens, new = ([uuid.uuid4() for _ in range(32)] for _ in range(2))
    with noting.agent(SHELLS[0], {"PATH": f"{noting.root}/tools:{noting.path}"}) as agent:
        for token in tokens:
            agent.submit(SCRIPT, token=token)
        started(noting)
        lists = (",".join(token.hex for token in each) for each in (tokens, new))
        agent.told("describe_many", ",".join(map(str, range(1, 33))))
        agent.told("clear", *lists)
        agent.told("progress", new[0].hex)
        assert started(noting) == [*["scontrol"] * 33, "rm", "mkdir", "head"], "32 jobs, and the end"


@pytest.mark.parametrize("name", installed("ksh93", "posh"))
def test_the_time_after_which_a_users_idle_shell_ends_is_not_for_an_agent(node: LoginNode, name: str) -> None:
    """Bash takes TMOUT for `read` as well; the jobs keep it. In ksh93 an agent ends by it, and another one begins."""
    node.has(sbatch='echo "$TMOUT" > "$JS_OUT/timeout"; echo 77')
    with node.agent(name, {"TMOUT": "1"}) as agent:
        time.sleep(1.5)
        assert agent.submit(SCRIPT) == [("", 0), ("77", 0)]
    assert (node.out / "timeout").read_text() == "1\n"
