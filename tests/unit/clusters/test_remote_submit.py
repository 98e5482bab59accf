"""The verb `submit`, by every shell that may be /bin/sh on a login node: once, whole, and nothing is evaluated."""

import itertools
import uuid

import pytest

from clusters import submitting
from clusters.submitting.submission import submission_request
from tests.unit.clusters.agents import EVIL, TOKEN, LoginNode, every_shell, installed, node
from tests.unit.clusters.submissions import (
    CLUSTER,
    SCRIPT,
    every_shell_and_posh,
    framed,
    given,
    identity,
    login,
    ran_in,
    statuses,
)

__all__ = ["login", "node"]


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
