"""The TOML file from which clusters are registered: a table [[cluster]] for each, with the model's fields by name.

All faults are reported at once, in sentences that name the field, and with any fault nothing is stored. The fields are
the model's own: a new one needs nothing here.
"""

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from clusters.models import Cluster
from clusters.validators import incoherent

MAX_BYTES = 1024 * 1024
_SHOWN = 60  # characters of a name or a word that a message repeats
_TABLES = "each cluster is a table that begins with a line [[cluster]]"

Field: TypeAlias = "models.Field[Any, Any]"

# What a field takes, in TOML's types, and how a sentence calls it. Other fields judge their values themselves.
_TYPES: tuple[tuple[type[Field], type, str], ...] = (
    (models.BooleanField, bool, "true or false"),
    (models.IntegerField, int, "a whole number"),
    (models.CharField, str, "a text in quotes"),
    (models.TextField, str, "a text in quotes"),
    (ArrayField, list, "a list of texts in brackets"),
    (models.JSONField, dict, "a table of names and values"),
)
_TYPE_NAMES = {
    bool: "a boolean", int: "a whole number", float: "a number", str: "a text", list: "a list", dict: "a table",
    dt.datetime: "a time", dt.date: "a date", dt.time: "a time",
}  # fmt: skip


class Unusable(Exception):
    """A file that registers nothing; the message says why."""


def fields() -> dict[str, Field]:
    """Return the fields that a table may have, by name: those that an operator may edit."""
    known = Cluster._meta.concrete_fields  # noqa: SLF001 - Django documents _meta
    return {each.name: each for each in known if each.editable and not each.primary_key}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the tables of the file at `path`, unchecked. Raises Unusable."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise Unusable(f"it cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BYTES:
        raise Unusable(f"it is larger than {MAX_BYTES} bytes")
    return _tables(_parse(raw))


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise Unusable(f"it is not UTF-8 text: see its byte {exc.start + 1}") from exc
    except (ValueError, RecursionError) as exc:
        raise Unusable(f"it is not TOML: {exc}") from exc


def _tables(parsed: Mapping[str, Any]) -> list[dict[str, Any]]:
    if unknown := [shown(name) for name in parsed if name != "cluster"]:
        raise Unusable(f"{', '.join(unknown[:3])} means nothing here: {_TABLES}")
    tables = parsed.get("cluster", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise Unusable(f"cluster is {_TYPE_NAMES[type(tables)]}: {_TABLES}, in two pairs of brackets")
    if not tables:
        raise Unusable(f"it names no cluster: {_TABLES}")
    return tables


def put(table: Mapping[str, Any]) -> tuple[Cluster | None, list[str]]:
    """Add the table's cluster, or change the one of its name; return it, or None and the faults of the table."""
    known = fields()
    wrong = {
        name: fault for name, value in table.items() if name in known and (fault := _wrong_type(known[name], value))
    }
    unknown = [
        f"{shown(name)} is no field of a cluster; these are: {', '.join(known)}" for name in table if name not in known
    ]
    cluster = _named(table.get("name") if "name" not in wrong else None)
    for name in (name for name in table if name in known and name not in wrong):
        setattr(cluster, name, table[name])
    cluster.host_keys = cluster.host_keys or []
    wrong |= {name: "it is missing" for name in _missing(cluster) if name not in wrong}
    faults = [*unknown, *(f"{name}: {fault}" for name, fault in wrong.items()), *_wrong_values(cluster, set(wrong))]
    if faults:
        return None, faults
    cluster.save()
    return cluster, []


def _named(name: str | None) -> Cluster:
    """Return the cluster that a table is about: the registered one of that name, else a new one."""
    registered = Cluster.objects.filter(name__iexact=name).first() if name else None
    return registered or Cluster()


def _wrong_type(field: Field, value: Any) -> str:
    """Return what is wrong with the type of `value`, "" for nothing. Unlike in Python, a boolean is no number."""
    kind, name = next(((kind, name) for model, kind, name in _TYPES if isinstance(field, model)), (None, ""))
    if kind is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        return f"it has to be {name}, and is {_TYPE_NAMES.get(type(value), 'something else')}"
    if isinstance(field, ArrayField):
        wrong = [_wrong_type(field.base_field, each) for each in value]
        return next((f"each of its values: {each}" for each in wrong if each), "")
    return "it holds a NUL character" if isinstance(value, str) and "\0" in value else ""


def _missing(cluster: Cluster) -> Iterator[str]:
    for name, field in fields().items():
        if not field.blank and getattr(cluster, name) in field.empty_values and name not in _optional(cluster):
            yield name


def _optional(cluster: Cluster) -> set[str]:
    """Return the fields that may be missing: until a cluster is enabled, its host keys can be fetched in the admin."""
    return set() if cluster.enabled or cluster.host_keys else {"host_keys"}


def _wrong_values(cluster: Cluster, reported: set[str]) -> Iterator[str]:
    """Yield a sentence for each fault of a value, except for the fields whose fault is `reported` already."""
    faulty = set(reported)
    try:
        cluster.full_clean(exclude=_optional(cluster) | reported)
    except ValidationError as exc:
        faulty |= exc.message_dict.keys()
        for name, messages in exc.message_dict.items():
            about = "name and aliases" if name == NON_FIELD_ERRORS else name
            yield f"{about}: {' '.join(messages)}"
    values = {name: getattr(cluster, name) for name in fields() if name not in faulty}
    yield from (f"{name}: {message}" for name, message in incoherent(values))


def shown(value: object) -> str:
    """Return `value`, a text in the file, in quotes as a message may repeat it: short and printable."""
    text = value if isinstance(value, str) else "something else"
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
