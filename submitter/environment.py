"""Reading environment variables: what cannot be read, or makes no sense, is refused by the variable's name.

No value is repeated: any of them may be a secret that stands in the wrong place.
"""

import builtins
import math
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_LARGEST = 2**31 - 1
_TRUE = frozenset({"1", "true", "on", "yes", "y", "ok"})
_FALSE = frozenset({"0", "false", "off", "no", "n", ""})
_KINDS = {int: "a whole number such as 16", float: "a number such as 2.5", bool: "true or false"}


class Environment(environ.Env):  # type: ignore[misc]  # it ships no types
    """django-environ's, which reads numbers and switches as they are written, and names the variable it refuses."""

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        """Return the variable's value, or the default; raises ImproperlyConfigured."""
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise ImproperlyConfigured(f"{var} has to be {_KINDS.get(cast, 'as the guide says')}") from None
        except ImproperlyConfigured:
            if var in self.ENVIRON:  # a leading $ names another variable: the rest of a secret would be told
                raise ImproperlyConfigured(f"{var} begins with $, and there is no variable of that name") from None
            raise

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        """Return what a text means; raises ValueError. django-environ takes `maybe` for false, and `1e3` for 13."""
        if cast is float:
            return float(value)
        if cast is bool:
            return _switch(value)
        return super().parse_value(value, cast)

    def int(self, var: str, default: Any = environ.Env.NOTSET, *, least: builtins.int = 0) -> builtins.int:
        """Return a whole number that is at least `least`; raises ImproperlyConfigured."""
        return int(_bounded(var, self.get_value(var, cast=int, default=default), least))

    def float(self, var: str, default: Any = environ.Env.NOTSET, *, least: builtins.float = 0) -> builtins.float:
        """Return a number that is at least `least`; raises ImproperlyConfigured."""
        return float(_bounded(var, self.get_value(var, cast=float, default=default), least))


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("it is neither true nor false")
    return word in _TRUE


def _bounded(var: str, value: float, least: float) -> float:
    if not (math.isfinite(value) and least <= value <= _LARGEST):
        raise ImproperlyConfigured(f"{var} has to be a number from {least} to {_LARGEST}")
    return value
