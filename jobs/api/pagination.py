"""Pages of a list, for callers who ask for one: `limit` and `offset`, X-Total-Count, and Link (RFC 8288)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_LARGEST = 10_000


@dataclass(frozen=True)
class Page:
    """`limit` entries after the first `offset`."""

    limit: int
    offset: int

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "Page | None":
        """Return the page that a ListQuery asks for, of 10,000 at most; None if it asks for no page."""
        if not {"limit", "offset"} & query.keys():
            return None
        return cls(limit=min(query.get("limit", _LARGEST), _LARGEST), offset=query.get("offset", 0))

    def headers(self, url: str, total: int) -> dict[str, str]:
        """Return the headers of this page of `total` entries that was asked for at `url`."""
        links = {"first": 0}
        if self.offset > 0:
            links["prev"] = max(0, self.offset - self.limit)
        if self.offset + self.limit < total:
            links["next"] = self.offset + self.limit
        targets = [f'<{self._at(url, offset)}>; rel="{relation}"' for relation, offset in links.items()]
        return {"X-Total-Count": str(total), "Link": ", ".join(targets)}

    def _at(self, url: str, offset: int) -> str:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True)) | {"limit": self.limit, "offset": offset}
        return urlunsplit(parts._replace(query=urlencode(query)))
