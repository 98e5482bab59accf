"""The benchmarks' counts: the kernel's records of processes, and processor time by kind of process."""

import struct

import pytest

from tests.bench.accounting import Ended, of_accounts, records
from tests.bench.processor import LOGIN, Usage, kind, spent

# What Linux 6.18 has written of `sh -c "exit 0"`, run by root.
_RECORDED = bytes.fromhex(
    "00030000000000000000000000000000e6040000e5040000439b096b0000000000000000200a7c0200003e0000000000"
    "73680000000000000000000000000000"
)


def _record(uid: int, pid: int, command: bytes, version: int = 3) -> bytes:
    """Make a record as acct(5) has it: all of its fields, in their order."""
    times = [0] * 8
    return struct.pack("=BBHIIIIIIf8H16s", 0, version, 0, 0, uid, 0, pid, 1, 0, 0.0, *times, command)


def test_a_record_of_the_kernel_is_read() -> None:
    assert records(_RECORDED) == [Ended(0, 1254, "sh")]


def test_each_record_tells_who_ended_and_what() -> None:
    payload = _record(1001, 7, b"sbatch") + _record(1002, 8, b"a-name-of-16-byt")
    assert records(payload) == [Ended(1001, 7, "sbatch"), Ended(1002, 8, "a-name-of-16-byt")]


def test_a_record_of_another_order_of_bytes_is_of_the_same_version() -> None:
    assert records(_record(1, 2, b"x", version=0x83)) == [Ended(1, 2, "x")]


@pytest.mark.parametrize("payload", [_RECORDED[:-1], _record(1, 2, b"x", version=2)])
def test_what_is_no_record_of_this_form_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="record"):
        records(payload)


def test_only_the_accounts_processes_count() -> None:
    ended = [Ended(1001, 7, "sh"), Ended(1001, 8, "sh"), Ended(1002, 9, "sbatch"), Ended(0, 10, "sh")]
    assert of_accounts(ended, {1001, 1002}) == {"sh": 2, "sbatch": 1}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/venv/bin/python /venv/bin/gunicorn --config python:submitter.gunicorn.conf", "gunicorn"),
        ("sshd: plgalice@notty", "sshd"),
        ("postgres: submitter submitter 127.0.0.1(1) idle", "postgres"),
        ("/usr/sbin/slurmd -D -N n1", "slurmd"),
        ("/usr/sbin/slurmdbd -D", "slurmdbd"),
        ("/usr/bin/true --help", "true"),
        ("", "just begun or ending"),
    ],
)
def test_a_command_line_tells_the_kind(command: str, expected: str) -> None:
    assert kind(command) == expected


def test_what_commands_of_the_login_node_used_is_not_that_of_sshd() -> None:
    before = [Usage("sshd", 10, 100), Usage("gunicorn", 5, 0)]
    after = [Usage("sshd", 12, 140), Usage("gunicorn", 8, 1)]
    assert spent(before, after) == {"sshd": 2, LOGIN: 40, "gunicorn": 4}


def test_nothing_is_lost_of_a_process_that_ended_in_between() -> None:
    before = [Usage("sshd", 10, 100), Usage(LOGIN, 30, 5)]
    after = [Usage("sshd", 10, 100 + 30 + 5 + 7)]
    assert spent(before, after) == {"sshd": 0, LOGIN: 7}
