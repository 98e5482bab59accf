"""docs/security.md tells each bound as it is."""

import importlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "security.md").read_text()

# Numbers among the settings that say what is allowed or how often, and bound nobody's use of the service.
NO_BOUNDS = {
    "SECURE_HSTS_SECONDS",
    "PROXY_MAX_DELEGATIONS",
    "PROXY_MIN_RSA_BITS",
    "PROXY_CACHE_TTL",
    "POLL_INTERVAL",
    "RECOVERY_INTERVAL",
}

# Loads the settings where nothing is set, and prints each number that they take from the environment, with its default.
READ = """
import json, environ
defaults = {}
plain = environ.Env.get_value
def noting(self, var, cast=None, default=environ.Env.NOTSET, parse_default=False):
    if cast in (int, float):
        defaults[var] = default
    return plain(self, var, cast=cast, default=default, parse_default=parse_default)
environ.Env.get_value = noting
import submitter.settings
print(json.dumps(defaults))
"""


def rows(heading: str) -> dict[str, str]:
    """Return the first two columns of the table below `heading`."""
    section = PAGE.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")
    ]
    return {name.strip("`"): value for name, value, *_ in cells}


@pytest.fixture(scope="module")
def defaults() -> dict[str, float]:
    """The numbers that the settings take from the environment."""
    needed = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://localhost/x", "REDIS_URL": "redis://localhost"}
    done = subprocess.run([sys.executable, "-c", READ], env=needed, cwd=CHECKOUT, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_each_setting_is_told_with_its_default(defaults: dict[str, float]) -> None:
    told = rows("Settings")
    assert len(told) > 10
    assert {name: f"{defaults[name]:g}" for name in told} == told


def test_no_setting_that_bounds_is_left_out(defaults: dict[str, float]) -> None:
    assert set(defaults) - NO_BOUNDS == set(rows("Settings"))


def test_each_other_bound_is_told_as_it_is() -> None:
    told = rows("Other bounds")
    assert told
    for name, value in told.items():
        module, _, constant = name.rpartition(".")
        bound = getattr(importlib.import_module(module), constant)
        seconds = bound.total_seconds() if isinstance(bound, timedelta) else bound
        assert value.split()[0] == f"{seconds:.0f}", name
