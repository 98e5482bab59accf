"""Where the sandbox's state may lie, and how its files are written."""

from pathlib import Path

import pytest

from sandbox import layout


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory whose parents count as public and safe, whoever runs the tests and wherever."""
    parents = set(tmp_path.parents) | {tmp_path}
    really = layout._is_public_and_safe
    monkeypatch.setattr(layout, "_is_public_and_safe", lambda directory: directory in parents or really(directory))
    monkeypatch.setattr(layout, "LONGEST_STATE", len(str(tmp_path)) + 30)
    return tmp_path


def test_a_public_checkout_keeps_its_state_inside() -> None:
    assert layout.suits(Path("/usr/lib/.local"))


@pytest.mark.parametrize("mode", [0o700, 0o770, 0o777])
def test_a_private_or_writable_parent_does_not_suit(public: Path, mode: int) -> None:
    parent = public / "parent"
    parent.mkdir()
    parent.chmod(mode)

    assert not layout.suits(parent / ".local")


def test_a_sticky_directory_like_tmp_suits_although_all_may_write() -> None:
    assert layout.suits(Path("/tmp/.local"))  # noqa: S108 - only asked about, nothing is written there


def test_a_path_too_long_for_a_unix_socket_does_not_suit() -> None:
    assert not layout.suits(Path("/usr/lib") / ("x" * layout.LONGEST_STATE))


def test_the_state_moves_out_of_an_unsuitable_checkout_and_stays_reachable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(layout, "MACHINE_STATE", tmp_path / "machine")
    monkeypatch.setattr(layout, "suits", lambda _: False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    checkout = tmp_path / "checkout"
    (checkout / ".local").mkdir(parents=True)
    (checkout / ".local" / "kept").write_text("from before")

    place = layout.settle(checkout)

    assert place.state == (tmp_path / "machine" / layout.identity(checkout)).resolve()
    assert (checkout / ".local" / "kept").read_text() == "from before"
    assert layout.settle(checkout) == place == layout.of(checkout)


def test_an_ordinary_user_keeps_the_state_in_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(layout, "suits", lambda _: False)
    monkeypatch.setattr(layout, "MACHINE_STATE", tmp_path / "machine")
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert layout.settle(tmp_path).state == tmp_path.resolve() / ".local"


def test_an_equal_file_is_left_alone_and_its_mode_is_put_right(tmp_path: Path) -> None:
    file = layout.write(tmp_path / "file", "text", account=None)
    before = file.stat()
    file.chmod(0o666)

    layout.write(file, "text", account=None, mode=0o640)

    assert file.stat().st_ino == before.st_ino
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_changed_file_is_replaced_whole(tmp_path: Path) -> None:
    file = layout.write(tmp_path / "file", "old", account=None)
    opened_before = file.open()

    layout.write(file, "new", account=None)

    with opened_before:
        assert (opened_before.read(), file.read_text()) == ("old", "new")
