"""Makers of trials that differ from an honest one in one thing."""

from collections.abc import Callable

from proxyauth.policy import Policy
from tests.pki import grid, keys
from tests.pki.mint import Extension, Form, Minted, certificate
from tests.pki.names import Name
from tests.unit.proxyauth.trial import Trial, alice, of, the_ca

SIGNING = grid.key_usage(grid.DIGITAL_SIGNATURE)


def proxy_named(subject: Name, parent: Minted | None = None, form: Form = Form(), *, info: bool = True) -> Minted:  # noqa: B008
    """A proxy of any name."""
    extensions = [grid.proxy_info(), SIGNING] if info else [SIGNING]
    return certificate(subject, keys.rsa_key("proxy 4"), parent or alice(), extensions, form)


def rfc_with(*extra: Extension, info: Extension | None = None, form: Form = Form()) -> Callable[[], Trial]:  # noqa: B008
    """An RFC proxy with more extensions, another ProxyCertInfo or another form."""
    return lambda: of(grid.rfc(alice(), info, extra, form), alice())


def entity_with(*extensions: Extension, form: Form = grid.LONG) -> Callable[[], Trial]:
    """A proxy of a user with these extensions."""

    def make() -> Trial:
        user = grid.user(the_ca(), extra=extensions, form=form)
        return of(grid.rfc(user), user)

    return make


def user_named(subject: Name) -> Callable[[], Trial]:
    """A proxy of a user of this name."""

    def make() -> Trial:
        user = grid.user(the_ca(), subject)
        return of(grid.rfc(user), user)

    return make


def chain_of(*makers: Callable[[Minted], Minted], policy: Policy | None = None) -> Callable[[], Trial]:
    """Alice's proxies, each of the one before."""

    def make() -> Trial:
        chain = [alice()]
        for maker in makers:
            chain.insert(0, maker(chain[0]))
        return of(*chain, policy=policy or Policy())

    return make
