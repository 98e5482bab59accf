"""Logs one line for each request that needs a proxy: who, as which account, from where, or which rule refused it."""

import structlog
from django.http import HttpRequest

from proxyauth.identity import Identity
from proxyauth.metrics import VERDICTS
from proxyauth.verdict_cache import Verdict

_log = structlog.get_logger("proxyauth.verdict_log")


def record(request: HttpRequest, verdict: Verdict) -> None:
    """Write the line; nothing in it comes from the header but the verified name and serial number."""
    line: dict[str, str | bool | None] = {
        "request_id": getattr(request, "request_id", None) or request.META.get("HTTP_X_REQUEST_ID"),
        "client": request.META.get("REMOTE_ADDR"),
        "dn": verdict.dn or None,
    }
    if isinstance(verdict, Identity):
        line |= {
            "account": verdict.account,
            "type": verdict.kind,
            "limited": verdict.is_limited,
            "serial": f"{verdict.serial:x}",
        }
        VERDICTS.labels("accepted", "").inc()
        _log.info("proxy accepted", verdict="accepted", **line)
    else:
        VERDICTS.labels("refused", verdict.rule).inc()
        _log.warning("proxy refused", verdict="refused", rule=verdict.rule, **line)
