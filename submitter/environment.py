"""Reading environment variables: what cannot be read, or makes no sense, is refused by the variable's name.

No value is repeated: any of them may be a secret that stands in the wrong place.
Each variable is described where it is read; `manage.py makereference` writes these descriptions into the reference.
"""

import builtins
import math
import os
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True)
class FormerName:
    """What a variable was called until the last release, and how its value then reads now."""

    name: str
    convert: Callable[[str], str] = str


SETTINGS: dict[str, Setting] = {}
"""Every variable that was read until now, by its name, in the order of reading."""


def declare(setting: Setting) -> None:
    """Add the setting to SETTINGS. Where a variable is read twice, one of the two readers describes it."""
    if setting.meaning or setting.name not in SETTINGS:
        SETTINGS[setting.name] = setting


def adopt_former_names(environment: MutableMapping[str, str], former_names: dict[str, FormerName]) -> dict[str, str]:
    """Set each variable that is missing in `environment` from its former name; return what is still in use.

    The result maps former names to the present ones: `manage.py check` warns of each. Both names may be set, and the
    present one counts then: a program that this one starts has both.
    """
    in_use = {}
    for name, former in former_names.items():
        if former.name in environment:
            in_use[former.name] = name
            environment.setdefault(name, former.convert(environment[former.name]))
    return in_use


def _format_of_lines(readable: str) -> str:
    """Return what LOG_FORMAT says in the place of LOG_READABLE; text that is neither true nor false stays."""
    try:
        return "text" if _switch(readable) else "json"
    except ValueError:
        return readable


def _directory_of_kind(shared: str) -> str:
    """Return the directory in METRICS_DIR that a process of the web server, or a worker, had for its own metrics."""
    is_web_server = any("gunicorn" in word for word in sys.argv[:2])  # the first two: deploy/start.py is told a program
    directory = Path(shared, "web" if is_web_server else "worker")
    with suppress(OSError):  # prometheus_client says what is wrong
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(directory)


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
        """Return the variable's value, or the default. Raises ImproperlyConfigured."""
        try:
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        except (ValueError, TypeError, LookupError, ArithmeticError):
            form = _KINDS.get(cast, "as the reference of settings says")
            raise ImproperlyConfigured(f"{_as_set(var)} has to be {form}") from None
        except ImproperlyConfigured:
            if var in self.ENVIRON:  # a leading $ names another variable: the rest of a secret would be told
                raise ImproperlyConfigured(f"{var} begins with $, and there is no variable of that name") from None
            raise

    @classmethod
    def parse_value(cls, value: Any, cast: Any) -> Any:
        """Return what a text means. Raises ValueError. django-environ takes `maybe` for false, and `1e3` for 13."""
        if cast is float:
            return float(value)
        if cast is bool:
            return _switch(value)
        return super().parse_value(value, cast)

    def int(self, var: str, default: Any = _NOTSET, *, least: builtins.int = 0, **description: str) -> builtins.int:
        """Return a whole number that is at least `least`. Raises ImproperlyConfigured."""
        self.describe(var, f"whole number, {least} or more", default, **description)
        return int(_bounded(var, self.get_value(var, cast=int, default=default), least))

    def float(
        self, var: str, default: Any = _NOTSET, *, least: builtins.float = 0, **description: str
    ) -> builtins.float:
        """Return a number that is at least `least`. Raises ImproperlyConfigured."""
        self.describe(var, f"number, {least} or more", default, **description)
        return float(_bounded(var, self.get_value(var, cast=float, default=default), least))

    def bool(self, var: str, default: Any = _NOTSET, **description: str) -> builtins.bool:
        """Return whether a switch is on. Raises ImproperlyConfigured."""
        self.describe(var, "`true` or `false`", default, **description)
        return bool(super().bool(var, default=default))

    def list(self, var: str, default: Any = _NOTSET, **description: str) -> builtins.list[str]:
        """Return the parts of a text between its commas."""
        self.describe(var, "list, separated by commas", default, **description)
        return list(super().list(var, default=default))

    def choice(self, var: str, choices: tuple[str, ...], default: str, **description: str) -> str:
        """Return one of `choices`. Raises ImproperlyConfigured."""
        self.describe(var, " or ".join(f"`{choice}`" for choice in choices), default, **description)
        value = str(super().str(var, default=default))
        if value not in choices:
            raise ImproperlyConfigured(f"{_as_set(var)} has to be {' or '.join(choices)}")
        return value

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


def _as_set(var: str) -> str:
    """Return the name under which the variable is set, and its present one where that is another."""
    former = next((old for old, new in FORMER_NAMES_IN_USE.items() if new == var), "")
    return f"{var} (set as {former})" if former else var


def _bounded(var: str, value: float, least: float) -> float:
    if not (math.isfinite(value) and least <= value <= _LARGEST):
        raise ImproperlyConfigured(f"{_as_set(var)} has to be a number from {least} to {_LARGEST}")
    return value


FORMER_NAMES = {
    "LOG_FORMAT": FormerName("LOG_READABLE", _format_of_lines),
    "METRICS_ALLOWED_IPS": FormerName("METRICS_ALLOWED"),
    "PROMETHEUS_MULTIPROC_DIR": FormerName("METRICS_DIR", _directory_of_kind),
    "PROXY_CACHE_TTL": FormerName("PROXY_MEMORY_SECONDS"),
    "REVERSE_PROXIES": FormerName("FRONT_SERVERS"),
}
"""The variables that version 0.2.0 has renamed; the former names are read until the next release."""

FORMER_NAMES_IN_USE = adopt_former_names(os.environ, FORMER_NAMES)
"""Adopted when this module is imported, which is before prometheus_client is: that one reads its variable then."""
