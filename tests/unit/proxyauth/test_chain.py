"""What is known of a caller once the chain holds."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from proxyauth.policy import Kind, Need, Policy
from proxyauth.validation.chain import Verified
from proxyauth.x509 import dn
from tests.pki import grid
from tests.pki.mint import DAY, HOUR, NOW, YEAR, Form, crl
from tests.unit.proxyauth.trial import ACCEPTED, Trial, alice, of, run, the_ca, the_trust, verdict

_END = NOW + 11 * HOUR


def _verified(trial: Trial, directory: Path) -> Verified:
    found = verdict(trial, directory)
    assert isinstance(found, Verified)
    return found


def test_the_owner_is_the_end_entity(tmp_path: Path) -> None:
    first = grid.rfc(alice())
    found = _verified(of(grid.rfc(first), first, alice()), tmp_path)
    assert found.dn == grid.ALICE
    assert dn.text(found.owner) == grid.ALICE
    assert found.serial == alice().serial
    assert (found.kind, found.is_limited) == (Kind.RFC, False)


def test_a_limited_link_makes_all_limited(tmp_path: Path) -> None:
    first = grid.rfc(alice())
    leaf = grid.rfc(first, grid.proxy_info(grid.LIMITED))
    assert _verified(of(leaf, first, alice(), policy=Policy(allow_limited=True)), tmp_path).is_limited


def test_a_certificate_without_a_proxy_is_an_end_entity(tmp_path: Path) -> None:
    found = _verified(of(alice(), policy=Policy(allow_end_entity=True)), tmp_path)
    assert (found.kind, found.not_before, found.not_after) == (Kind.END_ENTITY, NOW - YEAR, NOW + YEAR)


def test_the_shortest_link_bounds_the_validity(tmp_path: Path) -> None:
    first = grid.rfc(alice(), form=Form(NOW - 2 * HOUR, NOW + HOUR))
    leaf = grid.rfc(first, form=Form(NOW - HOUR, NOW + 2 * HOUR))
    found = _verified(of(leaf, first, alice()), tmp_path)
    assert (found.not_before, found.not_after) == (NOW - HOUR, NOW + HOUR)
    assert found.expires == NOW + HOUR


@pytest.mark.parametrize(
    ("need", "end", "expected"),
    [
        (Need.IF_PRESENT, NOW + HOUR, NOW + HOUR),
        (Need.REQUIRE, NOW + HOUR, NOW + HOUR),
        (Need.IGNORE, NOW + HOUR, _END),
        (Need.IF_PRESENT, NOW + DAY, _END),
        (Need.IF_PRESENT, None, _END),
    ],
)
def test_a_list_bounds_the_judgement_where_it_counts(tmp_path: Path, need: Need, end: object, expected: object) -> None:
    files = {**the_trust(), "0123abcd.r0": crl(the_ca(), end=end)}  # type: ignore[arg-type]  # a time or None
    found = _verified(replace(of(grid.rfc(alice()), alice(), policy=Policy(crl=need)), files=files), tmp_path)
    assert (found.not_after, found.expires) == (_END, expected)


def test_an_authority_bounds_the_judgement(tmp_path: Path) -> None:
    ca = grid.ca(form=Form(NOW - HOUR, NOW + HOUR))
    trial = replace(of(grid.rfc(alice()), alice()), files={**the_trust(), "0123abcd.0": ca.pem})
    assert _verified(trial, tmp_path).expires == NOW + HOUR


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine fourteen hours ahead of UTC."""
    monkeypatch.setenv("TZ", "<+14>-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_the_machine_s_time_zone_makes_no_difference(tmp_path: Path) -> None:
    assert time.localtime().tm_gmtoff == 14 * 3600
    zone = timezone(timedelta(hours=-9))
    trial = of(grid.rfc(alice()), alice(), now=(NOW + 10 * HOUR).astimezone(zone))
    assert run(trial, tmp_path) == ACCEPTED
    assert run(of(grid.rfc(alice()), alice(), now=NOW.astimezone(zone)), tmp_path) == ACCEPTED
