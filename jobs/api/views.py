"""The REST calls on /api/jobs, for the authenticated caller's own jobs."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import ViewSet

from clusters import submitting
from clusters.database import release_connection
from jobs import actions, hosts, submission
from jobs.api import audit, client_socket, listing, openapi, output, queries
from jobs.api.audit import AuditedCall, CallFailed, Target, about
from jobs.api.http_headers import (
    digest,
    etag,
    has_current,
    idempotency_key,
    json_response,
    not_modified,
    preferred_wait,
)
from jobs.api.listing import Content, Wanted
from jobs.api.pagination import Page
from jobs.api.query_params import JOB_QUERY, LIST_QUERY, ClosedQuery
from jobs.api.representation import Home, Row, written
from jobs.api.serializers import ActionSerializer, EventSerializer, OrderSerializer, SubmissionSerializer
from jobs.errors import ClusterClosed, JobNotFound, KeyReused, RefusedBefore, StillInFlight, SubmissionNotFound
from jobs.models import Event, Job, Source
from jobs.states import Status
from jobs.submission import Order
from jobs.sync import notifications, refresh

# REST framework copies each field when a form is made, which took as long as all of the checks. These two are made
# once; they keep nothing of what they check.
_ORDER, _ACTION = OrderSerializer(), ActionSerializer()

_AUDITED = {"create": "submit", "update": "abort", "destroy": "delete"}  # by what a ViewSet calls its actions


class Caller(Protocol):
    """What authentication says of who is calling."""

    account: str
    dn: str
    expires: datetime


class LengthRequired(APIException):
    """A chunked body has no length, without which WSGI has no way to find its end."""

    status_code = 411
    default_detail = "send the body with a Content-Length, not in chunks"


class JobViewSet(ClosedQuery, ViewSet):
    """Every answer is about the caller's jobs: somebody else's are like ones that do not exist."""

    lookup_field = "job_id"
    lookup_value_regex = r"[^/]+"

    def prepare(self, request: Request) -> None:
        """Read the body, whose tag an error's body repeats. Raises what reading it raises."""
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        if request.method in {"POST", "PUT"}:
            _ = request.data

    def get_exception_handler_context(self) -> dict[str, Any]:
        """Add the tag that the caller sent: the body of an error repeats it."""
        return {**super().get_exception_handler_context(), "tag": _sent_tag(self.request)}

    def handle_exception(self, exc: Exception) -> Response:
        """Answer what has gone wrong. Every answer to a POST that began a submission names it."""
        target, fault = Target(job_id=self.kwargs.get("job_id", "")), exc
        if isinstance(exc, CallFailed):
            target, fault = exc.target, exc.fault
        response = super().handle_exception(fault)
        if self.action == "create" and target.submission:
            response["Submission-Id"] = str(target.submission)
        if isinstance(fault, RefusedBefore):
            response["Idempotency-Replayed"] = "true"
        again = isinstance(fault, RefusedBefore | StillInFlight)
        self._record(target, response.status_code, again=again, fault=fault, message=response.data["error_message"])
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Release the body once the call is answered."""
        response = super().finalize_response(request, response, *args, **kwargs)
        _forget(request)
        return response

    def _record(
        self,
        target: Target,
        status_code: int,
        *,
        again: bool = False,
        fault: Exception | None = None,
        message: str = "",
    ) -> None:
        """Write the call into the audit log, if its caller is known and it asked for a change."""
        action = _AUDITED.get(self.action)
        if action and self.request.user:
            caller = _caller(self.request)
            action = "submit-again" if again else action
            audit.record(AuditedCall(action, caller.account, caller.dn, target, status_code, fault, message))

    @openapi.LIST
    def list(self, request: Request) -> HttpResponse:
        """Return the caller's jobs, newest first, all or a page. They come from the registry: no cluster is asked."""
        query = LIST_QUERY.read(request)
        page = Page.of(query)
        wanted = Wanted(_caller(request).account, query.get("tag"), *((page.limit, page.offset) if page else ()))
        state, jobs_url = listing.state(wanted), _jobs_url(request)
        headers = page.headers(request.build_absolute_uri(), state.total) if page else {}
        if has_current(request, tag := state.etag(jobs_url)):
            return not_modified(tag, headers)
        rows = listing.rows(wanted)
        if not state.has_homes_of(rows):  # a cluster was registered between the two statements
            return self.list(request)
        # The rows are read after the state: the answer has a tag of its own.
        tag = state.etag(jobs_url, Content.of(rows))
        return json_response([written(row, state.homes[row.cluster_id], jobs_url) for row in rows], tag, headers)

    @openapi.CREATE
    def create(self, request: Request) -> Response:
        """Run sbatch on `host` as the caller's account, and register the job."""
        job, replayed = self._submitted(request)
        with about(Target.of(job)):
            shown = Row.of(submission.as_submitted(job) if replayed else job)
            answer = submission.first_answer(job, written(shown, Home.of(job.cluster), _jobs_url(request)))
        headers = {"Location": f"{_jobs_url(request)}/{job.job_id}", "Submission-Id": str(job.id)}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        self._record(Target.of(job), status.HTTP_201_CREATED, again=replayed)
        return Response(answer, status.HTTP_201_CREATED, headers=headers)

    @openapi.RETRIEVE
    def retrieve(self, request: Request, job_id: str) -> HttpResponse:
        """Return one of the caller's jobs from the registry; no cluster is asked, unless by `refresh`."""
        refreshes = JOB_QUERY.read(request).get("refresh", False)
        row, home = self._shown(request, job_id)
        if refreshes and not row.is_final:
            refresh.refresh(self._job(request, job_id))
            row, home = self._shown(request, job_id)
        seconds = min(preferred_wait(request), int(_seconds_left(request)))
        if seconds:
            row, home = self._waited_for(request, row, home, seconds)
        answer = written(row, home, _jobs_url(request))
        headers = {"Preference-Applied": f"wait={seconds}"} if seconds else {}
        tag = etag(answer)
        return not_modified(tag, headers) if has_current(request, tag) else json_response(answer, tag, headers)

    @openapi.EVENTS
    @action(detail=True)
    def events(self, request: Request, job_id: str) -> Response:
        """Return the job's history: its submission, then one entry for each change of its state, oldest first."""
        job = self._job(request, job_id)
        begun = Event(job=job, at=job.created_at, source=Source.SUBMISSION, status=Status.QUEUED)
        written = EventSerializer()
        return Response([written.to_representation(event) for event in (begun, *job.events.all())])

    @openapi.UPDATE
    def update(self, request: Request, job_id: str) -> Response:
        """Cancel the job in SLURM and keep it in the registry."""
        _ACTION.run_validation(request.data)
        return self._changed(request, job_id, actions.abort)

    @openapi.DESTROY
    def destroy(self, request: Request, job_id: str) -> Response:
        """Cancel the job if it is still active, then remove it from the registry."""
        return self._changed(request, job_id, actions.delete)

    @openapi.STDOUT
    @action(detail=True)
    def stdout(self, request: Request, job_id: str) -> StreamingHttpResponse:
        """Return what the job has written to its standard output."""
        job = self._job(request, job_id)
        return output.stream(request, job, job.stdout, _caller(request).expires)

    @openapi.STDERR
    @action(detail=True)
    def stderr(self, request: Request, job_id: str) -> StreamingHttpResponse:
        """Return what the job has written to its standard error."""
        job = self._job(request, job_id)
        return output.stream(request, job, job.stderr, _caller(request).expires)

    def _changed(self, request: Request, job_id: str, change: Callable[[Job], None]) -> Response:
        """Answer a call that asks for `change` of one of the caller's jobs."""
        job = self._job(request, job_id)
        with about(Target.of(job)):
            change(job)
        self._record(Target.of(job), status.HTTP_204_NO_CONTENT)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _submitted(self, request: Request) -> tuple[Job, bool]:
        """Submit what the body asks for; return the job, and whether an earlier request with its key had made it."""
        while True:
            try:
                return self._submitted_once(request)
            except hosts.Changed:  # since this process has read the cluster's row: the cluster may be closed now
                continue

    def _submitted_once(self, request: Request) -> tuple[Job, bool]:
        values, caller = _ORDER.run_validation(request.data), _caller(request)
        host, order = values["host"], _order(request, values)
        if not host.cluster.enabled:
            raise ClusterClosed(host.cluster.name, host.cluster.disabled_message)
        place = submitting.acquire_slot(host.cluster, caller.account)
        target = Target(cluster=host.cluster.name, submission=place.token)
        try:
            return submission.submit(place, host, caller.dn, order)
        except hosts.Changed:
            raise
        except (RefusedBefore, StillInFlight) as exc:
            raise CallFailed(replace(target, submission=exc.first), exc) from exc
        except KeyReused as exc:  # the place's own token names no submission
            raise CallFailed(replace(target, submission=None), exc) from exc
        except Exception as exc:
            raise CallFailed(target, exc) from exc

    def _waited_for(self, request: Request, row: Row, home: Home, seconds: int) -> tuple[Row, Home]:
        """Return the job as soon as it has moved, or after `seconds`; at once if it moves no more.

        Raises OwnShareTaken or AllTaken where too many wait already.
        """
        if _is_news(request, row, home):
            return row, home
        with notifications.changes.subscribe(uuid.UUID(row.id), _caller(request).account) as moved:
            now, now_home = self._shown(request, row.job_id)  # it may have moved before it was watched
            if moved is None or now.status != row.status or _is_news(request, now, now_home):
                return now, now_home
            release_connection()
            has_left = partial(client_socket.has_left, request.META)
            notifications.wait(moved, seconds, has_left, lambda: self._has_moved(request, row))
        return self._shown(request, row.job_id)

    def _has_moved(self, request: Request, row: Row) -> bool:
        now, home = self._shown(request, row.job_id)
        moved = now.status != row.status or _is_news(request, now, home)
        release_connection()
        return moved

    def _shown(self, request: Request, job_id: str) -> tuple[Row, Home]:
        row = queries.get_row(_caller(request).account, job_id)
        if row is None:
            raise JobNotFound(job_id)
        return row

    def _job(self, request: Request, job_id: str) -> Job:
        job = queries.get_job(_caller(request).account, job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job


class SubmissionViewSet(ClosedQuery, ViewSet):
    """What became of a POST whose answer was lost."""

    lookup_field = "submission_id"
    lookup_value_regex = r"[^/]+"

    @openapi.SUBMISSION
    def retrieve(self, request: Request, submission_id: str) -> Response:
        """Return one of the caller's submissions: pending, submitted (with its job_id), or failed (with the reason)."""
        try:
            job = Job.objects.get(pk=uuid.UUID(submission_id), account=_caller(request).account)
        except (ValueError, Job.DoesNotExist) as exc:
            raise SubmissionNotFound(submission_id) from exc
        return Response(SubmissionSerializer(job).data)


def _order(request: Request, values: dict[str, Any]) -> Order:
    """Return what the caller wants to run, and empty `values`, which hold it: as in `_forget`."""
    order = Order(
        values["script"],
        values.get("working_directory", ""),
        values["tag"],
        idempotency_key(request),
        digest(cast("dict[str, Any]", request.data)),
    )
    values.clear()
    return order


def _is_news(request: Request, row: Row, home: Home) -> bool:
    """Say whether the caller has not seen the job as it is, or it changes no more."""
    if row.is_final:
        return True
    tag = etag(written(row, home, _jobs_url(request)))
    return "If-None-Match" in request.headers and not has_current(request, tag)


def _seconds_left(request: Request) -> float:
    """Return for how many seconds the caller's proxy is still valid."""
    return max(0.0, (_caller(request).expires - timezone.now()).total_seconds())


def _forget(request: Request) -> None:
    """Release the parsed body, up to 96 MiB.

    REST framework's requests and forms are cycles of references: they stay in memory until Python's garbage collector
    runs, and dozens of them may wait for that.
    """
    payload = _payload(request)
    if type(payload) is dict:  # a body that could not be read is an empty QueryDict, which nobody may change
        payload.clear()


def _payload(request: Request) -> object:
    """Return what the body says, if it was read: `data` would read a body that nobody has read."""
    return getattr(request, "_full_data", None)


def _sent_tag(request: Request) -> str | None:
    """Return the tag that the caller sent, in the body or in the query."""
    source = _payload(request) if request.method in {"POST", "PUT"} else request.query_params
    tag = source.get("tag") if isinstance(source, Mapping) else None
    return tag if isinstance(tag, str) else None


def _caller(request: Request) -> Caller:
    return cast("Caller", request.user)


def _jobs_url(request: Request) -> str:
    return reverse("job-list", request=request)
