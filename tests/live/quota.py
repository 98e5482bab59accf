"""Folders that take nothing more."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.commands import run


@contextmanager
def over_quota(folder: Path, user: str, *, inodes: int | None = None) -> Iterator[None]:
    """Let `folder` take directories and empty files of `user`, but not one more byte; or no more than `inodes` of them.

    A file system of that size lies over it meanwhile.
    """
    options = f"size=4k,mode=0700,uid={user},gid={user}" + (f",nr_inodes={inodes}" if inodes else "")
    run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder])
    try:
        run(["sh", "-c", f"head -c 1M /dev/zero > {folder}/full || true"], user=user)
        yield
    finally:
        run(["umount", "--lazy", folder])
