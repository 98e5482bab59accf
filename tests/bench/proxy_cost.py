"""What a header costs: the first time, remembered, and when it is refused as late as possible."""

import base64
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from proxyauth.authenticator import ProxyAuthenticator
from proxyauth.conf import Conf
from proxyauth.identity import Refusal
from proxyauth.policy import Policy
from tests.bench import table
from tests.bench.measure import Call, Times, in_turn
from tests.pki import grid, keys
from tests.pki.mint import DAY, Form, Minted, certificate, crl
from tests.pki.names import rdn

_ROUNDS, _SECONDS = 60, 10.0
_OTHER_CAS = 166  # with three files each: the size of the trust directory that the grids of the world share
_FIRST, _AGAIN = "first time: RFC proxy, RSA-2048", "remembered"


def main() -> None:
    """Mint a grid, and print what its proxies cost the gate."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "submitter.settings")  # who may be mapped to is a setting
    with TemporaryDirectory() as name:
        _measure(Path(name))


def _measure(directory: Path) -> None:
    bench = _Bench(directory)
    calls: dict[str, Call] = {
        _FIRST: bench.first_time(bench.chain(1)),
        "first time: RFC proxy of a proxy, RSA-2048": bench.first_time(bench.chain(2)),
        "first time: legacy proxy, RSA-2048": bench.first_time(bench.chain(1, grid.legacy)),
        "first time: RFC proxy, RSA-4096": bench.first_time(bench.chain(1, _large)),
        "first time: RFC proxy, P-256": bench.first_time(bench.chain(1, _curved)),
        "first time: 8 delegations, RSA-4096": bench.first_time(bench.chain(8, _large)),
        _AGAIN: bench.remembered(bench.chain(1)),
        "refused: the last of 8 signatures, RSA-4096": bench.first_time(bench.forged(8)),
        "refused: a key that carries public numbers, RSA-4096": bench.first_time(
            bench.chain(1, _large), _invented(4096)
        ),
        "refused: 32 KiB of text": bench.first_time(b"#\n" * 12_000),
        "refused: 32 KiB of one line": bench.first_time(b"-----BEGIN CERTIFICATE-----\n" + b"A" * 24_000),
    }
    table.heading("proxyauth: a header that is seen for the first time, remembered, refused")
    times = in_turn(calls, rounds=_ROUNDS, at_most=_SECONDS, pause=0)
    table.times(times.values())
    refused, accepted = _slowest(times, "refused"), _slowest(times, "first")
    table.ratio("the worst refusal / the longest acceptance", refused, accepted)
    table.ratio("remembered / first time", times[_AGAIN].median, times[_FIRST].median)
    label = f"remembered, with a trust directory of {3 * _OTHER_CAS + 3} files"
    bench.add_authorities(_OTHER_CAS)
    table.times(in_turn({label: bench.remembered(bench.chain(1))}, rounds=_ROUNDS, at_most=_SECONDS, pause=0).values())


def _slowest(times: dict[str, Times], kind: str) -> float:
    """The largest median among the labels that begin with `kind`."""
    return max(taken.median for label, taken in times.items() if label.startswith(kind))


def _large(parent: Minted) -> Minted:
    return _proxy(parent, keys.rsa_key("large", 4096))


def _curved(parent: Minted) -> Minted:
    return _proxy(parent, keys.ec_key("bench"))


def _proxy(parent: Minted, key: keys.PrivateKey, form: Form | None = None) -> Minted:
    extensions = [grid.proxy_info(), grid.key_usage(grid.DIGITAL_SIGNATURE)]
    return certificate((*parent.subject, rdn("CN", "1234567")), key, parent, extensions, form or _today())


def _today() -> Form:
    now = datetime.now(UTC)
    return Form(now - DAY, now + DAY)


def _invented(bits: int) -> Callable[[bytes], bytes]:
    """Replace a file's key by the leaf's public numbers and private ones of another key."""
    leaf, other = (
        keys.rsa_key("large", bits).public_key().public_numbers(),
        keys.rsa_key("other", bits).private_numbers(),
    )
    key = keys.rsa_pem(0, leaf.n, leaf.e, other.d, other.p, other.q, other.dmp1, other.dmq1, other.iqmp)
    return lambda data: re.sub(rb"-----BEGIN RSA.*RSA PRIVATE KEY-----\n", key, data, flags=re.DOTALL)


class _Bench:
    """A grid of today, and the gate of a site that trusts it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = grid.ca(form=_today())
        self._alice = grid.user(self._ca, form=_today())
        grid.write_trust(directory / "trust", self._ca)
        now = datetime.now(UTC)
        (directory / "trust/0123abcd.r0").write_bytes(crl(self._ca, range(1, 1000), now - DAY, now + DAY))
        (directory / "grid-mapfile").write_text(f'"{grid.ALICE}" plgalice\n')

    def add_authorities(self, count: int) -> None:
        """Trust more CAs: the same one under other names, since only the number of files matters here."""
        for number in range(count):
            grid.write_trust(self._directory / "trust", self._ca, stem=f"{number:08x}")
            (self._directory / f"trust/{number:08x}.r0").write_bytes(
                (self._directory / "trust/0123abcd.r0").read_bytes()
            )

    def chain(self, length: int, make: Callable[[Minted], Minted] | None = None) -> bytes:
        """A proxy file with `length` delegations."""
        links = [self._alice]
        for _ in range(length):
            links.insert(0, make(links[0]) if make else _proxy(links[0], keys.rsa_key("bench")))
        return grid.proxy_file(*links)

    def forged(self, length: int) -> bytes:
        """As many delegations, the leaf being signed by somebody else: everything else is looked at before."""
        links = [self._alice]
        for _ in range(length - 1):
            links.insert(0, _large(links[0]))
        forged = Form(_today().start, _today().end, signed_with=keys.rsa_key("other", 4096))
        return grid.proxy_file(_proxy(links[0], keys.rsa_key("large", 4096), forged), *links)

    def first_time(self, data: bytes, change: Callable[[bytes], bytes] = bytes) -> Call:
        """Judge at each call."""
        return self._call(change(data), cache_ttl=0)

    def remembered(self, data: bytes) -> Call:
        """Judge now, and recall at each call."""
        call = self._call(data, cache_ttl=60)
        if isinstance(verdict := call(), Refusal):
            raise ValueError(f"the proxy to remember was refused: {verdict.rule}")  # noqa: TRY004 - no matter of types
        return call

    def _call(self, data: bytes, cache_ttl: float) -> Call:
        site = self._directory
        gate = ProxyAuthenticator(Conf(site / "trust", site / "grid-mapfile", Policy(), None, cache_ttl))
        header = base64.b64encode(data).decode()
        return lambda: gate.authenticate(header)


if __name__ == "__main__":
    main()
