"""`manage.py COMMAND --help`: what the command is for and how it is called, before what Django adds."""

import argparse
import re

import pytest
from django.core.management import get_commands

from submitter import commandline

OURS = sorted(name for name, room in get_commands().items() if room.partition(".")[0] in commandline._OURS)


def parser(name: str) -> argparse.ArgumentParser:
    return commandline.Utility(["manage.py", name]).fetch_command(name).create_parser("manage.py", name)


def test_these_are_the_commands() -> None:
    assert OURS == ["checkproxy", "doctor", "loadclusters", "makereference", "pingcluster", "poll", "prunejobs"]


@pytest.mark.parametrize("name", OURS)
def test_the_help_begins_with_the_commands_own_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commandline.run(["manage.py", name, "--help"])
    told = capsys.readouterr().out
    before, _, general = told.partition("Django's general options are taken as well: ")
    assert "--settings" in general
    assert "--traceback" in general
    assert "--force-color" in general
    assert not re.search(r"--(settings|pythonpath|traceback|verbosity|no-color|force-color|version)", before)
    assert not re.search(r"-\n\s*\w", told), "an option's name is broken"


@pytest.mark.parametrize("name", OURS)
def test_the_general_options_are_taken_all_the_same(name: str) -> None:
    needed = {"checkproxy": ["x"], "loadclusters": ["x"], "prunejobs": ["--older-than", "1d"]}.get(name, [])
    options = parser(name).parse_args([*needed, "--traceback", "-v", "2", "--settings", "x"])
    assert (options.traceback, options.verbosity, options.settings) == (True, 2, "x")


@pytest.mark.parametrize("name", OURS)
def test_each_argument_is_explained_and_examples_can_be_typed(name: str) -> None:
    for action in parser(name)._actions:
        assert action.help, action
    examples = re.findall(r"^  manage\.py (.*)$", parser(name).epilog or "", re.MULTILINE)
    assert examples
    for example in examples:
        command, *arguments = example.split()
        assert command == name
        parser(name).parse_args(arguments)


def test_djangos_own_commands_keep_their_help() -> None:
    assert "--settings" in parser("migrate").format_help().partition("options:")[2]
