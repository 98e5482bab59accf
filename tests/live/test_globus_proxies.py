"""The real tools of Globus make proxies of every kind, and the gate judges them as it should."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxyauth import credential
from proxyauth.authenticator import follow_gridmap, may_be_used
from proxyauth.errors import NotAllowed
from proxyauth.policy import Policy
from proxyauth.trust import gridmap, store
from proxyauth.validation import chain
from proxyauth.validation.chain import Verified
from tests.harness.sandbox_env import variable

pytestmark = [pytest.mark.apart, pytest.mark.spread]

_KINDS = {"rfc": "-rfc", "draft": "-draft", "legacy": "-old"}


def _of_alice(name: str) -> Path:
    """Return a file of alice's own certificate: `usercert.pem` or `userkey.pem`."""
    return Path(variable("USER_CERTIFICATES")) / "plgalice" / name


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Path]:
    """A directory for proxies."""
    yield tmp_path
    for left in tmp_path.iterdir():
        left.unlink()


def _proxy(out: Path, *options: str, of: Path | None = None) -> Path:
    """Make a proxy of alice's certificate, or of the proxy `of`."""
    source = [str(of), str(of)] if of else [str(_of_alice("usercert.pem")), str(_of_alice("userkey.pem"))]
    command = ["grid-proxy-init", "-q", "-cert", source[0], "-key", source[1], "-bits", "2048", "-out", str(out)]
    environment = {"PATH": os.environ["PATH"], "X509_CERT_DIR": variable("TRUST_DIR"), "HOME": str(out.parent)}
    subprocess.run([*command, *options], check=True, env=environment, capture_output=True, timeout=60)
    return out


def _judge(proxy: Path, policy: Policy | None = None, now: datetime | None = None) -> Verified:
    rules = policy or Policy()
    anchors = store.follow(Path(variable("TRUST_DIR"))).state().value.anchors
    return chain.judge(credential.read(proxy.read_bytes(), rules), anchors, now or datetime.now(UTC), rules)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_proxy_of_each_kind_gets_in(where: Path, kind: str) -> None:
    found = _judge(_proxy(where / "proxy", _KINDS[kind]))
    assert (found.kind, found.is_limited) == (kind, False)
    accounts = follow_gridmap(Path(variable("GRIDMAP"))).state().value
    assert gridmap.account_of(found.owner, accounts, None, may_be_used) == "plgalice"


@pytest.mark.parametrize("kind", _KINDS)
def test_a_proxy_of_a_proxy_gets_in(where: Path, kind: str) -> None:
    first = _proxy(where / "first", _KINDS[kind])
    second = _proxy(where / "second", _KINDS[kind], of=first)
    assert second.read_bytes().count(b"BEGIN CERTIFICATE") == 3
    assert _judge(_proxy(where / "third", _KINDS[kind], of=second)).kind == kind


@pytest.mark.parametrize("kind", _KINDS)
def test_a_limited_proxy_is_refused_unless_the_site_allows_it(where: Path, kind: str) -> None:
    limited = _proxy(where / "proxy", _KINDS[kind], "-limited")
    with pytest.raises(NotAllowed, match="proxy-limited"):
        _judge(limited)
    assert _judge(limited, Policy(allow_limited=True)).is_limited


@pytest.mark.parametrize("kind", ["rfc", "draft"])
def test_an_independent_proxy_is_refused(where: Path, kind: str) -> None:
    with pytest.raises(NotAllowed, match="proxy-independent"):
        _judge(_proxy(where / "proxy", _KINDS[kind], "-independent"))


@pytest.mark.parametrize("kind", ["rfc", "draft"])
def test_a_path_length_is_kept(where: Path, kind: str) -> None:
    first = _proxy(where / "first", _KINDS[kind], "-path-length", "1")
    second = _proxy(where / "second", _KINDS[kind], of=first)
    assert _judge(second).kind == kind
    with pytest.raises(NotAllowed, match="proxy-path-length"):
        _judge(_proxy(where / "third", _KINDS[kind], of=second))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_proxy_ends(where: Path, kind: str) -> None:
    proxy = _proxy(where / "proxy", _KINDS[kind], "-valid", "0:30")
    later = datetime.now(UTC) + timedelta(minutes=31)
    assert _judge(proxy).not_after < later
    with pytest.raises(NotAllowed, match="proxy-expired"):
        _judge(proxy, now=later)


def test_a_small_key_is_refused_unless_the_site_allows_it(where: Path) -> None:
    small = _proxy(where / "proxy", "-rfc", "-bits", "1024")
    with pytest.raises(NotAllowed, match="rsa-too-small"):
        _judge(small)
    assert _judge(small, Policy(min_rsa_bits=1024)).kind == "rfc"


def test_the_user_s_own_certificate_is_refused_unless_the_site_allows_it(where: Path) -> None:
    both = where / "both"
    both.write_bytes(_of_alice("usercert.pem").read_bytes() + _of_alice("userkey.pem").read_bytes())
    with pytest.raises(NotAllowed, match="proxy-missing"):
        _judge(both)
    assert _judge(both, Policy(allow_end_entity=True)).kind == "end-entity"


@pytest.mark.parametrize("user", ["ALICE", "BOB", "CAROL"])
def test_the_sandbox_s_own_proxies_are_valid(user: str) -> None:
    found = _judge(Path(variable(f"{user}_PROXY")))
    assert found.dn.endswith(f"/CN=plg{user.lower()}")
