"""Every refusal says what to do next, in bounded and printable words."""

from pathlib import Path

import pytest

import proxyauth
from proxyauth.remedies import REMEDIES, describe_refusal
from tests.unit.proxyauth.test_rules import _named_in
from tests.unit.proxyauth.test_verdicts import REFUSED_CASES

RULES = {
    name
    for source in Path(proxyauth.__path__[0]).rglob("*.py")
    for name in _named_in(
        source.read_text(encoding="utf-8"), {"Malformed", "NotAllowed", "NoAccount", "Refusal", "Rule"}
    )
} | {case.verdict for case in REFUSED_CASES}


def test_every_rule_has_a_remedy_and_every_remedy_a_rule() -> None:
    assert set(REMEDIES) == RULES | {"ca-path-length", "name-constraints", "extension-duplicate"}
    assert len(RULES) > 85


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_message_says_the_rule_the_fault_and_what_to_do(rule: str) -> None:
    name, fault, *remedy = describe_refusal(rule, "it is wrong").replace(": ", "; ", 1).split("; ")
    assert (name, fault) == (rule, "it is wrong")
    assert "".join(remedy)


def test_a_name_is_told_whole_where_it_is_short() -> None:
    name = "/C=PL/O=Grid/CN=Zażółć Gęślą"
    assert describe_refusal("dn-unmapped", "this DN has no account here", name).startswith(
        f"dn-unmapped: this DN has no account here: {name}; ask the operators"
    )


def test_a_name_is_told_bounded_and_printable() -> None:
    message = describe_refusal("dn-unmapped", "no account", "/CN=\x1b[2J\u202e\n" + "a" * 60_000)
    assert len(message) < 600
    assert message.isprintable()
    assert "aaa...; ask" in message
