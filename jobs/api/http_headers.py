"""Headers by which callers ask for less: If-None-Match (RFC 9110 section 13), Prefer (RFC 7240), Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.http import parse_etags
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LONGEST_WAIT = 60  # seconds
_PIECE = 64 * 1024  # characters
KEY = re.compile(r'"?[!#-~]([ -~]{0,253}[!#-~])?"?')  # with or without the quotes of a structured field (RFC 8941)


def etag(job: Mapping[str, Any]) -> str:
    """Return a weak ETag of an answer about `job`; `checked_at` alone makes no other answer."""
    shown = {name: value for name, value in job.items() if name != "checked_at"}
    return f'W/"{hashlib.sha256(orjson.dumps(shown)).hexdigest()[:32]}"'


def has_current(request: Request, tag: str) -> bool:
    """Return whether the caller already has the answer `tag` (weak comparison, as If-None-Match asks for)."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    return tag in tags or tag.removeprefix("W/") in tags or "*" in tags


def not_modified(tag: str, headers: Mapping[str, str]) -> HttpResponse:
    """Return 304: the caller has the answer `tag` already."""
    answer = HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers={**headers, **_headers(tag)})
    del answer["Content-Type"]
    return answer


def json_response(content: Any, tag: str, headers: Mapping[str, str]) -> HttpResponse:
    """Return 200 with `content` as JSON, which is called `tag`.

    Written by orjson: 1,000 jobs, 570 kB, take 0.2 ms, and 1.9 by the standard library.
    """
    return HttpResponse(orjson.dumps(content), content_type="application/json", headers={**headers, **_headers(tag)})


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "PROXY"}


def preferred_wait(request: Request) -> int:
    """Return for how many seconds the caller would wait for a change: `Prefer: wait=N`, at most a minute; else 0."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,6})\s*(?:[,;]|$)", request.headers.get("Prefer", ""))
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def digest(body: Mapping[str, Any]) -> str:
    """Return a digest of the body of a request, which is the same however the body was spaced.

    It is the SHA-256 of `json.dumps(body, sort_keys=True)`, whose text is made in pieces: a script of 4 MiB becomes up
    to 24 MiB there.
    """
    result = hashlib.sha256()
    for number, name in enumerate(sorted(body)):
        result.update(f"{', ' if number else '{'}{json.dumps(name)}: ".encode())
        for piece in _spelled(body[name]):
            result.update(piece.encode())
    result.update(b"}" if body else b"{}")
    return result.hexdigest()


def _spelled(value: Any) -> Iterator[str]:
    """Yield `json.dumps(value)` in pieces. It spells each character of a text by itself."""
    if not isinstance(value, str):
        yield json.dumps(value, sort_keys=True)
        return
    yield '"'
    for start in range(0, len(value), _PIECE):
        yield json.dumps(value[start : start + _PIECE])[1:-1]
    yield '"'


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key without its quotes, None if there is none. Raises ValidationError."""
    sent = request.headers.get("Idempotency-Key")
    if sent is None:
        return None
    if not KEY.fullmatch(sent.strip()):
        raise ValidationError({"Idempotency-Key": "must be 1 to 255 printable ASCII characters, no blank at an end"})
    return sent.strip().removeprefix('"').removesuffix('"')
