"""Streams a job's output file from its cluster; a download ends at the latest when the caller's proxy expires."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

import structlog
from django.db.models import Q
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request

from clusters import gateway
from clusters.calls.database import release_connection
from clusters.slurm.filenames import Pattern, Task
from clusters.slurm.starts import Starts
from clusters.ssh.output_files import Named, Wanted
from jobs.api import client_socket
from jobs.errors import OutputNotFound
from jobs.models import Job
from jobs.states import Status
from jobs.sync.reconcile import CLOCK_SLACK, search_window

log = structlog.get_logger(__name__)

_DISCARDED = "/dev/null"  # what SLURM makes of `-o none`, too
_LONGEST_SHOWN = 1_000  # characters of a path
_LONGEST_HEADER = 4_000  # characters; front servers take 4 KiB of headers or more
_CLOCKS_DIFFER = timedelta(minutes=5)  # of SLURM and of the file server: munge lets SLURM's own differ so much
_OF_TASKS = frozenset("ajJN?*")  # places whose values SLURM has to tell


class _Stream:
    """A response's content, which releases its SSH channel whether it was read or not."""

    def __init__(self, stack: ExitStack, pieces: Iterator[bytes], expires: datetime) -> None:
        self._stack = stack
        self._pieces = pieces
        self._expires = expires

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces. Raises ConnectionResetError once `expires` has come.

        The web server then closes the connection, and the client sees that it has not got what Content-Length said.
        """
        release_connection()  # the audit log and the like may have asked since the file was opened
        for piece in self._pieces:
            if timezone.now() >= self._expires:
                log.info("output-broken-off", reason="the proxy has expired")
                raise ConnectionResetError(errno.ECONNRESET, "the proxy has expired")
            yield piece

    def close(self) -> None:
        """End the file transfer."""
        self._stack.close()


def stream(request: Request, job: Job, path: str, expires: datetime) -> StreamingHttpResponse:
    """Return the file `path` of `job` as a response, read as the job's own account; nothing of it for HEAD.

    Raises OutputNotFound, and what `gateway.task_starts` and `gateway.open_file` raise.
    """
    client_socket.end_in(request.META, (expires - timezone.now()).total_seconds())
    release_connection()
    stack = ExitStack()
    wanted, started = _wanted(job, path)
    try:
        file = stack.enter_context(gateway.open_file(job.cluster, job.account, wanted))
    except FileNotFoundError as exc:
        raise _none(job, path, started=started, older=wanted.since is not None) from exc
    pieces = iter(()) if request.method == "HEAD" else file.pieces
    response = StreamingHttpResponse(_Stream(stack, pieces, expires), content_type="text/plain; charset=utf-8")
    response["Content-Length"] = str(file.size)
    if tasks := _in_a_header(file.tasks):
        response["Output-Tasks"] = tasks
    return response


def _in_a_header(tasks: Sequence[tuple[int, int]]) -> str:
    """Return `3;size=120, 12;size=64`, a list of RFC 8941; empty where there are none, or too many for a header."""
    items = ", ".join(f"{task};size={size}" for task, size in tasks)
    return items if len(items) <= _LONGEST_HEADER else ""


def _wanted(job: Job, path: str) -> tuple[Wanted, bool]:
    """Return which files are the output `path` of `job`, and whether it has started; SLURM is asked where that matters.

    Raises OutputNotFound, and what `gateway.task_starts` raises.
    """
    if job.slurm_id is None or not path or path == _DISCARDED:
        raise _none(job, path, started=job.started_at is not None)
    pattern = Pattern.of(path)
    alone = pattern.names_job(job.slurm_id)
    if not alone and (later := _later_writer(job, path)):
        raise OutputNotFound(
            f"Job with {job.job_id}: a later job, {later}, writes to the same file, {_shown(job, path)}, so what this "
            "one wrote cannot be told any more; with %j in its name each job has a file of its own"
        )
    begun = job.submitted_at or job.created_at
    since = None if alone else int((begun - _CLOCKS_DIFFER).timestamp())
    one = Task(job.slurm_id, job.slurm_id)
    if not pattern.letters & _OF_TASKS:
        if not alone and not _has_started(job) and not _starts(job, pattern).tasks:
            raise _none(job, path, started=False)
        names = tuple((Named(variant.path(one)),) for variant in pattern.variants())
        return Wanted(names, since), _has_started(job) or not alone
    starts = _starts(job, pattern)
    if starts.tasks:
        try:
            variants = [
                tuple(Named(variant.path(task), task.number) for task in starts.tasks) for variant in pattern.variants()
            ]
        except ValueError as exc:
            raise OutputNotFound(f"Job with {job.job_id}: SLURM does not tell on which host it ran") from exc
        return Wanted(tuple(variants), since), True
    if starts.known or not _has_started(job):
        raise _none(job, path, started=False)
    template = pattern.variants()[-1].with_array(job.slurm_id)
    if template.letters == {"a"} and template.names_job(job.slurm_id):
        return Wanted((), None, template), True
    raise OutputNotFound(
        f"Job with {job.job_id}: SLURM no longer knows its tasks, and {_shown(job, path)} does not tell its files "
        "from those of other jobs"
    )


def _later_writer(job: Job, path: str) -> str:
    """Return the job_id of a job of this owner that started after `job` and writes to `path` too; empty if none did."""
    later = Job.objects.filter(
        Q(stdout=path) | Q(stderr=path), cluster=job.cluster, account=job.account, created_at__gt=job.created_at,
        started_at__gt=job.started_at or job.created_at,
    )  # fmt: skip
    return later.order_by("-created_at").values_list("job_id", flat=True).first() or ""


def _has_started(job: Job) -> bool:
    """Return whether SLURM has said that the job started, and has not said since then that it waits again."""
    return job.started_at is not None and Status(job.status) is not Status.QUEUED


def _starts(job: Job, pattern: Pattern) -> Starts:
    if job.slurm_id is None:
        raise ValueError(f"{job} has no SLURM id")
    earliest = int((job.submitted_at or job.created_at - CLOCK_SLACK).timestamp())
    return gateway.task_starts(
        job.cluster,
        job.account,
        job.slurm_id,
        search_window(job.created_at),
        earliest=earliest,
        hosts="N" in pattern.letters,
    )


def _shown(job: Job, path: str) -> str:
    return Pattern.of(path).of_array(job.slurm_id or 0)[:_LONGEST_SHOWN]


def _none(job: Job, path: str, *, started: bool, older: bool = False) -> OutputNotFound:
    """Return why the output `path` of `job` is not there, by what SLURM has said of the job.

    `older`: a file from before the job began does not count.
    """
    return OutputNotFound(f"Job with {job.job_id} {_why_none(job, path, started=started, older=older)}")


def _why_none(job: Job, path: str, *, started: bool, older: bool) -> str:
    final = Status(job.status).final
    if path == _DISCARDED:
        return f"has no output file: what it writes goes to {path}"
    if not started and not final:
        return "has no output file yet: it has not started"
    if not path:
        return f"{'has ended' if final else 'runs'}, and SLURM has not told the name of its output file"
    if not started or (final and job.started_at is None):
        return f"has no output file: it ended ({job.status}) before it started"
    from_before = ", is older than the job," if older else ","
    there = f"{_shown(job, path)} is not there{from_before} or is no file that {job.account} can read"
    if not final:
        return f"has no such output file yet: it runs, and {there}"
    return f"has ended, and has no such output file: {there}"
