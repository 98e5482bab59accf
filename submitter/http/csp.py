"""What a browser may load for our pages (Content Security Policy): nothing from elsewhere, and no script in a page.

Answers of the API are no pages. They get one short constant: whatever a job has printed is never run by a browser.
"""

from typing import Any

from csp.constants import NONE, SELF
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase

PAGES: dict[str, Any] = {
    "default-src": [SELF],
    "img-src": [SELF, "data:"],  # the reference's own icons
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}

_HEADER = "Content-Security-Policy"
_DATA = "default-src 'none'; frame-ancestors 'none'"


class ContentPolicyMiddleware(CSPMiddleware):
    """Sends a policy with everything: the pages' own with HTML, the shortest with the rest."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the header, unless a view has set its own."""
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        response.headers.setdefault(_HEADER, _DATA)
        return response
