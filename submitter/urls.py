"""All routes of the service."""

from django.contrib import admin
from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from jobs.api.views import JobViewSet, SubmissionViewSet
from jobs.web.views import front_page
from submitter.http import openapi
from submitter.ops import health_views
from submitter.ops.metrics import metrics

router = SimpleRouter()
router.trailing_slash = "/?"  # a pattern: both forms answer, without a redirect
router.register("jobs", JobViewSet, basename="job")
router.register("submissions", SubmissionViewSet, basename="submission")

urlpatterns = [
    re_path(r"^api/schema/?$", openapi.Schema.as_view(), name="schema"),
    re_path(r"^api/docs/?$", openapi.Docs.as_view(url_name="schema"), name="docs"),
    path("api/", include(router.urls)),
    path("admin/", admin.site.urls),
    path("healthz", health_views.healthz, name="healthz"),
    path("readyz", health_views.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("", front_page, name="front-page"),
]

handler400 = "submitter.http.error_views.bad_request"
handler403 = "submitter.http.error_views.permission_denied"
handler404 = "submitter.http.error_views.not_found"
handler500 = "submitter.http.error_views.server_error"
