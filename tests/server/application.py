"""A small WSGI application for the tests of the web server: what it does is in the path."""

import errno
import gc
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jobs import stopping
from jobs.api import client_socket
from submitter.http.forwarded import with_reverse_proxies

Environ = dict[str, Any]
PIECE = b"x" * 65536


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do what the path says; anything else answers with what came."""
    work = _WORK.get(environ["PATH_INFO"], _echo)
    return work(environ, start_response)


def _echo(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    names = ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "REMOTE_ADDR", "wsgi.url_scheme")
    return _json(start_response, {name: environ.get(name) for name in names})


def behind_front_servers(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do the same, where the environment's REVERSE_PROXIES are believed."""
    return with_reverse_proxies(application, os.environ["REVERSE_PROXIES"].split())(environ, start_response)


def _json(start_response: Callable[..., Any], answer: object) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _read(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    try:
        return _json(start_response, len(environ["wsgi.input"].read()))
    except TimeoutError:
        return _json(start_response, "too slow")


def _large(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """64 MiB, or less if the client does not take it."""
    del environ
    start_response("200 OK", [("Content-Length", str(1024 * len(PIECE)))])
    return _Pieces()


class _Pieces:
    open = 0

    def __init__(self) -> None:
        _Pieces.open += 1

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(1024):
            yield PIECE

    def close(self) -> None:
        _Pieces.open -= 1


def _open(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """How many large answers are being sent."""
    del environ
    return _json(start_response, _Pieces.open)


def _expiring(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    client_socket.end_in(environ, 1)
    return _large(environ, start_response)


def _broken(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Ten bytes of twenty, and the connection is reset."""
    del environ
    start_response("200 OK", [("Content-Length", "20")])
    yield b"0123456789"
    raise ConnectionResetError(errno.ECONNRESET, "broken off")


def _wait(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Wait until the client has left."""
    _waits.append(0)
    for _ in range(600):
        if client_socket.has_left(environ):
            _waits[-1] = 1
            break
        time.sleep(0.05)
    return _json(start_response, "left")


_waits: list[int] = []


def _waited(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """How many requests have waited, and how many of those clients have left."""
    del environ
    return _json(start_response, [len(_waits), sum(_waits)])


def _patient(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Wait for ten minutes, or until the process is told to stop."""
    del environ
    stopped = threading.Event()
    stopping.on_stop(stopped.set)
    _patients.append(stopped)
    return _json(start_response, "told" if stopped.wait(600) else "never told")


_patients: list[threading.Event] = []


def _patience(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """How many requests wait to be told."""
    del environ
    return _json(start_response, len(_patients))


def _busy(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Be at work for longer than is given to what has begun to be answered; until then nothing is sent."""
    del environ
    _busy_ones.append(True)
    time.sleep(4)
    return _json(start_response, "done")


_busy_ones: list[bool] = []


def _business(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """How many requests are or were at work."""
    del environ
    return _json(start_response, len(_busy_ones))


def _crash(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    raise RuntimeError(f"on purpose, with {len(environ)} variables and {start_response is not None}")


def _frozen(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """How many objects Python's collector of garbage does not look at."""
    del environ
    return _json(start_response, gc.get_freeze_count())


_WORK = {
    "/frozen": _frozen,
    "/read": _read,
    "/large": _large,
    "/open": _open,
    "/expiring": _expiring,
    "/broken": _broken,
    "/wait": _wait,
    "/waited": _waited,
    "/patient": _patient,
    "/patience": _patience,
    "/busy": _busy,
    "/business": _business,
    "/crash": _crash,
}
