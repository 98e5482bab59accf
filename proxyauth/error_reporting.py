"""Django's error reports without proxies.

They show no header that holds one, and no local variables of modules that handle credentials.
"""

import re
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from proxyauth.middleware import HEADERS


class ProxyReporterFilter(SafeExceptionReporterFilter):
    """For `DEFAULT_EXCEPTION_REPORTER_FILTER`; works with DEBUG, too, when Django's own filter hides no variables."""

    hidden_settings = re.compile(
        "|".join([SafeExceptionReporterFilter.hidden_settings.pattern, *HEADERS]), re.IGNORECASE
    )

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """Return only the names of the variables of modules that handle credentials."""
        if str(tb_frame.f_globals.get("__name__", "")).partition(".")[0] == "proxyauth":
            return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]
        return super().get_traceback_frame_variables(request, tb_frame)
