"""The service's settings, where nothing has to be set: what tests do not use has an address that leads nowhere.

Each worker of pytest-xdist takes a Redis database of its own. pytest-django does the same with PostgreSQL's databases.
"""

import os
from collections.abc import MutableMapping
from urllib.parse import urlsplit

PLACEHOLDERS = {
    "DATABASE_URL": "postgres:////DATABASE_URL-is-not-set/tests",
    "REDIS_URL": "unix:///REDIS_URL-is-not-set",
}


def provide(environment: MutableMapping[str, str]) -> None:
    """Complete the variables that the settings need; a secret may be named by its file as well."""
    for name, placeholder in {"SECRET_KEY": "tests", **PLACEHOLDERS}.items():
        if f"{name}_FILE" not in environment:
            environment.setdefault(name, placeholder)


def own_database(url: str, worker: str) -> str:
    """Return the URL of Redis with the database of `worker`, such as gw0; the same one where tests run alone."""
    parts = urlsplit(url)
    if not worker or not parts.netloc:
        return url
    return parts._replace(path=f"/{int(worker.removeprefix('gw')) + 1}").geturl()


provide(os.environ)
os.environ["REDIS_URL"] = own_database(os.environ["REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER", ""))

from submitter.settings import *  # noqa: E402, F403 - they are read at import
