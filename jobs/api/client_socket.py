"""The connection to the client whose request is answered: whether it is open. gunicorn puts it into the environ."""

import select
from collections.abc import Mapping
from typing import Any

_SOCKET = "gunicorn.socket"
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


def has_left(environ: Mapping[str, Any]) -> bool:
    """Say whether the client has closed its end, over TCP, TLS or a Unix socket; never where no socket is known.

    A client that closes only its sending half counts as gone, too: a request of its that waits is answered at once.
    """
    socket = environ.get(_SOCKET)
    if socket is None:
        return False
    poll = select.poll()
    try:
        poll.register(socket, select.POLLRDHUP)
    except ValueError:  # closed on this side
        return True
    return any(events & _GONE for _fd, events in poll.poll(0))


def end_in(environ: Mapping[str, Any], seconds: float) -> None:
    """Have the answer broken off after `seconds`, also while the client takes nothing of it, if the server can."""
    end = getattr(environ.get(_SOCKET), "end_in", None)
    if end is not None:
        end(seconds)
