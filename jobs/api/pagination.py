"""Pages of a list, for those who ask: `limit` and `offset`, X-Total-Count, and Link (RFC 8288)."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rest_framework.request import Request

from jobs.api import query_params

_LARGEST = 10_000


@dataclass(frozen=True)
class Page:
    """`limit` entries after the first `offset`."""

    limit: int
    offset: int

    @classmethod
    def asked_for(cls, request: Request) -> "Page":
        """Read the query's `limit` (1 to 10,000, the default) and `offset`. Raises ValidationError."""
        return cls(
            limit=min(query_params.number(request, "limit", default=_LARGEST, least=1), _LARGEST),
            offset=query_params.number(request, "offset", default=0, least=0),
        )

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
