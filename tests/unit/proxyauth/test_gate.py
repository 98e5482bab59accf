"""The door: verdicts, how long they are remembered, and what makes them forgotten."""

import base64
import pwd
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from pytest_django.fixtures import Settings

from proxyauth import authenticator as gates
from proxyauth import conf
from proxyauth.authenticator import ProxyAuthenticator, authenticator
from proxyauth.identity import Identity, Refusal
from proxyauth.validation import chain
from proxyauth.verdict_cache import VerdictCache
from tests.pki import grid
from tests.pki.mint import DAY, HOUR, Form, crl
from tests.unit.proxyauth.conftest import Site


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The moments at which a chain was judged, and not recalled."""
    moments: list[datetime] = []
    judge = chain.judge

    def count(*arguments: object) -> chain.Verified:
        moments.append(cast("datetime", arguments[2]))
        return cast("Callable[..., chain.Verified]", judge)(*arguments)

    monkeypatch.setattr(chain, "judge", count)
    return moments


def _rule(door: ProxyAuthenticator, header: str) -> str:
    verdict = door.authenticate(header)
    return verdict.rule if isinstance(verdict, Refusal) else verdict.account


def test_alice_gets_in(site: Site) -> None:
    verdict = authenticator().authenticate(site.header())
    assert isinstance(verdict, Identity)
    assert (verdict.account, verdict.dn, verdict.kind, verdict.is_limited) == ("plgalice", grid.ALICE, "rfc", False)
    assert verdict.serial == site.alice.serial
    assert verdict.expires == (site.now + HOUR).replace(microsecond=0)
    assert (verdict.is_authenticated, verdict.pk) == (True, "plgalice")


def test_a_stranger_is_known_and_refused(site: Site) -> None:
    verdict = authenticator().authenticate(site.header(site.user("/C=PL/O=Grid/CN=Carol")))
    assert isinstance(verdict, Refusal)
    assert (verdict.rule, verdict.dn, verdict.is_forbidden) == ("dn-unmapped", "/C=PL/O=Grid/CN=Carol", True)


def test_nonsense_is_refused_without_a_name(site: Site) -> None:
    verdict = authenticator().authenticate("nonsense")
    assert isinstance(verdict, Refusal)
    assert (verdict.rule, verdict.dn, verdict.is_forbidden) == ("not-pem", "", False)
    assert site.trust_dir.exists()


def test_a_verdict_is_remembered(site: Site, judged: list[datetime]) -> None:
    header = site.header()
    assert authenticator().authenticate(header) is authenticator().authenticate(header)
    assert len(judged) == 1


def test_a_refusal_is_remembered(site: Site, judged: list[datetime]) -> None:
    header = site.header(grid.user(grid.ca("/C=DE/CN=CA", label="evil")))
    assert [_rule(authenticator(), header), _rule(authenticator(), header)] == ["ca-unknown", "ca-unknown"]
    assert len(judged) == 1


def test_a_verdict_is_remembered_for_a_minute_at_most(
    site: Site, judged: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    elapsed = [0.0]
    monkeypatch.setattr(gates, "VerdictCache", lambda limit: VerdictCache(limit, lambda: elapsed[0]))
    door, header = ProxyAuthenticator(conf.read()), site.header()
    for elapsed[0], expected in ((0.0, 1), (59.9, 1), (60.0, 2), (61.0, 2)):
        assert _rule(door, header) == "plgalice"
        assert len(judged) == expected


def test_a_verdict_never_outlives_the_proxy(site: Site) -> None:
    clock = site.now
    door, header = ProxyAuthenticator(conf.read(), lambda: clock), site.header()
    clock = (site.now + HOUR).replace(microsecond=0) - timedelta(seconds=1)
    assert _rule(door, header) == "plgalice"
    clock += timedelta(seconds=1)
    assert _rule(door, header) == "proxy-expired"


def test_a_verdict_never_outlives_the_list(site: Site) -> None:
    end = (site.now + timedelta(minutes=1)).replace(microsecond=0)
    (site.trust_dir / "0123abcd.r0").write_bytes(crl(site.ca, start=site.now - HOUR, end=end))
    clock = end - timedelta(seconds=1)
    door, header = ProxyAuthenticator(conf.read(), lambda: clock), site.header()
    assert _rule(door, header) == "plgalice"
    clock = end
    assert _rule(door, header) == "crl-stale"


def test_a_verdict_never_outlives_the_authority(site: Site) -> None:
    end = (site.now + timedelta(minutes=1)).replace(microsecond=0)
    (site.trust_dir / "0123abcd.0").write_bytes(grid.ca(form=Form(site.now - DAY, end)).pem)
    clock = end - timedelta(seconds=1)
    door, header = ProxyAuthenticator(conf.read(), lambda: clock), site.header()
    assert _rule(door, header) == "plgalice"
    clock = end
    assert _rule(door, header) == "ca-expired"


def test_a_refusal_that_waiting_heals_is_not_remembered(site: Site) -> None:
    clock = site.now - 2 * HOUR
    door, header = ProxyAuthenticator(conf.read(), lambda: clock), site.header()
    assert _rule(door, header) == "crl-stale"
    clock = site.now
    assert _rule(door, header) == "plgalice"


def test_a_user_removed_from_the_file_is_out_at_the_next_request(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    site.gridmap.write_text('"/CN=Bob" bob\n')
    assert _rule(authenticator(), header) == "dn-unmapped"
    site.gridmap.write_text(f'"{grid.ALICE}" other\n')
    assert _rule(authenticator(), header) == "other"


def test_an_empty_file_maps_nobody(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    site.gridmap.write_text("")
    assert _rule(authenticator(), header) == "dn-unmapped"


def test_a_revoked_user_is_out_at_the_next_request(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    (site.trust_dir / "0123abcd.r0").write_bytes(crl(site.ca, [site.alice.serial], site.now - HOUR, site.now + DAY))
    assert _rule(authenticator(), header) == "revoked"


def test_an_authority_that_is_removed_lets_nobody_in_at_the_next_request(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    (site.trust_dir / "0123abcd.0").unlink()
    assert _rule(authenticator(), header) == "ca-unknown"


def test_a_half_written_file_keeps_the_last_good_version(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    whole = site.gridmap.read_text()
    site.gridmap.write_text(whole[:-5])
    assert _rule(authenticator(), header) == "plgalice"
    assert gates.problems() == ["grid-mapfile: it does not end with a line break: half-written?"]
    site.gridmap.write_text(whole)
    assert _rule(authenticator(), header) == "plgalice"
    assert gates.problems() == []


def test_a_vanished_file_keeps_the_last_good_version(site: Site) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    whole = site.gridmap.read_text()
    site.gridmap.unlink()
    assert _rule(authenticator(), header) == "plgalice"
    assert [each[:40] for each in gates.problems()] == ["grid-mapfile: [Errno 2] No such file or "]
    site.gridmap.write_text(whole)
    assert gates.problems() == []


def test_a_file_without_a_last_line_break_is_good_at_first(site: Site) -> None:
    site.gridmap.write_text(f'"{grid.ALICE}" plgalice')
    assert _rule(ProxyAuthenticator(conf.read()), site.header()) == "plgalice"


def test_without_any_file_nobody_is_mapped(site: Site) -> None:
    site.gridmap.unlink()
    assert _rule(ProxyAuthenticator(conf.read()), site.header()) == "dn-unmapped"


def test_problems_name_the_file(site: Site) -> None:
    site.gridmap.write_text("nonsense\n")
    (site.trust_dir / "0123abcd.r0").write_bytes(b"nonsense")
    found = ProxyAuthenticator(conf.read()).problems()
    assert len(found) == 3
    assert found[0].startswith("trust directory: 0123abcd.r0: it is not a revocation list")
    assert found[1].startswith("trust directory: CA /C=PL/O=Grid/CN=Grid CA: its revocation list cannot be used")
    assert found[2].startswith("grid-mapfile: line 1 is skipped")


def test_may_be_used_looks_an_account_of_this_machine_up(settings: Settings) -> None:
    assert gates.may_be_used("nobody-has-this-name")
    assert not gates.may_be_used("daemon")
    settings.ACCOUNT_UIDS = [(0, 999)]
    assert gates.may_be_used("daemon")
    settings.ACCOUNTS_NEVER_USED = ["daemon"]
    assert not gates.may_be_used("daemon")


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (1000, True),
        (1001, True),
        (999, False),
        (0, False),
        (60_000, False),
        (64_030, False),
        (65534, False),
        (65536, True),
    ],
)
def test_may_be_used_refuses_accounts_of_the_system(monkeypatch: pytest.MonkeyPatch, uid: int, expected: bool) -> None:
    entry = pwd.struct_passwd(("daemon.x", "x", uid, uid, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: entry)
    assert gates.may_be_used("daemon.x") is expected


def test_a_system_account_is_refused(site: Site) -> None:
    site.gridmap.write_text(f'"{grid.ALICE}" daemon\n')
    assert _rule(authenticator(), site.header()) == "account-forbidden"


def test_changed_settings_make_a_new_door(site: Site, settings: Settings) -> None:
    header = site.header()
    assert _rule(authenticator(), header) == "plgalice"
    settings.PROXY_TYPES = ["legacy"]
    assert _rule(authenticator(), header) == "proxy-type"
    settings.DEBUG = False
    assert authenticator() is authenticator()


def test_a_flood_of_refusals_pushes_nobody_out(site: Site, judged: list[datetime]) -> None:
    header = site.header()
    authenticator().authenticate(header)
    for number in range(5000):
        authenticator().authenticate(f"{number:08}")
    authenticator().authenticate(header)
    assert len(judged) == 1


def test_the_oldest_verdict_goes_first() -> None:
    memory = VerdictCache(60)
    now = datetime.now(UTC)
    refusal = Refusal("rule", "message")
    for number in range(4097):
        memory.keep(memory.digest(str(number)), "state", refusal, now + HOUR)
    assert memory.get(memory.digest("0"), "state", now) is None
    assert memory.get(memory.digest("1"), "state", now) is refusal
    assert memory.get(memory.digest("4096"), "state", now) is refusal


def test_a_flood_of_refusals_fills_its_own_room_and_pushes_nobody_out() -> None:
    memory, now = VerdictCache(60), datetime.now(UTC)
    alice = Identity("/CN=Alice", "plgalice", "rfc", False, 1, now + HOUR)
    memory.keep(memory.digest("alice"), "state", alice, now + HOUR)
    for number in range(10_000):
        memory.keep(memory.digest(str(number)), "state", Refusal("rule", "message"), now + HOUR)
    assert {kind: len(shelf) for kind, shelf in memory._kept.items()} == {Identity: 1, Refusal: 4096}
    assert memory.get(memory.digest("alice"), "state", now) is alice


def test_the_memory_holds_no_header(site: Site) -> None:
    header = site.header()
    door = ProxyAuthenticator(conf.read())
    door.authenticate(header)
    kept = repr(door._cache.__dict__)
    assert "plgalice" in kept
    lines = base64.b64decode(header).decode().split("\n")
    assert not any(line in kept for line in [header[:40], *lines] if len(line) > 30)


def test_two_processes_do_not_share_digests() -> None:
    assert VerdictCache(60).digest("header") != VerdictCache(60).digest("header")


def test_a_verdict_that_came_late_is_not_kept_for_other_files(site: Site) -> None:
    memory, now = VerdictCache(60), site.now
    memory.keep(b"digest", "old", Refusal("rule", "message"), now + HOUR)
    assert memory.get(b"digest", "new", now) is None
    assert memory.get(b"digest", "old", now) is None


def test_a_verdict_for_no_time_is_not_kept(tmp_path: Path, site: Site, settings: Settings) -> None:
    settings.PROXY_CACHE_TTL = 0
    door, header = ProxyAuthenticator(conf.read()), site.header()
    assert _rule(door, header) == "plgalice"
    assert door._cache.get(door._cache.digest(header), object(), site.now) is None
    assert tmp_path.exists()


def test_who_was_revoked_stays_out_when_the_list_vanishes(site: Site) -> None:
    fresh = crl(site.ca, [site.alice.serial], start=site.now - HOUR, end=site.now + timedelta(minutes=30))
    (site.trust_dir / "0123abcd.r0").write_bytes(fresh)
    clock = site.now
    door, header = ProxyAuthenticator(conf.read(), lambda: clock), site.header()
    assert _rule(door, header) == "revoked"
    (site.trust_dir / "0123abcd.r0").unlink()
    assert _rule(door, header) == "revoked"
    [problem] = door.problems()
    assert "its revocation list has gone" in problem
    clock += timedelta(minutes=31)
    assert _rule(door, site.header()) == "crl-stale"
