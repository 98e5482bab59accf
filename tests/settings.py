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

# Tests call from one address and as few accounts, many to be refused, as fast as they can.
ROOM = {
    "PROXY_REFUSALS_PER_MINUTE": "100000", "THROTTLE_PER_ACCOUNT": "1000000", "THROTTLE_PER_ADDRESS": "1000000",
    "REQUESTS_PER_ACCOUNT": "64",
}  # fmt: skip


def provide(environment: MutableMapping[str, str]) -> None:
    """Complete the variables that the settings need; a secret may be named by its file as well."""
    for name, placeholder in {"SECRET_KEY": "tests", **PLACEHOLDERS, **ROOM}.items():
        if f"{name}_FILE" not in environment:
            environment.setdefault(name, placeholder)


def own_databases(url: str, worker: str) -> tuple[str, str]:
    """Return two URLs of Redis: the database of `worker`, such as gw0, and one for what nobody else may change.

    Where no workers run side by side, the first one is `url` itself.
    """
    parts, number = urlsplit(url), int(worker.removeprefix("gw") or 0)
    if not parts.netloc:
        return url, url
    spare = parts._replace(path=f"/{2 * number + 2}" if worker else "/15").geturl()
    return parts._replace(path=f"/{2 * number + 1}").geturl() if worker else url, spare


provide(os.environ)
os.environ["REDIS_URL"], SPARE_REDIS_URL = own_databases(
    os.environ["REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER", "")
)

from submitter.settings import *  # noqa: E402, F403 - they are read at import
