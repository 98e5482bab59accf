"""The filtered list as CSV, sent while it is read: a million rows need no memory."""

import csv
import unicodedata
from collections.abc import Iterator
from typing import Any

from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import NullIf
from django.http import StreamingHttpResponse
from django.utils import timezone

from jobs.models import Job, SubmissionStatus

# A submission that SLURM has not taken has no status: its row holds the first one all the same.
_STATUS = Case(When(submission_status=SubmissionStatus.SUBMITTED, then=F("status")), default=Value(""))
COLUMNS = [
    "id", "job_id", "cluster__name", "account", "owner_dn", "tag", "submission_status", "true_status", "slurm_state",
    "reason", "exit_code", "nodes", "cores", "created_at", "submitted_at", "started_at", "ended_at", "wall_seconds",
    "checked_at", "deleted_at", "signal",
]  # fmt: skip
_HEADS = {"cluster__name": "cluster", "submission_status": "submission", "true_status": "status"}
_SIGNS = frozenset("=+-@")
# A spreadsheet may cut at any of these, whatever the file was written with: which one, its language decides.
_SEPARATORS = frozenset(";,|\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


class _Echo:
    """A file for the csv module that hands back what is written."""

    def write(self, text: str) -> str:
        """Return `text`."""
        return text


def answer(jobs: QuerySet[Job]) -> StreamingHttpResponse:
    """Return the download of `jobs`, in their order; times are UTC, ISO 8601."""
    response = StreamingHttpResponse(lines(jobs), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="jobs-{timezone.now():%Y%m%d-%H%M%S}.csv"'
    return response


def lines(jobs: QuerySet[Job]) -> Iterator[str]:
    """Return the CSV line after line, its head first."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield writer.writerow([_HEADS.get(column, column) for column in COLUMNS])
    # No signal is 0 in the registry.
    rows = jobs.annotate(true_status=_STATUS).values_list(*COLUMNS[:-1], NullIf("signal", Value(0)))
    for row in rows.iterator(chunk_size=2000):
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """Write times in one form, and have no spreadsheet take a user's tag for a formula."""
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="seconds")
    return defused(value) if isinstance(value, str) else value


def defused(text: str) -> str:
    """Put an apostrophe before each sign with which a formula would begin: in the cell, or in what is cut out of it.

    The sign may stand behind blanks, quotes and characters that nobody sees, and have another width or height.
    """
    pieces, begins = ["'"] if text[:1] in _SEPARATORS else [], True
    for character in text:
        if begins and unicodedata.normalize("NFKC", character)[:1] in _SIGNS:
            pieces.append("'")
        begins = character in _SEPARATORS or (begins and _is_passed_over(character))
        pieces.append(character)
    return "".join(pieces)


def _is_passed_over(character: str) -> bool:
    return character == '"' or character.isspace() or not character.isprintable()
