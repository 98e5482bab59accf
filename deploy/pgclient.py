#!/usr/bin/env python3
"""Runs a PostgreSQL client on the database of DATABASE_URL, without the password among its arguments.

`pgclient.py pg_dump OPTION...` becomes pg_dump with these options and the URL without its password, which goes by the
environment: everybody on a machine can read the arguments of a process, but only its own account its environment.
"""

import os
import sys
from collections.abc import Sequence
from urllib.parse import unquote, unquote_to_bytes

# Secrets of libpq that no variable of the environment stands for.
_UNHIDEABLE = ("sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


class BadUrl(ValueError):
    """The URL is not one of PostgreSQL's; the message repeats nothing of it."""


def split_password(url: str) -> tuple[str, bytes]:
    """Return the URL without the password, for libpq, and the password that it holds (b"" without one); raises BadUrl.

    Both places that libpq knows are looked at: `user:password@` and `?password=`. See "Connection URIs" in PostgreSQL's
    manual; what is reserved has to be percent-encoded.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme:
        raise BadUrl("DATABASE_URL has to be like postgres://user:password@host:5432/database")
    place, _, query = rest.partition("?")
    authority, slash, database = place.partition("/")
    if "@" in database + query:
        raise BadUrl("DATABASE_URL: reserved characters (such as / ? @) have to be percent-encoded")
    userinfo, at, host = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    pairs = [(unquote(name), name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    if any(name in _UNHIDEABLE for name, *_ in pairs):
        raise BadUrl(f"DATABASE_URL: {', '.join(_UNHIDEABLE)} would be seen by everybody; name a service file instead")
    kept = "&".join(f"{written}={value}" for name, written, value in pairs if written and name != "password")
    given = [value for name, _, value in pairs if name == "password"] or [password]
    return f"postgresql://{user}{at}{host}{slash}{database}{'?' if kept else ''}{kept}", unquote_to_bytes(given[-1])


def main(command: Sequence[str]) -> None:
    """Become the client; ends the process with a message where that is not possible."""
    if not command:
        sys.exit("usage: pgclient.py PROGRAM [OPTION...]")
    try:
        url, password = split_password(os.environ.pop("DATABASE_URL", ""))
        if password:
            os.environb[b"PGPASSWORD"] = password
        os.execvp(command[0], [command[0], f"--dbname={url}", *command[1:]])  # noqa: S606 - no shell is wanted
    except (OSError, ValueError) as exc:
        sys.exit(f"pgclient.py: {exc}")


if __name__ == "__main__":
    main(sys.argv[1:])
