"""gunicorn's worker: what it refuses by itself, as no HTTP or as too large, is answered in the API's one form too."""

import json
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from submitter.errorbody import error_body


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Threads that take connections."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no request that the application could be asked; gunicorn finds the code and writes the log."""
        super().handle_error(req, _Rewriting(client), addr, exc)


class _Rewriting:
    """A client's connection on which gunicorn's page for people arrives as the contract's body."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, page: bytes) -> None:
        """Keep the status line, and nothing of what the request held."""
        status = page.split(b"\r\n", 1)[0]
        body = json.dumps(error_body(status.split(b" ", 2)[2].decode().lower())).encode()
        head = f"Connection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._client.sendall(b"\r\n".join([status, head.encode(), b"", body]))
