"""Runs other programs: one door, so that every failure names its command and shows its words."""

import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandFailed(Exception):
    """A program ended with a code other than 0, or not in time."""


def run(
    argv: Sequence[str | Path],
    *,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 120,
) -> str:
    """Run `argv` and return its standard output.

    As `user` (an account's name; None is root) in a fresh environment with `env` added, so that nothing of the
    caller's shell leaks into daemons and databases. `timeout` is in seconds. Raises CommandFailed.
    """
    words = [str(word) for word in argv]
    if user is not None:
        words = as_user(user, words)
    try:
        done = subprocess.run(  # noqa: S603 - the words are this package's own, no shell reads them
            words,
            env={"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **(env or {})},
            cwd=cwd or "/",
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise CommandFailed(f"{words[0]} did not end within {timeout:.0f} s: {' '.join(words)}") from exc
    if done.returncode:
        said = (done.stderr + done.stdout).strip() or "it said nothing"
        raise CommandFailed(f"exit code {done.returncode} from: {' '.join(words)}\n{said}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, user: str | None = None, env: Mapping[str, str] | None = None) -> bool:
    """Say whether `argv` ends with code 0 within ten seconds."""
    try:
        run(argv, user=user, env=env, timeout=10)
    except CommandFailed:
        return False
    return True


def as_user(user: str, argv: Sequence[str], *options: str) -> list[str]:
    """Prefix `argv` so that root runs it with `user`'s uid and groups, without a login; `options` are setpriv's own."""
    identity = [f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups"]
    return ["setpriv", *identity, *options, "--", *argv]
