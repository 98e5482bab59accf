"""Reading environment variables: what cannot be read, or makes no sense, is refused by the variable's name.

No value is repeated: any of them may be a secret that stands in the wrong place.
Each variable is described where it is read; `manage.py makereference` writes these descriptions into the reference.
"""

import builtins
import math
from dataclasses import dataclass
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_LARGEST = 2**31 - 1
_TRUE = frozenset({"1", "true", "on", "yes", "y", "ok"})
_FALSE = frozenset({"0", "false", "off", "no", "n", ""})
_KINDS = {int: "a whole number such as 16", float: "a number such as 2.5", bool: "true or false"}
_NOTSET = environ.Env.NOTSET


@dataclass(frozen=True)
class Setting:
    """An environment variable: under which heading it stands, the form of its value, its default, and what it does.

    The texts are Markdown. `default` is empty where the variable has to be set.
    """

    name: str
    heading: str
    form: str
    default: str
    meaning: str


SETTINGS: dict[str, Setting] = {}
"""Every variable that was read until now, by its name, in the order of reading."""


def declare(setting: Setting) -> None:
    """Add the setting to SETTINGS. Where a variable is read twice, one of the two readers describes it."""
    if setting.meaning or setting.name not in SETTINGS:
        SETTINGS[setting.name] = setting


class Environment(environ.Env):  # type: ignore[misc]  # it ships no types
    """django-environ's, which reads numbers and switches as they are written, and names the variable it refuses.

    Each reading method takes a `meaning`, what the variable does in a sentence or two of Markdown; `form` and `shown`
    say what its value looks like, and its default, where the method's own words or the default itself would not.
    """

    def __init__(self, heading: str) -> None:
        """Read variables that the reference lists under `heading`."""
        super().__init__()
        self._heading = heading

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        """Return the variable's value, or the default; raises ImproperlyConfigured."""
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except (ValueError, TypeError, LookupError, ArithmeticError):
            form = _KINDS.get(cast, "as the reference of settings says")
            raise ImproperlyConfigured(f"{var} has to be {form}") from None
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

    def int(self, var: str, default: Any = _NOTSET, *, least: builtins.int = 0, **description: str) -> builtins.int:
        """Return a whole number that is at least `least`; raises ImproperlyConfigured."""
        self.describe(var, f"whole number, {least} or more", default, **description)
        return int(_bounded(var, self.get_value(var, cast=int, default=default), least))

    def float(
        self, var: str, default: Any = _NOTSET, *, least: builtins.float = 0, **description: str
    ) -> builtins.float:
        """Return a number that is at least `least`; raises ImproperlyConfigured."""
        self.describe(var, f"number, {least} or more", default, **description)
        return float(_bounded(var, self.get_value(var, cast=float, default=default), least))

    def bool(self, var: str, default: Any = _NOTSET, **description: str) -> builtins.bool:
        """Return whether a switch is on; raises ImproperlyConfigured."""
        self.describe(var, "`true` or `false`", default, **description)
        return bool(super().bool(var, default=default))

    def list(self, var: str, default: Any = _NOTSET, **description: str) -> builtins.list[str]:
        """Return the parts of a text between its commas."""
        self.describe(var, "list, separated by commas", default, **description)
        return list(super().list(var, default=default))

    def text(self, var: str, default: Any = _NOTSET, **description: str) -> str:
        """Return the text itself."""
        self.describe(var, "text", default, **description)
        return str(super().str(var, default=default))

    def describe(
        self, var: str, kind: str, default: Any = _NOTSET, *, meaning: str = "", form: str = "", shown: str = ""
    ) -> None:
        """Tell the reference of the variable, whose value is read elsewhere."""
        declare(Setting(var, self._heading, form or kind, shown or _shown(default), meaning))


def _shown(default: Any) -> str:
    """Return how a default is written as the value of a variable, in Markdown; nothing where there is none."""
    if default is _NOTSET:
        return ""
    written = ",".join(default) if isinstance(default, list) else str(default)
    return f"`{written.lower() if isinstance(default, bool) else written}`" if written else "empty"


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("it is neither true nor false")
    return word in _TRUE


def _bounded(var: str, value: float, least: float) -> float:
    if not (math.isfinite(value) and least <= value <= _LARGEST):
        raise ImproperlyConfigured(f"{var} has to be a number from {least} to {_LARGEST}")
    return value
