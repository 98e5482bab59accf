"""All routes of the service."""

from django.contrib import admin
from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from jobs.pages import front_page
from jobs.views import JobViewSet, SubmissionViewSet
from submitter import ops, reference
from submitter.metrics import metrics

router = SimpleRouter()
router.trailing_slash = "/?"  # a pattern: both forms answer, without a redirect
router.register("jobs", JobViewSet, basename="job")
router.register("submissions", SubmissionViewSet, basename="submission")

urlpatterns = [
    re_path(r"^api/schema/?$", reference.Schema.as_view(), name="schema"),
    re_path(r"^api/docs/?$", reference.Docs.as_view(url_name="schema"), name="docs"),
    path("api/", include(router.urls)),
    path("admin/", admin.site.urls),
    path("healthz", ops.healthz, name="healthz"),
    path("readyz", ops.readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("", front_page, name="front-page"),
]

handler400 = "submitter.api.bad_request"
handler403 = "submitter.api.permission_denied"
handler404 = "submitter.api.not_found"
handler500 = "submitter.api.server_error"
