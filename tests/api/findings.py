"""What `manage.py doctor` has found, one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submitter.ops import heartbeat
from submitter.ops.doctor.finding import Finding, Level
from tests.api.conftest import Cast


def one(findings: Iterator[Finding], name: str) -> Finding:
    """Return the finding called `name`; one that is not OK says what to do."""
    [found] = [finding for finding in findings if finding.name == name]
    assert found.level is Level.OK or found.remedy in str(found)
    return found


@pytest.fixture
def static(cast: Cast, ssh_ca: Path, settings: Any, tmp_path: Path) -> Path:
    """A minted grid, static files, the key of the SSH CA, and a fresh sign of life."""
    assert cast
    assert ssh_ca
    (tmp_path / "admin").mkdir()
    settings.STATIC_ROOT = str(tmp_path)
    settings.CELERY_BROKER_URL = settings.SPARE_REDIS_URL
    heartbeat.beat()
    return tmp_path
