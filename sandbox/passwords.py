"""Passwords made for one sandbox, kept in files that only root reads."""

import secrets

from sandbox.layout import Layout, write


def password(layout: Layout, name: str) -> str:
    """Return the password called `name`, made at the first call; it has letters, digits, - and _ only."""
    path = layout.secrets / name
    if not path.exists():
        layout.secrets.mkdir(mode=0o700, exist_ok=True)
        write(path, secrets.token_urlsafe(48), mode=0o600)
    return path.read_text()
