"""A site: settings, a trust directory and a grid-mapfile, valid now."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.pki import grid, keys
from tests.pki.mint import DAY, HOUR, Form, Minted, crl


@dataclass(frozen=True)
class Site:
    """The files of a site, and its CA."""

    trust_dir: Path
    gridmap: Path
    ca: Minted
    alice: Minted
    now: datetime

    def proxy(self, user: Minted | None = None) -> bytes:
        """A proxy file of alice, or of another user."""
        owner = user or self.alice
        return grid.proxy_file(grid.rfc(owner, form=Form(self.now - HOUR, self.now + HOUR)), owner)

    def header(self, user: Minted | None = None) -> str:
        """The same, as it is sent."""
        return base64.b64encode(self.proxy(user)).decode()

    def user(self, slashed: str) -> Minted:
        """Another user of the CA."""
        return grid.user(self.ca, slashed, keys.rsa_key("other"), form=Form(self.now - DAY, self.now + DAY))


@pytest.fixture
def site(tmp_path: Path, settings: Settings) -> Site:
    """A site with one CA, and alice mapped to the account plgalice."""
    now = datetime.now(UTC)
    ca = grid.ca(form=Form(now - DAY, now + DAY))
    grid.write_trust(tmp_path / "trust", ca)
    (tmp_path / "trust/0123abcd.r0").write_bytes(crl(ca, start=now - HOUR, end=now + DAY))
    (tmp_path / "gridmap").write_text(f'"{grid.ALICE}" plgalice\n')
    settings.TRUST_DIR, settings.GRIDMAP = str(tmp_path / "trust"), str(tmp_path / "gridmap")
    alice = grid.user(ca, form=Form(now - DAY, now + DAY))
    return Site(tmp_path / "trust", tmp_path / "gridmap", ca, alice, now)
