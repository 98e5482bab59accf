"""Command lines for any login shell, and answers told from noise."""

import shutil
import string
import subprocess
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import Malformed
from clusters.slurm import shell

MARKER = "--0123456789abcdef0123456789abcdef--"
QUOTABLE = "".join(sorted(set(string.printable) - set("'\\!\n\r\t\x0b\x0c")))


def after_marker(stdout: bytes) -> bytes:
    noise, found, answer = stdout.partition(f"{MARKER}\n".encode())
    assert (noise, bool(found)) == (b"", True)
    return answer


@pytest.mark.parametrize("word", ["it's", "back\\slash", "history!", "two\nlines", "NUL\0", "bell\x07", "\x7f"])
def test_a_word_that_some_shell_would_change_is_not_quoted(word: str) -> None:
    with pytest.raises(ValueError, match="cannot be quoted"):
        shell.quote(word)


@pytest.mark.parametrize("login_shell", ["/bin/sh", "/bin/bash", "/bin/tcsh"])
def test_every_login_shell_passes_the_words_on_unchanged(login_shell: str) -> None:
    assert shutil.which(login_shell), f"{login_shell} is missing: make up installs it"
    script = 'for word in "$@"; do echo "[$word]"; done'
    line = shell.script_line(script, [QUOTABLE, "", "$(id)", "`id`", "~", "*"], {"JS_TEST": "a=b"}, MARKER)
    run = subprocess.run([login_shell, "-c", line], capture_output=True, check=True)
    assert after_marker(run.stdout).decode().splitlines() == [f"[{QUOTABLE}]", "[]", "[$(id)]", "[`id`]", "[~]", "[*]"]
    assert run.stderr == b""


def test_the_environment_reaches_the_script() -> None:
    line = shell.script_line('echo "$JS_TEST"', [], {"JS_TEST": "a=b"}, MARKER)
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert after_marker(run.stdout) == b"a=b\n"


def test_the_errors_of_a_script_go_nowhere() -> None:
    line = shell.script_line("echo words >&2; nowhere", [], {}, MARKER)
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert (after_marker(run.stdout), run.stderr, run.returncode) == (b"", b"", 127)


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 255)), max_size=4))
def test_sections_are_what_the_commands_printed(commands: list[tuple[bytes, int]]) -> None:
    answer = b"".join(b"%s\n%s %d\n" % (output, MARKER.encode(), status) for output, status in commands)
    assert [(s.output, s.status) for s in shell.sections(answer, MARKER)] == commands
    answer = answer.removesuffix(b"\n") + b" end\n"
    assert [(s.output, s.status) for s in shell.sections(answer, MARKER)] == commands


def test_a_command_that_did_not_end_has_no_section() -> None:
    answer = f"1\n\n{MARKER} 0\nhalf an ans".encode()
    assert [section.text for section in shell.sections(answer, MARKER)] == ["1\n"]


def test_a_status_that_is_no_number_is_malformed() -> None:
    with pytest.raises(Malformed, match="exit status"):
        shell.sections(f"\n{MARKER} oops\n".encode(), MARKER)


def test_the_last_section_is_read_as_the_others() -> None:
    answer = f"1\n\n{MARKER} 0\n2\n{MARKER} 3 end\n".encode()
    assert [(section.output, section.status) for section in shell.sections(answer, MARKER)] == [(b"1\n", 0), (b"2", 3)]


def test_a_marker_is_its_tokens_and_a_line() -> None:
    token = uuid.uuid4()
    assert shell.marker(token) == shell.marker(token) != shell.marker(uuid.uuid4())
    assert token.hex in shell.marker(token)
    assert shell.quote(shell.marker(token))
