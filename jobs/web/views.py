"""The page at `/`: the five calls, with sample calls for the registered hosts."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clusters.models import Cluster


def front_page(request: HttpRequest) -> HttpResponse:
    """Explain the API to a person with a proxy and curl."""
    context = {
        "clusters": Cluster.objects.filter(enabled=True),
        "base_url": request.build_absolute_uri("/").rstrip("/"),
        "poll_interval": settings.POLL_INTERVAL,
    }
    return render(request, "front_page.html", context)
