"""What the API's description says of the calls beside their bodies: parameters, headers, answers without JSON."""

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from jobs.api.http_headers import KEY
from jobs.api.query_params import JOB_QUERY, LIST_QUERY, NO_QUERY, Handler, Query, takes
from jobs.api.serializers import ActionSerializer, EventSerializer, JobSerializer, OrderSerializer, SubmissionSerializer


class ClosedScheme(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # spectacular is untyped
    """Says of forms that refuse fields which they do not know that they do."""

    target_class = "jobs.api.serializers.ClosedSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Return the serializer's own schema, closed."""
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001 - its documented way
        return {**schema, "additionalProperties": False}


def _call(
    *, query: Query = NO_QUERY, parameters: Sequence[OpenApiParameter], **options: Any
) -> Callable[[Handler], Handler]:
    """Describe what handles a call: it takes `query`, and has `parameters` in its path and its headers."""
    in_query = [type(query)] if query.fields else []
    described = extend_schema(parameters=[*in_query, *parameters], **options)

    def marked(handler: Handler) -> Handler:
        return described(takes(query)(handler))

    return marked


def _header(name: str, description: str, schema: Any = str, **options: Any) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, description=description, **options)


_JOB_ID = OpenApiParameter("job_id", str, OpenApiParameter.PATH, description="as the job's own `job_id` says")
_IF_NONE_MATCH = _header("If-None-Match", "the ETag of an earlier answer: 304 while it would be the same again")
_ETAG = _header(
    "ETag", "names this answer; it stays the same when SLURM was asked and nothing has changed", response=[200, 304]
)
_ORDER = {"host": "zeus.cyfronet.pl", "script": "#!/bin/bash\necho hello\nexit 0", "tag": "hello"}
_NOT_MODIFIED = OpenApiResponse(description="the answer would be the one that If-None-Match names")

_JOB = OpenApiResponse(JobSerializer, description="the job")
# Not `format: binary`, though there may be any bytes: what is text/plain, generated clients read as text.
_TEXT = OpenApiResponse({"type": "string"}, description="the file, as it is now")

LIST = _call(
    summary="List your jobs",
    description="Your jobs, newest first: all of them, or a page by `limit` and `offset`. They come from the registry; "
    "no cluster is asked.",
    query=LIST_QUERY,
    parameters=[
        _IF_NONE_MATCH,
        _ETAG,
        _header("X-Total-Count", "of a page: how many there are in all", int, response=[200]),
        _header("Link", "of a page: where the first, previous and next ones are (RFC 8288)", response=[200]),
    ],
    responses={200: OpenApiResponse(JobSerializer(many=True), description="the jobs"), 304: _NOT_MODIFIED},
)
CREATE = _call(
    summary="Submit a job",
    description="Runs `sbatch` on `host` as your account and registers the job. With an `Idempotency-Key` the call can "
    "be repeated until its outcome is known, and submits once.",
    request=OrderSerializer,
    parameters=[
        _header(
            "Idempotency-Key",
            "1 to 255 printable ASCII characters; the same key and body never submit twice",
            {"type": "string", "pattern": f"^{KEY.pattern}$"},
        ),
        _header("Location", "the job", response=[201]),
        _header(
            "Idempotency-Replayed", "`true` where the key was known: nothing was submitted now", response=[201, 422]
        ),
        _header(
            "Submission-Id",
            "what /api/submissions/ knows it by; where the key was known, the first one's",
            OpenApiTypes.UUID,
            response=[201, 408, 409, 422],
        ),
    ],
    responses={201: _JOB},
    examples=[OpenApiExample("hello", _ORDER, request_only=True)],
)
RETRIEVE = _call(
    summary="Get a job",
    description="One of your jobs, from the registry. No cluster is asked, unless by `refresh`; with `Prefer: wait=N` "
    "the answer comes when the job moves.",
    query=JOB_QUERY,
    parameters=[
        _JOB_ID,
        _header("Prefer", "wait=N: answer when it moves, after N s (60 at most) at the latest"),
        _IF_NONE_MATCH,
        _ETAG,
        _header("Preference-Applied", "how long was waited at most", response=[200]),
    ],
    responses={200: _JOB, 304: _NOT_MODIFIED},
)
EVENTS = _call(
    summary="Get a job's history",
    description="The job's submission, then one entry for each change of its state, oldest first.",
    operation_id="jobs_events_list",
    parameters=[_JOB_ID],
    responses={200: OpenApiResponse(EventSerializer(many=True), description="the changes")},
)
UPDATE = _call(
    summary="Abort a job",
    description="Cancels the job in SLURM and keeps it in the registry. A job that has ended stays as it is.",
    request=ActionSerializer,
    parameters=[_JOB_ID],
    responses={204: OpenApiResponse(description="aborted, or had ended")},
)
DESTROY = _call(
    summary="Remove a job",
    description="Cancels the job if it is still active, and removes it from the registry.",
    parameters=[_JOB_ID],
    responses={204: OpenApiResponse(description="removed")},
)
_OUTPUT_TASKS = _header(
    "Output-Tasks",
    "of an array: whose files follow each other, as `3;size=120, 12;size=64` (task, bytes; RFC 8941); of tasks that "
    "share a file the first; absent where there are too many for a header",
    response=[200],
)
STDOUT = _call(
    summary="Download standard output",
    description="What the job has written to its standard output until now, byte for byte. 404 while there is no file.",
    parameters=[_JOB_ID, _OUTPUT_TASKS],
    responses={(200, "text/plain"): _TEXT},
)
STDERR = _call(
    summary="Download standard error",
    description="What the job has written to its standard error until now, byte for byte. 404 while there is no file.",
    parameters=[_JOB_ID, _OUTPUT_TASKS],
    responses={(200, "text/plain"): _TEXT},
)
SUBMISSION = _call(
    summary="Get a submission",
    description="What became of a submission whose answer was lost: it is pending, or submitted with its `job_id`, or "
    "failed with the reason.",
    parameters=[
        OpenApiParameter(
            "submission_id",
            OpenApiTypes.UUID,
            OpenApiParameter.PATH,
            description="as the header `Submission-Id` of the answer to the POST says",
        )
    ],
    responses={200: OpenApiResponse(SubmissionSerializer, description="the submission")},
)


def link_submissions(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say in the schema how an order's answer leads to what became of it (a drf-spectacular hook)."""
    link = {"operationId": "submissions_retrieve", "parameters": {"submission_id": "$response.header.Submission-Id"}}
    result["paths"]["/api/jobs"]["post"]["responses"]["201"]["links"] = {"Submission": link}
    return result
