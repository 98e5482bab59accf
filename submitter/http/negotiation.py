"""Which form an answer has: there is one for each, so nothing is negotiated."""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class OneFormEach(DefaultContentNegotiation):
    """Each answer has one form, whatever `Accept` says: no client of the original was ever turned away for that."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the only renderer."""
        del request, format_suffix
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
