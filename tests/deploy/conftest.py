"""The clusters and the callers of the live tests."""

from tests.live.conftest import quiet, zeus

__all__ = ["quiet", "zeus"]
