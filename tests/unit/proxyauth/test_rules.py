"""Each rule is needed: without it something gets in that should not, or is refused by another rule."""

import ast
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

import proxyauth
from proxyauth.validation import algorithms, rules
from proxyauth.validation.path import Role
from tests.unit.proxyauth.test_verdicts import REFUSED_CASES
from tests.unit.proxyauth.trial import run

_REFUSALS = frozenset({"Malformed", "NotAllowed", "Rule"})
# Said by the middleware or the mapping, which have tests of their own.
_ELSEWHERE = {"header-missing"}


def _is_missed(name: str, directory: Path) -> bool:
    """Whether a case notices that the rule of this name is gone."""
    return any(run(case.make(), _empty(directory)) != name for case in REFUSED_CASES if case.verdict == name)


def _empty(directory: Path) -> Path:
    for file in directory.iterdir():
        file.unlink()
    return directory


@pytest.mark.parametrize("name", [rule.name for rule in rules.PATH_RULES])
def test_each_rule_about_paths_is_missed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PATH_RULES", tuple(rule for rule in rules.PATH_RULES if rule.name != name))
    assert _is_missed(name, tmp_path)


@pytest.mark.parametrize("name", [rule.name for rule in algorithms.KEY_RULES])
def test_each_rule_about_keys_is_missed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "KEY_RULES", tuple(rule for rule in algorithms.KEY_RULES if rule.name != name))
    assert _is_missed(name, tmp_path)


@pytest.mark.parametrize(("role", "name"), [(role, rule.name) for role in Role for rule in rules.LINK_RULES[role]])
def test_each_rule_about_a_certificate_is_missed(
    role: Role, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rules.LINK_RULES, role, tuple(rule for rule in rules.LINK_RULES[role] if rule.name != name))
    assert _is_missed(name, tmp_path)


def _named_in(source: str, refusals: Set[str] = _REFUSALS) -> Iterator[str]:
    """The names of rules that a module's source refuses with."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in refusals:
            yield from (str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def test_every_rule_has_a_case() -> None:
    sources = Path(proxyauth.__path__[0]).rglob("*.py")
    named = {name for source in sources for name in _named_in(source.read_text(encoding="utf-8"))}
    assert named - {case.verdict for case in REFUSED_CASES} <= _ELSEWHERE
    assert len(named) > 60


def test_no_two_cases_share_a_title() -> None:
    titles = [(case.verdict, case.name) for case in REFUSED_CASES]
    assert len(titles) == len(set(titles))
