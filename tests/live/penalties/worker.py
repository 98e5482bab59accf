"""What each process that asks begins with, before it may import anything of the service."""

import os
from multiprocessing.synchronize import Event

import django
from django.db import connections

_over: list[Event] = []  # set when nobody watches any more


def begin(ca: str, database: str, over: Event) -> None:
    """Set Django up with `ca` as the service's key and the tests' database; `over` ends the questions."""
    os.environ["SSH_CA_KEY"] = ca
    django.setup()
    connections.databases["default"]["NAME"] = database
    _over.append(over)


def pause(seconds: float) -> bool:
    """Wait between two questions, and say whether there may be another one."""
    return not _over[0].wait(seconds)
