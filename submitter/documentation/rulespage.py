"""The page of proxy rules: in which order they are asked, of which certificate, by which section of which standard."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from proxyauth import remedies
from proxyauth.validation.algorithms import KEY_RULES
from proxyauth.validation.path import Role
from proxyauth.validation.rule import Rule
from proxyauth.validation.rules import LINK_RULES, PATH_RULES
from submitter.documentation import markdown, sources

_INTRODUCTION = (
    "A refused proxy gets 401, or 403 where its owner has no account; the message begins with the name of the rule. "
    "`manage.py checkproxy FILE` says for a proxy which rules it keeps. The chain is judged first, then "
    "each certificate from the root down, each by the rules that concern it. "
    "*Source* is the section of the standard; *Globus* is the custom of the Globus toolkit where the RFCs are silent, "
    "and *this service* is a rule of its own, most of which [settings](settings.md) change."
)
_ROLES = {
    Role.ROOT: "the root",
    Role.AUTHORITY: "each CA",
    Role.END_ENTITY: "the user's certificate",
    Role.PROXY: "each proxy",
}
_REFUSING = {"Malformed", "NotAllowed", "NoAccount", "Refused", "Refusal"}
_VARIES = "says what was found"


def page() -> str:
    """Return the page."""
    others = sorted(remedies.REMEDIES.keys() - {rule.name for rule, _ in _rules()})
    messages = _messages()
    return markdown.page(
        "Proxy rules",
        _INTRODUCTION,
        "## Rules of the chain and its certificates\n\n"
        + markdown.table(["No.", "Rule", "Asked of", "Message", "Source", "What the caller does"], _rows()),
        "## Refusals while the credential is read and mapped\n\n"
        + markdown.table(
            ["Rule", "Message", "What the caller does"],
            ([markdown.code(name), messages.get(name, _VARIES), _remedy(name)] for name in others),
        ),
    )


def _rows() -> Iterator[list[str]]:
    for number, (rule, asked_of) in enumerate(_rules(), 1):
        yield [str(number), markdown.code(rule.name), asked_of, rule.fault, rule.source, _remedy(rule.name)]


def _rules() -> Iterator[tuple[Rule[Any], str]]:
    """Yield each rule once, with what it is asked of."""
    yield from ((rule, "the chain") for rule in PATH_RULES)
    yield from ((rule, "each key") for rule in KEY_RULES)
    for rule in _in_order(LINK_RULES.values()):
        yield rule, ", ".join(name for role, name in _ROLES.items() if rule in LINK_RULES[role])


def _in_order(tables: Iterable[Iterable[Rule[Any]]]) -> list[Rule[Any]]:
    return list(dict.fromkeys(rule for rules in tables for rule in rules))


def _remedy(name: str) -> str:
    return markdown.sentence(remedies.REMEDIES.get(name, ""))


def _messages() -> dict[str, str]:
    """Return the messages of the refusals that the code raises by a name in words."""
    calls = (node for _, tree in sources.trees("proxyauth") for node in ast.walk(tree) if isinstance(node, ast.Call))
    raised = [call for call in calls if ast.unparse(call.func) in _REFUSING and len(call.args) > 1]
    return {sources.words(call.args[0]): sources.words(call.args[1]) for call in raised}
