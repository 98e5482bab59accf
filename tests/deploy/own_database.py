"""A registry of its own beside the sandbox's: made with deploy/postgresql/roles.sql, and removed again."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sandbox import layout
from tests.harness.sandbox_env import variable

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "deploy" / "postgresql" / "roles.sql"


@dataclass(frozen=True)
class Registry:
    """A database with its two roles; `owner` and `application` are the URLs by which they connect."""

    name: str
    owner: str
    application: str

    def manage(self, *words: str, url: str | None = None) -> str:
        """Run manage.py on this database, as the application unless another URL is given."""
        environment = os.environ | {"DATABASE_URL": url or self.application}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=True
        ).stdout

    def wipe(self) -> None:
        """Throw the database away and make an empty one; the roles stay."""
        superuser(f"drop database {self.name}")
        superuser(*_definitions(self.name), text=ROLES.read_text())


def superuser(*words: str, text: str | None = None) -> str:
    """Have PostgreSQL's superuser run one command, or psql's own arguments and the script `text`."""
    port = urlsplit(variable("DATABASE_URL")).port
    psql = ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    place = ["-h", str(layout.of(ROOT).run / "postgres"), "-p", str(port)]
    command = [*psql, *place, *(words if text is not None else ("-c", *words))]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=True, cwd="/").stdout


def _definitions(name: str) -> Sequence[str]:
    return ["-v", f"database={name}", "-v", f"owner={name}_owner", "-v", f"application={name}"]


@contextmanager
def registry() -> Iterator[Registry]:
    """Make roles and a database by the script, and remove all three at the end."""
    name = f"deploy_{uuid.uuid4().hex[:8]}"
    place = urlsplit(variable("DATABASE_URL"))
    superuser(*_definitions(name), text=ROLES.read_text())
    try:
        urls = []
        for role in (f"{name}_owner", name):
            secret = uuid.uuid4().hex
            superuser(f"alter role {role} password '{secret}'")
            urls.append(f"postgres://{role}:{secret}@{place.hostname}:{place.port}/{name}")
        yield Registry(name, *urls)
    finally:
        superuser(f"drop database if exists {name} with (force)")
        superuser(f"drop role {name}")
        superuser(f"drop role {name}_owner")
