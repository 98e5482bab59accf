"""PURE: what a rule is: a name, a demand, and a predicate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxyauth.errors import NotAllowed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A demand with a name in kebab-case; `broken` says whether something fails it."""

    name: str
    demand: str
    broken: Callable[[T], bool]

    def check(self, subject: T) -> None:
        """Return if the rule is kept; raises NotAllowed with its name."""
        if self.broken(subject):
            raise NotAllowed(self.name, self.demand)
