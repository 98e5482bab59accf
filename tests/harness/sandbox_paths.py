"""What of the sandbox the fault tests use: its SLURM, the users' proxies, the trust in them."""

import os
from dataclasses import dataclass
from pathlib import Path

_USERS = ("ALICE", "BOB", "CAROL")


@dataclass(frozen=True)
class Sandbox:
    """What of the sandbox is used: SLURM, the users' proxies, the trust in them, the SSH CA."""

    slurm_conf: str
    sshd_config: Path
    proxies: tuple[Path, ...]

    @classmethod
    def from_environment(cls) -> "Sandbox":
        """Read it from the variables that `make up` has written. Raises LookupError with the one that is missing."""
        try:
            return cls(
                slurm_conf=os.environ["ZEUS_SLURM_CONF"],
                sshd_config=Path(os.environ["ZEUS_HOST_KEY"]).with_name("sshd_config"),
                proxies=tuple(Path(os.environ[f"{user}_PROXY"]) for user in _USERS),
            )
        except KeyError as exc:
            raise LookupError(f"{exc.args[0]} is not set: run `make up`, then `. .local/sandbox.env`") from exc
