"""docs/reference/: each page is what the code says now, and nothing that the code has is missing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from proxyauth.validation.algorithms import KEY_RULES
from proxyauth.validation.rules import LINK_RULES, PATH_RULES
from submitter.documentation import eventmeanings, eventspage, markdown, settingspage, sources
from submitter.documentation.management.commands import makereference
from submitter.documentation.pages import PAGES
from submitter.environment import FORMER_NAMES, SETTINGS, Setting

READERS = {"bool", "choice", "float", "int", "list", "path", "str", "text"}
RULES = list(dict.fromkeys([*PATH_RULES, *KEY_RULES, *(rule for rules in LINK_RULES.values() for rule in rules)]))
# Which are sudo's and Django's own.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE", "SUDO_USER"}
RULES = list(dict.fromkeys([*PATH_RULES, *KEY_RULES, *(rule for rules in LINK_RULES.values() for rule in rules)]))


@pytest.fixture(scope="module")
def stale() -> set[str]:
    """The pages that are not current."""
    return set(makereference.stale_pages())


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_says(name: str, stale: set[str]) -> None:
    assert name not in stale, f"{name} is old: `make reference` writes it anew"


def test_no_page_is_left_over() -> None:
    assert {file.name for file in makereference.DIRECTORY.iterdir()} == set(PAGES)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of the test's own for the pages, which are two short ones."""
    monkeypatch.setattr(makereference, "DIRECTORY", tmp_path)
    monkeypatch.setattr(makereference, "PAGES", {"errors.md": lambda: "errors", "api.md": lambda: "api"})
    return tmp_path


def test_check_passes_where_the_pages_were_written(directory: Path) -> None:
    call_command("makereference")
    assert {file.name: file.read_text() for file in directory.iterdir()} == {"errors.md": "errors", "api.md": "api"}
    call_command("makereference", "--check")


def test_check_names_what_is_old_or_missing_and_writes_nothing(directory: Path) -> None:
    call_command("makereference")
    (directory / "errors.md").write_text("old")
    (directory / "api.md").unlink()
    with pytest.raises(CommandError, match=r"not current: api\.md, errors\.md"):
        call_command("makereference", "--check")
    assert (directory / "errors.md").read_text() == "old"
    assert not (directory / "api.md").exists()


def _read_variables() -> Iterator[str]:
    """Yield the names of variables that any module reads by a name in words."""
    for _, tree in sources.trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr=reader), args=[ast.Constant(value=str(name)), *_]) if (
                    reader in READERS and name.isupper()
                ):
                    yield name
                case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))):
                    yield name
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ")), args=[ast.Constant(value=str(name)), *_]
                ):
                    yield name


def test_every_variable_that_is_read_is_described() -> None:
    read = set(_read_variables()) - NOT_SETTINGS
    assert len(read) > 40
    assert read <= SETTINGS.keys()


def test_setting_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "NEW", Setting("NEW", "The service", "text", "", meaning=""))
    with pytest.raises(ValueError, match="NEW"):
        settingspage.page()


def test_setting_under_an_unknown_heading_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "NEW", Setting("NEW", "Elsewhere", "text", "", meaning="Something."))
    with pytest.raises(ValueError, match="NEW"):
        settingspage.page()


def test_event_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(eventmeanings.MEANINGS, "poll-failed")
    with pytest.raises(ValueError, match="poll-failed"):
        eventspage.page()


def test_meaning_of_no_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(eventmeanings.MEANINGS, "never-logged", "Nothing.")
    with pytest.raises(ValueError, match="never-logged"):
        eventspage.page()


def test_fields_of_an_event_are_those_of_its_own_branch() -> None:
    page = eventspage.page().splitlines()
    accepted, refused = (next(line for line in page if f"`proxy {word}`" in line) for word in ("accepted", "refused"))
    assert "`account`" in accepted
    assert "`rule`" in refused
    assert "`account`" not in refused


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_names_its_source(rule: Any) -> None:
    assert rule.source.startswith(("RFC 3820, ", "RFC 5280, ", "FIPS 186-4, ", "Globus", "this service"))


def test_table_is_not_broken_by_a_cell() -> None:
    assert markdown.table(["a"], [["x | y\nz"]]).splitlines()[2] == "| x \\| y z |"


@pytest.mark.parametrize(
    ("text", "written"),
    [("two words", "Two words."), ("wait=N: more", "wait=N: more."), ("IDs are. ", "IDs are."), ("", "")],
)
def test_sentence_begins_and_ends_as_one(text: str, written: str) -> None:
    assert markdown.sentence(text) == written


def test_variables_of_the_example_are_described() -> None:
    example = (Path(settings.BASE_DIR) / "deploy" / "environment.example").read_text()
    names = {line.lstrip("# ").partition("=")[0] for line in example.splitlines() if re.match(r"(# )?[A-Z_]+=", line)}
    assert "DOCTOR_ACCEPTS" in names
    assert names <= SETTINGS.keys()


def test_former_names_lead_to_settings() -> None:
    page = settingspage.page()
    assert FORMER_NAMES.keys() <= SETTINGS.keys()
    assert {name for name, former in FORMER_NAMES.items() if f"| `{former.name}` | `{name}` |" not in page} == set()
