"""What a supervised process is: its command, who runs it, and how one knows that it works."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """One daemon in the foreground.

    `ready` answers whether it does its work, not just whether it runs. `inputs` are the files it reads when it starts:
    when one changes, a restart is due. `version` does the same for what is no single file. `prefix` are words that
    root runs in front of the command, before the change to `user`.
    """

    name: str
    command: tuple[str, ...]
    user: str
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    inputs: tuple[Path, ...] = ()
    version: str = ""
    prefix: tuple[str, ...] = ()
    stop_signal: str = "TERM"

    def fingerprint(self) -> str:
        """Return a digest of everything that decides what a start would run."""
        what = [
            self.prefix,
            self.command,
            self.user,
            sorted(self.environment.items()),
            str(self.directory),
            self.version,
        ]
        digest = hashlib.sha256(json.dumps(what).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()
