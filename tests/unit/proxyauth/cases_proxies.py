"""Proxies that RFC 3820 or the customs of the Globus toolkit forbid."""

from collections.abc import Callable
from datetime import timedelta

from proxyauth.policy import Kind, Policy
from tests.pki import grid
from tests.pki.mint import DAY, HOUR, NOW, Form, Minted
from tests.pki.names import name, part, rdn, rdns
from tests.unit.proxyauth.makers import chain_of, proxy_named, rfc_with
from tests.unit.proxyauth.trial import Case, Trial, alice, of, the_ca


def _full(parent: Minted) -> Minted:
    return grid.rfc(parent)


def _limited(parent: Minted) -> Minted:
    return grid.rfc(parent, grid.proxy_info(grid.LIMITED))


def _length(length: int, kind: str = grid.RFC) -> Callable[[Minted], Minted]:
    return lambda parent: grid.rfc(parent, grid.proxy_info(length=length, kind=kind))


def _language(language: str, kind: str = grid.RFC, policy: bytes | None = None) -> Callable[[Minted], Minted]:
    return lambda parent: grid.rfc(parent, grid.proxy_info(language, kind=kind, policy=policy))


_TRIALS: dict[str, dict[str, Callable[[], Trial]]] = {
    "proxy-missing": {
        "a user's certificate": lambda: of(alice()),
        "a user's with its CA": lambda: of(alice(), the_ca()),
    },
    "proxy-mixed": {
        "a draft below an RFC proxy": chain_of(_full, grid.draft),
        "an RFC below a draft proxy": chain_of(grid.draft, _full),
        "a legacy below an RFC proxy": chain_of(_full, grid.legacy),
        "an RFC below a legacy proxy": chain_of(grid.legacy, _full),
        "a legacy below a draft proxy": chain_of(grid.draft, grid.legacy),
    },
    "proxy-type": {
        "an RFC proxy where it is not allowed": chain_of(_full, policy=Policy(kinds=frozenset({Kind.DRAFT}))),
        "a draft proxy where it is not allowed": chain_of(grid.draft, policy=Policy(kinds=frozenset({Kind.RFC}))),
        "a legacy proxy where it is not allowed": chain_of(
            grid.legacy, policy=Policy(kinds=frozenset({Kind.RFC, Kind.DRAFT}))
        ),
    },
    "chain-too-deep": {
        "nine delegations": chain_of(*[grid.legacy] * 9),
        "two delegations where one is allowed": chain_of(_full, _full, policy=Policy(max_proxies=1)),
    },
    "proxy-path-length": {
        "a proxy below a length of 0": chain_of(_length(0), _full),
        "two proxies below a length of 1": chain_of(_length(1), _full, _full),
        "a length that a lower one widens": chain_of(_length(0), _length(5)),
        "a length that a lower one narrowed": chain_of(_length(5), _length(0), _full),
        "a draft proxy below a length of 0": chain_of(_length(0, grid.DRAFT), grid.draft),
    },
    "proxy-independent": {
        "an independent proxy": chain_of(_language(grid.INDEPENDENT)),
        "an independent draft proxy": chain_of(_language(grid.INDEPENDENT, grid.DRAFT)),
        "a full proxy below an independent one": chain_of(_language(grid.INDEPENDENT), _full),
    },
    "proxy-policy": {
        "any language": chain_of(_language("1.3.6.1.5.5.7.21.0")),
        "a language behind the known ones": chain_of(_language("1.3.6.1.5.5.7.21.9")),
        "an unknown language": chain_of(_language("1.2.3.4", policy=b"only reading")),
        "an unknown language in a draft": chain_of(_language("1.2.3.4", grid.DRAFT)),
    },
    "proxy-widened": {
        "a full proxy below a limited one": chain_of(_limited, _full, policy=Policy(allow_limited=True)),
        "a full legacy proxy below a limited one": chain_of(
            lambda it: grid.legacy(it, "limited proxy"), grid.legacy, policy=Policy(allow_limited=True)
        ),
        "a full draft proxy below a limited one": chain_of(
            _language(grid.LIMITED, grid.DRAFT), grid.draft, policy=Policy(allow_limited=True)
        ),
        "a full proxy between limited ones": chain_of(_limited, _full, _limited, policy=Policy(allow_limited=True)),
    },
    "proxy-limited": {
        "a limited RFC proxy": chain_of(_limited),
        "a limited draft proxy": chain_of(_language(grid.LIMITED, grid.DRAFT)),
        "a limited legacy proxy": chain_of(lambda it: grid.legacy(it, "limited proxy")),
        "a limited proxy below a full one": chain_of(_full, _limited),
        "limited proxies only": chain_of(_limited, _limited),
    },
    "proxy-info-critical": {
        "a ProxyCertInfo that is not critical": rfc_with(info=grid.proxy_info(critical=False)),
        "a draft ProxyCertInfo that is not critical": rfc_with(info=grid.proxy_info(kind=grid.DRAFT, critical=False)),
        "one that is not critical below one that is": chain_of(
            _full, lambda it: grid.rfc(it, grid.proxy_info(critical=False))
        ),
    },
    "proxy-is-ca": {
        "a proxy that claims to be a CA, as leaf": rfc_with(grid.basic_constraints(ca=True)),
        "a proxy that claims to be a CA": lambda: of(
            grid.rfc(first := grid.rfc(alice(), extra=[grid.basic_constraints(ca=True)])), first, alice()
        ),
    },
    "proxy-alternative-name": {
        "a proxy with an alternative name": rfc_with(grid.alternative_name()),
        "a proxy with an alternative name of its issuer": rfc_with(grid.alternative_name("2.5.29.18")),
        "a legacy proxy with an alternative name": chain_of(
            lambda it: grid.legacy(it, extra=[grid.alternative_name()])
        ),
    },
    "proxy-last-rdn": {
        "a proxy with a multivalued last RDN": lambda: of(
            proxy_named((*alice().subject, rdns(part("CN", "1"), part("UID", "2")))), alice()
        ),
        "a proxy with two CNs in one RDN": lambda: of(
            proxy_named((*alice().subject, rdns(part("CN", "1"), part("CN", "2")))), alice()
        ),
        "a proxy whose last RDN is no CN": lambda: of(proxy_named((*alice().subject, rdn("OU", "1"))), alice()),
    },
    "proxy-subject": {
        "a proxy with its issuer's name": lambda: of(proxy_named(alice().subject), alice()),
        "a proxy with two CNs more": lambda: of(
            proxy_named((*alice().subject, rdn("CN", "1"), rdn("CN", "2"))), alice()
        ),
        "a proxy with another name": lambda: of(proxy_named(name("/C=PL/O=Grid/OU=Users/CN=Bob/CN=1")), alice()),
        "a proxy with a shorter name": lambda: of(proxy_named(name("/C=PL/CN=1")), alice()),
        "a legacy proxy with another name": lambda: of(
            proxy_named(name("/C=PL/O=Grid/OU=Users/CN=Bob/CN=proxy"), info=False), alice()
        ),
        "a legacy proxy with another letter": lambda: of(
            proxy_named(name("/C=PL/O=Grid/OU=Users/CN=Alica/CN=proxy"), info=False), alice()
        ),
    },
    "proxy-not-yet-valid": {
        "a proxy of tomorrow": rfc_with(form=Form(start=NOW + timedelta(seconds=1))),
        "a proxy below one of tomorrow": chain_of(
            lambda it: grid.rfc(it, form=Form(start=NOW + HOUR, end=NOW + DAY)), _full
        ),
        "a legacy proxy of tomorrow": chain_of(lambda it: grid.legacy(it, form=Form(start=NOW + HOUR))),
    },
    "proxy-expired": {
        "an expired proxy": rfc_with(form=Form(start=NOW - DAY, end=NOW - HOUR)),
        "a proxy in its last moment": rfc_with(form=Form(end=NOW)),
        "a proxy below an expired one": chain_of(
            lambda it: grid.rfc(it, form=Form(start=NOW - DAY, end=NOW - HOUR)), _full
        ),
        "an expired draft proxy": rfc_with(info=grid.proxy_info(kind=grid.DRAFT), form=Form(end=NOW - HOUR / 2)),
        "an expired legacy proxy": chain_of(lambda it: grid.legacy(it, form=Form(end=NOW - HOUR / 2))),
    },
}

PROXY_CASES = [Case(rule, title, make) for rule, trials in _TRIALS.items() for title, make in trials.items()]
