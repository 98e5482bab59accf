"""PURE: what a rule is: a name, the fault that it finds, and a predicate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxyauth.errors import NotAllowed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """A rule with a name in kebab-case; `broken` says whether something breaks it, and `fault` is then the message.

    `source`: the RFC or standard and its sections, "Globus" for the customs of that toolkit, else "this service".
    """

    name: str
    fault: str
    source: str
    broken: Callable[[T], bool]

    def check(self, subject: T) -> None:
        """Return if the rule is kept. Raises NotAllowed with its name."""
        if self.broken(subject):
            raise NotAllowed(self.name, self.fault)
