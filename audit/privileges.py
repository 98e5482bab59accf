"""What the application's role may do with the audit log, brought into order after each migration."""

from pathlib import Path
from typing import Any

from django.db import connections

_SQL = Path(__file__).with_name("privileges.sql")


def restrict_privileges(using: str, **_: Any) -> None:
    """Leave everybody but the owner reading and adding, in the database `using`; the role that migrates is the owner.

    A restore does the same by itself (deploy/restore.sh). Listens to `post_migrate`.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(_SQL.read_text(encoding="utf-8"))
