"""What monitoring asks: /healthz and /readyz."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from submitter.ops import readiness
from submitter.ops.metrics import may_read


def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process serves and reaches its database, 503 otherwise.

    Those who may read /metrics get the reason, or `warnings`: what operators should mend before users notice (CRLs,
    CAs, the grid-mapfile). They name users, files and addresses.
    """
    trusted = may_read(request, settings.METRICS_ALLOWED_IPS)
    database = readiness.database()
    if not database.ok:
        reason = {"database": database.reason} if trusted else {}
        return JsonResponse({"status": "error"} | reason, status=503)
    warnings = {"warnings": [part.reason for part in readiness.trust() if not part.ok]} if trusted else {}
    return JsonResponse({"status": "ok"} | warnings)


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer how every part of the service is; 503 only where a part is down that stops the service itself.

    The reasons name accounts, addresses and files: they are for those who may read /metrics.
    """
    parts = readiness.checks()
    stopped = any(part.critical and not part.ok for part in parts)
    status = "error" if stopped else "ok" if all(part.ok for part in parts) else "degraded"
    trusted = may_read(request, settings.METRICS_ALLOWED_IPS)
    described = {part.name: _described(part, with_reason=trusted) for part in parts}
    return JsonResponse({"status": status, "parts": described}, status=503 if stopped else 200)


def _described(part: readiness.Check, *, with_reason: bool) -> dict[str, str | bool]:
    reason = {"reason": part.reason} if with_reason else {}
    return {"ok": part.ok, "vital": part.critical, **reason}  # `vital` is what monitoring knows it as
