"""The driver of the test suite: a part that fails stops no other one, and is not forgotten in the end."""

import sys
from pathlib import Path

import pytest

from tests import run


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts in the place of the real ones: one passes, one fails, one has no tests."""
    bodies = {"right": "def test_it(): pass", "wrong": "def test_it(): assert 1 == 2", "none": ""}
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it begins in a tenth of the time
    made, settings = {}, tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n")
    for name, body in bodies.items():
        file = tmp_path / f"test_{name}.py"
        file.write_text(f"{body}\n")
        made[name] = ("-c", str(settings), "-p", "no:cacheprovider", str(file))
    monkeypatch.setattr(run, "PARTS", made)


def outcome(monkeypatch: pytest.MonkeyPatch, *wanted: str) -> int:
    """Run these parts, and return the exit code."""
    monkeypatch.setattr(sys, "argv", ["run", *wanted])
    return run.main()


@pytest.mark.usefixtures("parts")
def test_each_part_runs_whatever_came_of_the_one_before_and_the_end_tells_of_all(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, "wrong", "right", "none") == 1
    *_, wrong, right, none, last = capfd.readouterr().out.splitlines()
    assert (wrong.split()[0], "1 failed" in wrong) == ("wrong", True)
    assert (right.split()[0], "1 passed" in right) == ("right", True)
    assert (none.split()[0], "no tests ran" in none) == ("none", True)
    assert last.startswith("Tests took ")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(("part", "code"), [("right", 0), ("wrong", 1), ("none", 1)])
def test_the_exit_code_says_whether_all_is_well(monkeypatch: pytest.MonkeyPatch, part: str, code: int) -> None:
    assert outcome(monkeypatch, part) == code


@pytest.mark.usefixtures("parts")
def test_a_part_that_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        outcome(monkeypatch, "right", "other")
    assert "no such part: other" in capfd.readouterr().err
