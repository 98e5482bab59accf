"""Which events the code writes to the log, at which level and with which fields: read from its calls of loggers."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from submitter.documentation import sources

_LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
_LOGGERS = {"log", "_log", "_access", "_uncaught", "worker.log"}
_EVERYWHERE = {"event", "level", "logger", "timestamp"}


@dataclass
class Event:
    """An event as the code writes it, perhaps in several places. No level is that of another record."""

    levels: set[str] = field(default_factory=set)
    fields: list[str] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)


def events() -> dict[str, Event]:
    """Return every event that the code writes to the log, by its name."""
    found: dict[str, Event] = defaultdict(Event)
    for module, tree in sources.trees():
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for name, level, fields in [*_logged(function), *_made(function)]:
                event = found[name]
                event.levels |= {level} - {""}
                event.fields += [it for it in fields if it not in event.fields]
                event.modules.add(module)
    return found


def _logged(function: ast.FunctionDef) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, level and fields of each event that a function gives to a logger."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=logger, attr=method), args=[name, *_]) if (
                method in _LEVELS and ast.unparse(logger) in _LOGGERS
            ):
                fields = _fields(node, function) + ["exception"] * (method == "exception")
                yield from ((each, _LEVELS[method], fields) for each in _names(name, function, node))


def _made(function: ast.FunctionDef) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the events that a function writes without a logger: as a dictionary that names one."""
    for node in ast.walk(function):
        line = _texts(node) if isinstance(node, ast.Dict) else {}
        if line.get("event"):
            yield line["event"], "", [name for name in line if name not in _EVERYWHERE]


def _names(argument: ast.expr, function: ast.FunctionDef, call: ast.Call) -> Iterator[str]:
    """Yield the events that the first argument of a call may name: itself, or what its variable was given."""
    values = _given(argument, function, call) if isinstance(argument, ast.Name) else [argument]
    for value in values:
        outcomes = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
        yield from map(sources.words, outcomes)


def _fields(call: ast.Call, function: ast.FunctionDef) -> list[str]:
    names: list[str] = []
    for keyword in call.keywords:
        if keyword.arg is None:  # **fields
            names += [key for value in _given(keyword.value, function, call) for key in _texts(value)]
        else:
            names.append("exception" if keyword.arg == "exc_info" else keyword.arg)
    return names


def _given(name: ast.expr, function: ast.AST, call: ast.Call) -> list[ast.expr]:
    """Return what a variable is given in a function by assignments that can come before `call`."""
    given: list[ast.expr] = []
    for node in _beside(function, call):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            given += [node.value for target in targets if ast.unparse(target) == ast.unparse(name)]
    return given


def _beside(node: ast.AST, call: ast.Call) -> Iterator[ast.AST]:
    """Yield what is below `node`, without the branches of an `if` in whose other branch `call` stands."""
    yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If):
        branches = [branch for branch in (node.body, node.orelse) if any(call in ast.walk(it) for it in branch)]
        children = branches[0] if branches else children
    for child in children:
        yield from _beside(child, call)


def _texts(value: ast.expr) -> Mapping[str, str]:
    """Return the keys of a dictionary that is written out, with their values where these are texts."""
    if not isinstance(value, ast.Dict):
        return {}
    return {sources.words(key): sources.words(each) for key, each in zip(value.keys, value.values, strict=True)}
