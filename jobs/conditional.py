"""Headers by which callers ask for less: If-None-Match (RFC 9110 section 13), Prefer (RFC 7240), Idempotency-Key."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

LONGEST_WAIT = 60  # seconds
_PIECE = 64 * 1024  # characters
KEY = re.compile(r'"?[!#-~]([ -~]{0,253}[!#-~])?"?')  # with or without the quotes of a structured field (RFC 8941)


def etag(content: Any) -> str:
    """Return a weak tag of `content`: a job, or a list of jobs. That SLURM was asked again makes no other answer."""
    jobs = content if isinstance(content, list) else [content]
    told = [{name: value for name, value in job.items() if name != "checked_at"} for job in jobs]
    return f'W/"{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]}"'


def known(request: Request, tag: str) -> bool:
    """Return whether the caller already has the answer `tag` (weak comparison, as If-None-Match asks for)."""
    tags = parse_etags(request.headers.get("If-None-Match", ""))
    return tag in tags or tag.removeprefix("W/") in tags or "*" in tags


def answered(request: Request, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Return 200 with `content`, or 304 without it where the caller has it already."""
    tag = etag(content)
    headers = {**(headers or {}), "ETag": tag, "Cache-Control": "private, no-cache", "Vary": "PROXY"}
    if known(request, tag):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers)


def preferred_wait(request: Request) -> int:
    """Return for how many seconds the caller would wait for a change: `Prefer: wait=N`, at most a minute; else 0."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,6})\s*(?:[,;]|$)", request.headers.get("Prefer", ""))
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def digest(body: Mapping[str, Any]) -> str:
    """Return what tells this body of a request from another, however it was spaced.

    It is the SHA-256 of `json.dumps(body, sort_keys=True)`, whose text is made in pieces: a script of 4 MiB becomes up
    to 24 MiB there.
    """
    found = hashlib.sha256()
    for number, name in enumerate(sorted(body)):
        found.update(f"{', ' if number else '{'}{json.dumps(name)}: ".encode())
        for piece in _spelled(body[name]):
            found.update(piece.encode())
    found.update(b"}" if body else b"{}")
    return found.hexdigest()


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
