"""What monitoring asks: /healthz."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from proxyauth import gate


def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 while this process serves and reaches its database, 503 with the reason otherwise.

    `warnings` are what operators should mend before users notice: CRLs, CAs, the grid-mapfile.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as exc:
        return JsonResponse({"status": "error", "database": str(exc).splitlines()[0]}, status=503)
    return JsonResponse({"status": "ok", "warnings": gate.problems()})
