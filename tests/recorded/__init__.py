"""What SLURM of several versions has answered to the requests of `clusters.remote`; see README.md."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clusters.slurm import shell
from clusters.slurm.shell import Section

MARKER = f"--{0:032d}--"
"""Stands where the service puts one of its own for each agent."""


@dataclass(frozen=True)
class Recording:
    """The answers of one version, each by the name of its file, and the jobs' ids by what was done to them."""

    version: str

    def __str__(self) -> str:
        return self.version

    @property
    def _directory(self) -> Path:
        return Path(__file__).parent / f"slurm-{self.version}"

    @cached_property
    def jobs(self) -> dict[str, int]:
        """The jobs' ids."""
        return dict(json.loads((self._directory / "jobs.json").read_text()))

    def has(self, name: str) -> bool:
        """Return whether the answer of this name was recorded."""
        return (self._directory / f"{name}.txt").exists()

    def sections(self, name: str) -> list[Section]:
        """Return the sections of an answer."""
        return shell.sections((self._directory / f"{name}.txt").read_bytes(), MARKER)


EVERY = tuple(
    Recording(path.parent.name.removeprefix("slurm-")) for path in sorted(Path(__file__).parent.glob("*/jobs.json"))
)
