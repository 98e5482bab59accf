"""Output files over SFTP: OpenSSH's server is read right, and no other one takes more than its bounds."""

import itertools
import os
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.errors import ClusterError, Failed, Interrupted, Malformed, TimedOut, TooMuch
from clusters.slurm.filenames import Pattern
from clusters.ssh import output_files, sftp, sftp_channel
from clusters.ssh.output_files import Named, OutputFile, Wanted
from tests.unit.clusters.sftp_servers import DIRECTORY, PIPE, OpenSSH, Scripted, attributes, packet, status, text

STAT, OPEN, READ, CLOSE, OPENDIR, READDIR = 17, 3, 5, 4, 11, 12
TIMEOUT = 30.0


@contextmanager
def opened(channel: OpenSSH | Scripted, path: object) -> Iterator[OutputFile]:
    client = sftp_channel.subsystem(cast("paramiko.Channel", channel), TIMEOUT)
    template = Pattern.of(str(path))
    tasks = bool(template.letters)
    wanted = Wanted((), None, template) if tasks else Wanted(((Named(str(path)),),))
    with output_files.opened(client, wanted) as file:
        yield file


@pytest.fixture
def openssh() -> Iterator[OpenSSH]:
    """OpenSSH's server."""
    with OpenSSH.started() as channel:
        yield channel


def content(channel: OpenSSH | Scripted, path: object) -> bytes:
    with opened(channel, path) as file:
        whole = b"".join(file.pieces)
    assert len(whole) == file.size
    return whole


# OpenSSH's server


@pytest.mark.parametrize("size", [0, 1, 32_767, 32_768, 32_769, 64 * 32_768 + 1, 5_000_000])
def test_a_file_is_read_whole(openssh: OpenSSH, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "żółw out").write_bytes(data)
    assert content(openssh, tmp_path / "żółw out") == data


def test_what_is_appended_meanwhile_belongs_to_the_next_request(openssh: OpenSSH, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"first")
    with opened(openssh, path) as file:
        path.write_bytes(b"first and more")
        assert b"".join(file.pieces) == b"first"


def test_the_tasks_files_are_joined_in_the_order_of_their_numbers(openssh: OpenSSH, tmp_path: Path) -> None:
    for number in (10, 9, 2, 1):
        (tmp_path / f"out_{number}").write_text(f"task {number}\n")
    os.mkfifo(tmp_path / "out_3")
    (tmp_path / "out_x").touch()
    (Path(os.fsdecode(bytes(tmp_path) + b"/out_\xff"))).touch()
    assert content(openssh, tmp_path / "out_%a") == b"task 1\ntask 2\ntask 9\ntask 10\n"
    assert content(openssh, tmp_path / "out_%2a") == b"task 10\n"


@pytest.mark.parametrize(
    "name", ["gone", "gone/out", "out/out", "directory", "pipe", "x" * 256, "gone_%a", "gone/%a", ""]
)
def test_what_is_no_file_that_can_be_read_is_not_found(openssh: OpenSSH, tmp_path: Path, name: str) -> None:
    (tmp_path / "out").touch()
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError), opened(openssh, tmp_path / name):
        pass


def test_no_path_is_no_file(openssh: OpenSSH) -> None:
    with pytest.raises(FileNotFoundError), opened(openssh, ""):
        pass


def test_a_file_that_has_become_shorter_ends_with_an_error(openssh: OpenSSH, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"x" * 100_000)
    with opened(openssh, path) as file:
        os.truncate(path, 40_000)
        pieces: list[bytes] = []
        with pytest.raises(Interrupted, match="shorter"):
            pieces.extend(file.pieces)
    assert file.size == 100_000


def test_a_tasks_file_that_has_gone_ends_with_an_error(openssh: OpenSSH, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"out_{number}").write_text("text")
    with opened(openssh, tmp_path / "out_%a") as file:
        (tmp_path / "out_2").unlink()
        with pytest.raises(Interrupted, match="not there any more"):
            list(file.pieces)


def test_a_file_of_any_size_takes_the_memory_and_the_requests_of_a_window(openssh: OpenSSH, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 2**43)
    with opened(openssh, path) as file:
        tracemalloc.start()
        try:
            read = sum(len(piece) for piece in itertools.islice(file.pieces, 200))
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (file.size, read) == (2**43, 200 * 32_768)
    assert openssh.requests <= 200 + 64 + 3
    assert peak < 8 * 1024 * 1024


# Another server


def server(**answers: Callable[[bytes, bytes], bytes]) -> Scripted:
    """Return a server of one file, /out, of 100,000 bytes, and of tasks' files; `answers` are other ones, by kind."""
    honest: dict[str, Callable[[bytes, bytes], bytes]] = {
        "stat": lambda number, _: packet(105, number, attributes(100_000)),
        "open": lambda number, _: packet(102, number, text(b"handle")),
        "read": lambda number, rest: packet(103, number, text(b"x" * struct.unpack(">QI", rest[-12:])[1])),
        "close": lambda number, _: status(number, 0),
        "opendir": lambda number, _: packet(102, number, text(b"handle")),
        "readdir": lambda number, _: status(number, 1),
    }
    kinds = dict(zip((STAT, OPEN, READ, CLOSE, OPENDIR, READDIR), (honest | answers).values(), strict=True))
    return Scripted(lambda kind, number, rest: kinds[kind](number, rest))


def names(number: bytes, *entries: bytes, count: int | None = None) -> bytes:
    """Return an answer that names files of 1 byte."""
    named = [text(entry) + text(b"-rw-r--r-- ...") + attributes(1) for entry in entries]
    return packet(104, number, (len(named) if count is None else count).to_bytes(4, "big"), *named)


def answered(kind: int, body: bytes) -> Callable[[bytes, bytes], bytes]:
    return lambda number, _: packet(kind, number, body)


def test_an_honest_server_is_read() -> None:
    assert content(server(), "/out") == b"x" * 100_000


@given(st.integers())
def test_answers_in_any_order_and_of_any_length_make_the_same_file(seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311 - not for secrets
    file = bytes(range(256)) * 300
    asked: list[tuple[bytes, int, int]] = []

    def note(number: bytes, rest: bytes) -> bytes:
        asked.append((number, *struct.unpack(">QI", rest[-12:])))
        return b""

    def answer_one() -> bytes:
        number, offset, length = asked.pop(choice.randrange(len(asked)))
        length = choice.randint(1, length) if length > 1_000 else length
        return packet(103, number, text(file[offset : offset + length]))

    channel = server(stat=lambda number, _: packet(105, number, attributes(len(file))), read=note)
    channel.at_end = answer_one
    assert content(channel, "/out") == file


@pytest.mark.parametrize(
    "answers",
    [
        {"stat": lambda number, _: packet(105, number, attributes(2**63))},
        {"stat": lambda number, _: packet(105, number, struct.pack(">II", 4, 0o100644))},
        {"stat": lambda number, _: packet(105, number, b"\0")},
        {"stat": lambda number, _: packet(105, number, struct.pack(">II", 2**31, 2**32 - 1))},
        {"stat": lambda number, _: packet(103, number, text(b"data"))},
        {"stat": lambda _number, _: packet(105, b"\xff" * 4, attributes(1))},
        {"stat": lambda _number, _: b"\0\0\0\0"},
        {"stat": lambda _number, _: b"Welcome to the cluster!\n"},
        {"stat": lambda _number, _: (2**18 + 1).to_bytes(4, "big") + b"\x65"},
        {"open": lambda number, _: packet(102, number, text(b"h" * 257))},
        {"open": lambda number, _: packet(102, number, b"\xff\xff\xff\xffhandle")},
        {"open": lambda number, _: packet(105, number, attributes(1))},
        {"read": lambda number, _: packet(103, number, text(b""))},
        {"read": lambda number, _: packet(103, number, text(b"x" * 32_769))},
        {"read": lambda number, _: packet(103, number, b"\xff\xff\xff\xff")},
        {"read": lambda number, _: packet(102, number, text(b"handle"))},
        {"read": lambda _number, _: packet(103, b"\xff" * 4, text(b"x"))},
        {"read": lambda number, rest: 2 * packet(103, number, text(b"x" * struct.unpack(">I", rest[-4:])[0]))},
        {"close": lambda number, _: packet(102, number, text(b"handle"))},
        {"close": lambda _number, _: status(b"\xff" * 4, 0)},
    ],
)
def test_an_answer_of_a_wrong_kind_or_size_is_malformed(answers: dict[str, Any]) -> None:
    channel = server(**answers)
    with pytest.raises(Malformed):
        content(channel, "/out")
    assert channel.received < 10 * 2**20


@pytest.mark.parametrize(
    "answers",
    [
        {"readdir": lambda number, _: names(number)},
        {"readdir": lambda number, _: names(number, b"out_1", count=2**32 - 1)},
        {"readdir": lambda number, _: names(number, b"out_1", count=2)},
        {"readdir": lambda number, _: packet(102, number, text(b"handle"))},
    ],
)
def test_a_listing_of_a_wrong_kind_or_size_is_malformed(answers: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        content(server(**answers), "/out_%a")


@pytest.mark.parametrize("code", [4, 6, 7, 8, 2**32 - 1])
@pytest.mark.parametrize("kind", ["stat", "open", "read"])
def test_a_failure_is_told_in_the_servers_words(kind: str, code: int) -> None:
    with pytest.raises(Failed, match="in its words"):
        content(server(**{kind: lambda number, _: status(number, code)}), "/out")


def test_an_endless_directory_is_too_much() -> None:
    channel = server(readdir=lambda number, _: names(number, *[b"other"] * 100))
    with pytest.raises(TooMuch, match="100000 files"):
        content(channel, "/home/out_%a")
    assert channel.requests <= 1_003


def test_more_tasks_than_can_be_joined_are_too_much() -> None:
    numbers = itertools.count()
    channel = server(readdir=lambda number, _: names(number, *(b"out_%d" % next(numbers) for _ in range(100))))
    with pytest.raises(TooMuch, match="10000 tasks"):
        content(channel, "/home/out_%a")
    assert channel.requests <= 103


def test_files_that_claim_more_than_a_disk_can_hold_together_are_malformed() -> None:
    large = text(b"out_1") + text(b"") + attributes(2**63 - 1) + text(b"out_2") + text(b"") + attributes(1)
    said = iter([(104, b"\0\0\0\2" + large), (101, b"\0\0\0\1")])
    with pytest.raises(Malformed, match="claims"):
        content(server(readdir=lambda number, _: answered(*next(said))(number, b"")), "/out_%a")


@pytest.mark.parametrize("mode", [0, DIRECTORY, PIPE])
def test_what_is_no_regular_file_is_never_opened(mode: int) -> None:
    channel = server(stat=lambda number, _: packet(105, number, attributes(1, mode)))
    with pytest.raises(FileNotFoundError), opened(channel, "/out"):
        pass
    assert channel.requests == 1


@pytest.mark.parametrize("kind", ["stat", "open", "read", "close"])
def test_a_server_that_falls_silent_has_its_time(kind: str) -> None:
    def nothing() -> bytes:
        raise TimeoutError

    channel = server(**{kind: lambda _number, _: b""})
    channel.at_end = nothing
    with pytest.raises(TimedOut, match="within 30 s"):
        content(channel, "/out")


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"stat": lambda number, _: packet(105, number, bytes(1_000))}, "/out"),
        ({"read": lambda number, _: packet(103, number, text(b"x"))}, "/out"),  # a byte of a piece at a time
        ({"readdir": lambda number, _: names(number, b"other")}, "/out_%a"),
    ],
)
def test_a_server_that_answers_byte_by_byte_has_the_same_time(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], path: str
) -> None:
    channel = server(**answer)
    channel.portion = 1
    monkeypatch.setattr(sftp, "time", SimpleNamespace(monotonic=lambda: channel.received / 4))  # bytes a second
    with pytest.raises(TimedOut):
        content(channel, path)
    assert channel.received < 4 * (TIMEOUT + 30)


@pytest.mark.parametrize("exc", [paramiko.SSHException("gone"), OSError("Socket is closed"), EOFError(), None])
def test_a_channel_that_breaks_off_is_interrupted(exc: Exception | None) -> None:
    def ends() -> bytes:
        if exc:
            raise exc
        return b""

    channel = server(read=lambda _number, _: b"")
    channel.at_end = ends
    with pytest.raises(Interrupted):
        content(channel, "/out")


def about_a_file(size: int, mode: int) -> Callable[[bytes, bytes], bytes]:
    return lambda number, _: packet(105, number, attributes(size, mode))


anything = st.one_of(
    st.builds(answered, st.sampled_from([101, 102, 103, 104, 105, 0, 255]), st.binary(max_size=80)),
    st.binary(max_size=60).map(lambda raw: lambda _number, _rest: raw),
    st.binary(max_size=30).map(lambda entry: lambda number, _rest: names(number, b"out_1", entry)),
    st.builds(about_a_file, st.integers(0, 2**64 - 1), st.sampled_from([0, PIPE, 0o100644])),
    st.integers(0, 9).map(lambda code: lambda number, _rest: status(number, code)),
)


@contextmanager
def low_bounds() -> Iterator[None]:
    """Have a directory without end be too much after 1,000 names, not 100,000, which take a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sftp, "_MOST_NAMES", 1_000)
        patch.setattr(output_files, "_MOST_TASKS", 100)
        yield


@settings(max_examples=5 * settings().max_examples)
@given(
    st.dictionaries(st.sampled_from(["stat", "open", "read", "close", "opendir", "readdir"]), anything, max_size=3),
    st.binary(max_size=40),
    st.sampled_from(["/out", "/out_%a", "/%3a%a"]),
)
def test_whatever_a_server_answers_is_a_file_or_a_cluster_error(
    answers: dict[str, Any], greeting: bytes, path: str
) -> None:
    channel = server(**answers)
    channel.said[len(channel.said) :] = greeting
    with low_bounds(), suppress(ClusterError, FileNotFoundError), opened(channel, path) as file:
        assert 0 <= file.size < 2**63
        assert sum(len(piece) for piece in itertools.islice(file.pieces, 50)) <= file.size


# Which files


def wanted_of(directory: Path, *variants: list[tuple[str, int]], since: int | None = None) -> Wanted:
    named = [tuple(Named(str(directory / name), task) for name, task in variant) for variant in variants]
    return Wanted(tuple(named), since)


def read(channel: OpenSSH | Scripted, wanted: Wanted) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    client = sftp_channel.subsystem(cast("paramiko.Channel", channel), TIMEOUT)
    with output_files.opened(client, wanted) as file:
        return b"".join(file.pieces), file.tasks


def test_the_first_names_count_of_which_a_file_is_there_that_no_later_ones_share(
    openssh: OpenSSH, tmp_path: Path
) -> None:
    own, shared = [("x-8", 1), ("x-7", 2)], [("x-7", 1), ("x-7", 2)]
    (tmp_path / "x-7").write_text("seven")
    assert read(openssh, wanted_of(tmp_path, own, shared)) == (b"seven", ((1, 5),))
    (tmp_path / "x-8").write_text("eight")
    with OpenSSH.started() as another:
        assert read(another, wanted_of(tmp_path, own, shared)) == (b"eightseven", ((1, 5), (2, 5)))


def test_a_file_that_is_older_than_the_job_is_anothers(openssh: OpenSSH, tmp_path: Path) -> None:
    for name, at in (("old", 1_000), ("new", 2_000)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (at, at))
    both = [("old", 1), ("new", 2)]
    assert read(openssh, wanted_of(tmp_path, both, since=2_000)) == (b"new", ((2, 3),))
    with OpenSSH.started() as another, pytest.raises(FileNotFoundError):
        read(another, wanted_of(tmp_path, both, since=2_001))


def test_many_files_are_asked_for_some_at_a_time_and_told_in_any_order() -> None:
    asked: list[bytes] = []
    most = 0

    def note(number: bytes, rest: bytes) -> bytes:
        nonlocal most
        asked.append(packet(105, number, attributes(int(rest[4:]) % 7)))
        most = max(most, len(asked))
        return b""

    channel = server(stat=note)
    channel.at_end = asked.pop
    client = sftp_channel.subsystem(cast("paramiko.Channel", channel), TIMEOUT)
    told = list(client.stats([b"%d" % number for number in range(500)]))
    assert [each.size for each in told if each] == [number % 7 for number in range(500)]
    assert most <= 64


def test_more_tasks_than_are_joined_are_too_much_before_anything_is_asked() -> None:
    channel = server()
    with pytest.raises(TooMuch, match="10000 tasks"):
        read(channel, wanted_of(Path("/w"), [(f"x{number}", number) for number in range(10_001)]))
    assert channel.requests == 0
