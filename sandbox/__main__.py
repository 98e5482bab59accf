"""The commands: python3 -m sandbox venv | install | up | down | purge | demo."""

import sys
from pathlib import Path

from sandbox import layout, lifecycle, venv
from sandbox.accounts import ForeignAccount
from sandbox.commands import CommandFailed
from sandbox.machine import NoFreePorts
from sandbox.supervision import NotReady
from sandbox.typed import UnexpectedAnswer

CHECKOUT = Path(__file__).resolve().parent.parent


def main(words: list[str]) -> int:
    """Carry out one command and return the exit code: 0 done, 1 failed, 2 not understood."""
    commands = {
        "venv": lambda: venv.provide(layout.settle(CHECKOUT)),
        "install": lambda: lifecycle.install(CHECKOUT),
        "up": lambda: lifecycle.up(CHECKOUT),
        "down": lambda: lifecycle.down(CHECKOUT),
        "purge": lambda: lifecycle.purge(CHECKOUT),
        "demo": lambda: lifecycle.demonstrate(CHECKOUT),
    }
    if len(words) != 1 or words[0] not in commands:
        sys.stderr.write(f"usage: python3 -m sandbox {' | '.join(commands)}\n")
        return 2
    try:
        commands[words[0]]()
    except (CommandFailed, NotReady, ForeignAccount, NoFreePorts, UnexpectedAnswer) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
