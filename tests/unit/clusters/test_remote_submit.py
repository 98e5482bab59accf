"""The verb `submit`, by every shell that may be /bin/sh on a login node: once, whole, and nothing is evaluated."""

import getpass
import itertools
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters import remote, submitting
from clusters.models import Cluster
from clusters.remote import Request
from clusters.submitting.submission import submission_request
from tests.unit.clusters.agents import EVIL, TOKEN, Asked, LoginNode, every_shell, installed, node

__all__ = ["node"]

SCRIPT = "#!/bin/sh\necho zażółć\n"
CLUSTER = Cluster(name="zeus", address="login.example.org", host_keys=[], job_domain="example.org", command_timeout=17)
Breaking = Callable[[LoginNode], dict[str, str]]
every_shell_and_posh = pytest.mark.parametrize("name", installed())

# Says where it runs, keeps the script, and answers what the test has it answer.
SBATCH = """
stat -L -c %d:%i . > "$JS_OUT/directory"
echo "$*" > "$JS_OUT/arguments"
cat "${2:-/dev/stdin}" > "$JS_OUT/script"
cat "$JS_OUT/answer" 2>/dev/null || echo 77
echo words >&2
exit "$(cat "$JS_OUT/status" 2>/dev/null || echo 0)"
"""
# scontrol says with which words it was called; squeue tells of much, and of this submission's job where that is there.
SCONTROL = 'echo "scontrol $*"'
SQUEUE = """
echo "CLUSTER: $*"
seq 100000 | sed "s,$,|/home/x/.job-submitter/y/job.sh,"
[ ! -e "$JS_OUT/job" ] || echo "78|/home/x/.job-submitter/0123456789abcdef0123456789abcdef/job.sh"
exit "$(cat "$JS_OUT/squeue" 2>/dev/null || echo 0)"
"""


@pytest.fixture
def login(node: LoginNode) -> LoginNode:
    """A login node where nothing has been submitted."""
    node.has(sbatch=SBATCH, scontrol=SCONTROL, squeue=SQUEUE)
    return node


def ran_in(node: LoginNode) -> str | None:
    """Return which directory sbatch ran in, as its device and inode; None if it did not run."""
    note = node.out / "directory"
    return note.read_text().strip() if note.exists() else None


def identity(path: Path) -> str:
    return f"{path.stat().st_dev}:{path.stat().st_ino}"


def given(node: LoginNode) -> bytes:
    """Return the script that sbatch was given."""
    return (node.out / "script").read_bytes()


def statuses(sections: list[tuple[str, int]]) -> list[int]:
    return [status for _text, status in sections]


def framed(script: str, directory: str = "") -> Request:
    return Request("submit", (TOKEN.hex, 10, ""), directory, script)


@every_shell
@pytest.mark.parametrize("length", [1000, *range(4084, 4096)])
def test_a_directory_of_any_length_is_the_jobs_and_no_text_of_it_is_evaluated(
    login: LoginNode, name: str, length: int
) -> None:
    directory = login.directory(length)
    with login.agent(name) as agent:
        assert agent.submit(SCRIPT, str(directory)) == [("", 0), ("77", 0)]
    assert (ran_in(login), given(login)) == (identity(directory), SCRIPT.encode())
    assert login.canaries == []


@every_shell
def test_a_directory_may_be_relative_to_the_home(login: LoginNode, name: str) -> None:
    with login.agent(name, {"CDPATH": str(login.root / "elsewhere")}) as agent:
        for named in ("", "a b", "-P", "-", "~", "$HOME", "*", "\\n", "zażółć", EVIL):
            directory = login.root / "home" / named
            directory.mkdir(exist_ok=True)
            (login.root / "elsewhere" / named).mkdir(parents=True, exist_ok=True)
            assert agent.submit(SCRIPT, named, token=uuid.uuid4()) == [("", 0), ("77", 0)]
            assert ran_in(login) == identity(directory)
    assert login.canaries == []


@every_shell
def test_a_directory_that_is_none_is_told_in_the_shells_words_and_claims_nothing(login: LoginNode, name: str) -> None:
    (login.root / "home" / "file").touch()
    for directory in ("nowhere", "file", f"/{EVIL}"):
        with login.agent(name) as agent:
            [(words, status)] = agent.submit(SCRIPT, directory)
        assert status == 1
        assert directory.strip() in words
    assert (ran_in(login), login.canaries, login.traces.exists()) == (None, [], False)


# What printf, read or a shell's own handling of characters could change.
ODD = [
    *("\\", "\\\\n", "\\n", "\\c", "\\0101", "\\x41", "\\u0105", "%s", "%%", "%b", "\x01", "\x7f", "\r\n", "\t", " "),
    *("\x80", "ÿ", "\u2028", "😀", "'", '"', "`", "$(touch CANARY)", "*", "~"),
]


@every_shell
def test_a_script_reaches_sbatch_as_it_is(login: LoginNode, name: str) -> None:
    script = f"#!/bin/sh\n{' '.join(ODD)}\n{''.join(ODD)}"
    with login.agent(name) as agent:
        for end in ("", "\n", "\n\n\n", " ", "\\", "%", "\\\n"):
            for text in (script + end, script + "x" * 5000 + end):
                assert statuses(agent.submit(text, token=uuid.uuid4())) == [0, 0]
                assert given(login) == text.encode()
    assert login.canaries == []


@every_shell
@pytest.mark.parametrize("filler", ["#", "\\", "\n", "ż"])
def test_a_script_of_any_length_reaches_sbatch_whole(login: LoginNode, name: str, filler: str) -> None:
    widths = [len(text.encode()) for text in ("#!/bin/sh\n", filler)]
    inline = 4096 - widths[0] - 1
    with login.agent(name) as agent:
        for room in (*range(-2, 3), inline // 2 - inline, 4096, 66_000):
            count = max(0, (inline + room) // (2 if filler in "\\\n" else widths[1]))
            script = "#!/bin/sh\n" + filler * count
            assert statuses(agent.submit(script, token=uuid.uuid4())) == [0, 0]
            assert given(login) == script.encode()


def test_a_script_of_4_mib_reaches_sbatch_whole(login: LoginNode) -> None:
    script = "#!/bin/sh\n" + "ż" * (2 * 1024 * 1024 - 6) + "\n\n"
    with login.agent() as agent:
        assert statuses(agent.submit(script)) == [0, 0]
    assert given(login) == script.encode()


@pytest.mark.parametrize("name", installed("yash", "posh"))
def test_a_script_is_whole_where_the_login_has_no_utf_8(login: LoginNode, name: str) -> None:
    with login.agent(name, {"LC_ALL": "C"}) as agent:
        for script in (SCRIPT, SCRIPT * 1000):
            assert statuses(agent.submit(script, token=uuid.uuid4())) == [0, 0]
            assert given(login) == script.encode()


@every_shell_and_posh
@pytest.mark.parametrize("length", [4096, 4097, 8100, 8192, 20_000])
@pytest.mark.parametrize("text", ["/" + EVIL * 800, "x[$(touch CANARY)]" + "/" * 20_000])
def test_a_directory_that_is_too_long_is_not_entered_and_no_text_of_it_is_evaluated(
    login: LoginNode, name: str, text: str, length: int
) -> None:
    directory = text[:length]
    with pytest.raises(ValueError, match="at most 4095 bytes"):
        submission_request(submitting.SubmissionSlot(CLUSTER, "plgalice", TOKEN), directory, SCRIPT)
    with login.agent(name) as agent:
        assert statuses(agent.submit(SCRIPT, directory)) == [1]
    assert (ran_in(login), login.canaries) == (None, [])


@every_shell_and_posh
@pytest.mark.parametrize(
    "number",
    [
        *("", EVIL, "x[$(touch CANARY)]", "10000000+x[$(touch CANARY)]", "$(touch CANARY)", "`touch CANARY`"),
        *("1000000x", "-1000000", "-5", "00000000", "0x989680", "12", "00", "-"),
    ],
)
def test_what_is_not_the_number_of_bytes_is_not_reckoned_with(login: LoginNode, name: str, number: str) -> None:
    with login.agent(name) as agent:
        ended = agent.ends_with(f"submit {TOKEN.hex} 10 - {number}\n/tmp\n{SCRIPT}{agent.marker}".encode())
    assert login.canaries == []
    assert (ended, ran_in(login), login.traces.exists()) == ((65, b""), None, False)


@every_shell_and_posh
def test_a_text_that_is_shorter_than_its_number_is_not_submitted(login: LoginNode, name: str) -> None:
    for number in ("1000000", "100000000", " 1000000", "99"):
        with login.agent(name) as agent:
            ended = agent.ends_with(f"submit {TOKEN.hex} 10 - {number}\n/tmp\n{SCRIPT}{agent.marker[:-1]}".encode())
        assert (ended, ran_in(login), login.traces.exists()) == ((65, b""), None, False)


@every_shell_and_posh
def test_no_field_of_a_request_is_evaluated(login: LoginNode, name: str) -> None:
    evil = "x[$(touch${IFS}CANARY)]`touch${IFS}CANARY`;touch${IFS}CANARY;*"
    for request in (
        *(f"submit {evil} 10 - 0\n\n#!\n", f"submit {TOKEN.hex} {evil} - 0\n\n#!\n", f"submit 0 9 {evil} 0\n\n#!\n"),
        *(
            f"describe_many {evil}\n",
            f"clear {evil} -\n",
            f"clear - {evil}\n",
            f"progress {evil}\n",
            f"tidy {evil}\n",
        ),
        *(
            f"describe {evil} {evil}\n",
            f"queue {evil}\n",
            f"inspect {evil} {evil} {evil}\n",
            f"history {evil} 0\n{evil}\n",
        ),
        *(f"cancel {evil} {evil} {evil}\n", f"history 1 0\n{evil}\\n{evil}\n", f"starts {evil} {evil} {evil}\n"),
        *(
            f"look_up {evil} {evil}\n{evil}\n",
            f"look_up_elsewhere {evil} {evil}\n",
            f"cancel_elsewhere {evil} {evil}\n",
        ),
        *(f"{evil}\n", f"ping;{evil} {evil}\n"),
    ):
        with login.agent(name) as agent:
            agent.ends_with(request.encode())
        assert login.canaries == [], request


@every_shell_and_posh
@pytest.mark.parametrize("script", [SCRIPT, SCRIPT * 500])
def test_an_input_that_breaks_off_submits_nothing_and_claims_nothing(login: LoginNode, name: str, script: str) -> None:
    directory = str(login.directory(1000))
    begun = len(f"submit {TOKEN.hex} 10 - ")
    for length in (0, 3, begun, begun + 2, begun + 900, begun + 1008, -1000, -33, -1):
        with login.agent(name) as agent:
            data = framed(script, directory).framed(agent.marker)
            status, printed = agent.ends_with(data[:length])
        assert (printed, ran_in(login), login.traces.exists()) == (b"", None, False), length
        assert status in {0, 65}


def test_an_input_that_breaks_off_anywhere_submits_nothing(login: LoginNode) -> None:
    for length in itertools.count():
        with login.agent() as agent:
            data = framed("#!/bin/sh\n\\ a", "/dev").framed(agent.marker)
            if length == len(data):
                break
            status, printed = agent.ends_with(data[:length])
        assert (printed, ran_in(login), login.traces.exists()) == (b"", None, False), length
        assert status in {0, 65}


@every_shell
def test_an_agent_that_does_not_know_a_verb_ends(login: LoginNode, name: str) -> None:
    for verb in ("nonsense", "", "-", "submit_", "js_ask"):
        with login.agent(name) as agent:
            assert agent.ends_with(f"{verb} {TOKEN.hex} 10 - 0\n\n{SCRIPT}".encode()) == (64, b"")
    assert ran_in(login) is None


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
