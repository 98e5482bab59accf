#!/usr/bin/env python
"""The command line of this project."""

import os
import sys

# Commands that need no service, and so run without its secrets: with a part of its settings, which has all they need.
ALONE = {"checkproxy": "submitter.trustsettings"}


def settings_for(arguments: list[str]) -> str:
    """Return the settings' module for what was typed behind the program's name; also for `help COMMAND`."""
    command = next((word for word in arguments if word != "help"), "")
    return ALONE.get(command, "submitter.settings")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_for(sys.argv[1:]))

    from submitter import commandline

    commandline.run(sys.argv)
