"""PURE: what a rule is: a name, a demand, and a predicate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxyauth.errors import NotAllowed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A demand with a name in kebab-case; `broken` says whether something fails it.

    `source`: the RFC or standard and its sections, "Globus" for the customs of that toolkit, else "this service".
    """

    name: str
    demand: str
    source: str
    broken: Callable[[T], bool]

    def check(self, subject: T) -> None:
        """Return if the rule is kept. Raises NotAllowed with its name."""
        if self.broken(subject):
            raise NotAllowed(self.name, self.demand)
