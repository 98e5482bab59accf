"""People of the benchmarks alone: a CA, a proxy for each, and the map from their names to Unix accounts."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.pki import grid
from tests.pki.mint import Form

_CA = "/C=PL/O=Grid/CN=Benchmark CA"
_USER = "/C=PL/O=Grid/OU=Users/CN={}"


@dataclass(frozen=True)
class Users:
    """Where the service finds whom to trust and who is who; `proxies` are the PROXY header's values, by account."""

    trust: Path
    gridmap: Path
    proxies: dict[str, str]

    @classmethod
    def mint(cls, folder: Path, accounts: list[str]) -> "Users":
        """Make a user for each of `accounts`, and write what the service reads into `folder`."""
        now = datetime.now(UTC)
        form = Form(start=now - timedelta(hours=1), end=now + timedelta(hours=11))
        authority = grid.ca(_CA, form=form)
        trust, gridmap = folder / "trust", folder / "grid-mapfile"
        trust.mkdir()
        (trust / "0be7c4a1.0").write_bytes(authority.pem)
        (trust / "0be7c4a1.signing_policy").write_text(grid.signing_policy(_CA, "/C=PL/O=Grid/*"), "utf-8")
        gridmap.write_text("".join(f'"{_USER.format(name)}" {name}\n' for name in accounts), "utf-8")
        proxies = {}
        for name in accounts:
            user = grid.user(authority, _USER.format(name), form=form)
            chain = grid.proxy_file(grid.rfc(user, form=form), user)
            proxies[name] = b64encode(chain).decode()
        return cls(trust, gridmap, proxies)
