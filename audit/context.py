"""What the lines of the audit log say of the request that is being answered, and what text they can hold."""

import structlog
from django.db.models import Field

from audit.models import Entry


def request_id() -> str:
    """Return the id of the request that is being answered, the same as in the log's lines; "" outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def client_address() -> str:
    """Return the address from which the request that is being answered came; "" outside of one."""
    return str(structlog.contextvars.get_contextvars().get("client", ""))


def fitting(column: str, text: str) -> str:
    """Return as much of `text` as the column of the table has room for, in characters that PostgreSQL takes."""
    field = Entry._meta.get_field(column)  # noqa: SLF001 - Django documents _meta
    return printable(text)[: field.max_length] if isinstance(field, Field) else text


def printable(text: str) -> str:
    """Return `text` with U+FFFD or ? in the place of what PostgreSQL takes in no text: NUL, and lone surrogates."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
