"""The API's description, as OpenAPI and as a page for people."""

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.query_params import ClosedQuery, Query, TextField, takes


class Schema(ClosedQuery, SpectacularAPIView):
    """YAML or JSON, by `Accept`."""

    content_negotiation_class = DefaultContentNegotiation


class _ScriptQuery(Query):
    script = TextField(help_text="the page's script, and not the page")


class Docs(ClosedQuery, SpectacularSwaggerSplitView):
    """The page, and the script that it loads from its own address with `script`."""

    @extend_schema(exclude=True)
    @takes(_ScriptQuery())
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the page or its script."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]  # spectacular is untyped
        return response
