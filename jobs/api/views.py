"""The REST calls on /api/jobs, for the authenticated caller's own jobs."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from clusters import submitting
from jobs import actions, hosts, submission
from jobs.api import audit, listing, openapi, output, queries
from jobs.api.audit import AuditedCall, CallFailed, Target, about
from jobs.api.following import wait_for_change
from jobs.api.http_headers import etag, has_current, json_response, not_modified, preferred_wait
from jobs.api.listing import Content, Selection
from jobs.api.pagination import Page
from jobs.api.query_params import JOB_QUERY, LIST_QUERY, ClosedQuery
from jobs.api.representation import ClusterRow, Row, job_fields
from jobs.api.requests import caller_of, jobs_url, order_of, release_body, seconds_left, sent_tag
from jobs.api.serializers import ActionSerializer, EventSerializer, OrderSerializer, SubmissionSerializer
from jobs.errors import ClusterClosed, KeyReused, RefusedBefore, StillInFlight, SubmissionNotFound
from jobs.models import Event, Job, Source
from jobs.states import Status
from jobs.sync import refresh

# REST framework copies each field when a form is made, which took as long as all of the checks. These two are made
# once; they keep nothing of what they check.
_ORDER, _ACTION = OrderSerializer(), ActionSerializer()

_AUDITED = {"create": "submit", "update": "abort", "destroy": "delete"}  # by what a ViewSet calls its actions


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
        return {**super().get_exception_handler_context(), "tag": sent_tag(self.request)}

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
        release_body(request)
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
            caller = caller_of(self.request)
            action = "submit-again" if again else action
            audit.record(AuditedCall(action, caller.account, caller.dn, target, status_code, fault, message))

    @openapi.LIST
    def list(self, request: Request) -> HttpResponse:
        """Return the caller's jobs, newest first, all or a page. They come from the registry: no cluster is asked."""
        query = LIST_QUERY.read(request)
        page = Page.of(query)
        bounds = (page.limit, page.offset) if page else ()
        selection = Selection(caller_of(request).account, query.get("tag"), *bounds)
        state, url = listing.state(selection), jobs_url(request)
        headers = page.headers(request.build_absolute_uri(), state.total) if page else {}
        if has_current(request, tag := state.etag(url)):
            return not_modified(tag, headers)
        rows = listing.rows(selection)
        if not state.has_clusters_of(rows):  # a cluster was registered between the two statements
            return self.list(request)
        # The rows are read after the state: the answer has a tag of its own.
        tag = state.etag(url, Content.of(rows))
        return json_response([job_fields(row, state.clusters[row.cluster_id], url) for row in rows], tag, headers)

    @openapi.CREATE
    def create(self, request: Request) -> Response:
        """Run sbatch on `host` as the caller's account, and register the job."""
        job, replayed = self._submitted(request)
        with about(Target.of(job)):
            shown = Row.of(submission.as_submitted(job) if replayed else job)
            answer = submission.stored_or_new_answer(
                job, job_fields(shown, ClusterRow.of(job.cluster), jobs_url(request))
            )
        headers = {"Location": f"{jobs_url(request)}/{job.job_id}", "Submission-Id": str(job.id)}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        self._record(Target.of(job), status.HTTP_201_CREATED, again=replayed)
        return Response(answer, status.HTTP_201_CREATED, headers=headers)

    @openapi.RETRIEVE
    def retrieve(self, request: Request, job_id: str) -> HttpResponse:
        """Return one of the caller's jobs from the registry; no cluster is asked, unless by `refresh`."""
        refreshes = JOB_QUERY.read(request).get("refresh", False)
        account = caller_of(request).account
        row, cluster = queries.get_row(account, job_id)
        if refreshes and not row.is_final:
            refresh.refresh(queries.get_job(account, job_id))
            row, cluster = queries.get_row(account, job_id)
        seconds = min(preferred_wait(request), int(seconds_left(request)))
        if seconds:
            row, cluster = wait_for_change(request, row, cluster, seconds)
        answer = job_fields(row, cluster, jobs_url(request))
        headers = {"Preference-Applied": f"wait={seconds}"} if seconds else {}
        tag = etag(answer)
        return not_modified(tag, headers) if has_current(request, tag) else json_response(answer, tag, headers)

    @openapi.EVENTS
    @action(detail=True)
    def events(self, request: Request, job_id: str) -> Response:
        """Return the job's history: its submission, then one entry for each change of its state, oldest first."""
        job = queries.get_job(caller_of(request).account, job_id)
        begun = Event(job=job, at=job.created_at, source=Source.SUBMISSION, status=Status.QUEUED)
        form = EventSerializer()
        return Response([form.to_representation(event) for event in (begun, *job.events.all())])

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
        job = queries.get_job(caller_of(request).account, job_id)
        return output.stream(request, job, job.stdout, caller_of(request).expires)

    @openapi.STDERR
    @action(detail=True)
    def stderr(self, request: Request, job_id: str) -> StreamingHttpResponse:
        """Return what the job has written to its standard error."""
        job = queries.get_job(caller_of(request).account, job_id)
        return output.stream(request, job, job.stderr, caller_of(request).expires)

    def _changed(self, request: Request, job_id: str, change: Callable[[Job], None]) -> Response:
        """Answer a call that asks for `change` of one of the caller's jobs."""
        job = queries.get_job(caller_of(request).account, job_id)
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
        values, caller = _ORDER.run_validation(request.data), caller_of(request)
        host, order = values["host"], order_of(request, values)
        if not host.cluster.enabled:
            raise ClusterClosed(host.cluster.name, host.cluster.disabled_message)
        slot = submitting.acquire_slot(host.cluster, caller.account)
        target = Target(cluster=host.cluster.name, submission=slot.token)
        try:
            return submission.submit(slot, host, caller.dn, order)
        except hosts.Changed:
            raise
        except (RefusedBefore, StillInFlight) as exc:
            raise CallFailed(replace(target, submission=exc.first), exc) from exc
        except KeyReused as exc:  # the slot's own token names no submission
            raise CallFailed(replace(target, submission=None), exc) from exc
        except Exception as exc:
            raise CallFailed(target, exc) from exc


class SubmissionViewSet(ClosedQuery, ViewSet):
    """What became of a POST whose answer was lost."""

    lookup_field = "submission_id"
    lookup_value_regex = r"[^/]+"

    @openapi.SUBMISSION
    def retrieve(self, request: Request, submission_id: str) -> Response:
        """Return one of the caller's submissions: pending, submitted (with its job_id), or failed (with the reason)."""
        try:
            job = Job.objects.get(pk=uuid.UUID(submission_id), account=caller_of(request).account)
        except (ValueError, Job.DoesNotExist) as exc:
            raise SubmissionNotFound(submission_id) from exc
        return Response(SubmissionSerializer(job).data)
