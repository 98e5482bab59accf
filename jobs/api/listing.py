"""An account's jobs as a list: its state, in one statement that reads an index alone, and then its rows.

The state of a list is the sum of its jobs' revisions, how many they are, and the clusters' columns that answers show. A
revision is a hash that PostgreSQL itself keeps of each row (see jobs.models). So it makes no difference who wrote a
row, at what time, and in which order transactions commit.
"""

from functools import cache
from hashlib import sha256
from typing import NamedTuple

from django.db import connection

from jobs.api.representation import CLUSTER_COLUMNS, FORMAT, JOB_COLUMNS, ClusterRow, Row, read_as_text


class Selection(NamedTuple):
    """Which jobs: of `account`, with `tag` if there is one, newest first; `limit` of them after `offset`, or all."""

    account: str
    tag: str | None = None
    limit: int | None = None
    offset: int = 0


class Content(NamedTuple):
    """What a list shows, in short: how many jobs, and the sum of their revisions."""

    number: int
    revisions: int

    @classmethod
    def of(cls, rows: list[Row]) -> "Content":
        """Return the content of a list whose rows were read."""
        return cls(len(rows), sum(row.revision for row in rows))


class State(NamedTuple):
    """A list as it is: of `total` jobs it has `content`. `clusters` are all of them, by their keys."""

    total: int
    content: Content
    clusters: dict[int, ClusterRow]

    def etag(self, jobs_url: str, content: Content | None = None) -> str:
        """Return a weak tag of the list, or of `content` in its place, as it is shown at `jobs_url`.

        When clusters were last asked is left out: that SLURM was asked again makes no other answer.
        """
        shown = [cluster[:-1] for cluster in self.clusters.values()]
        state = repr((FORMAT, jobs_url, shown, tuple(content or self.content)))
        return f'W/"{sha256(state.encode()).hexdigest()[:32]}"'

    def has_clusters_of(self, rows: list[Row]) -> bool:
        """Say whether the cluster of each row was there when this was read."""
        return {row.cluster_id for row in rows} <= self.clusters.keys()


def state(selection: Selection) -> State:
    """Return what the list is now, in one statement."""
    with connection.cursor() as cursor:
        read_as_text(cursor)
        cursor.execute(_state(selection.tag is not None, selection.limit is not None), selection._asdict())
        lines = cursor.fetchall()
    total, number, revisions = lines[0][:3]
    clusters = {key: ClusterRow(key, *shown) for _total, _number, _revisions, key, *shown in lines if key is not None}
    return State(total, Content(number, int(revisions or 0)), clusters)


def rows(selection: Selection) -> list[Row]:
    """Return the jobs, in one statement."""
    with connection.cursor() as cursor:
        read_as_text(cursor)
        cursor.execute(_rows(selection.tag is not None), selection._asdict())
        return list(map(Row._make, cursor.fetchall()))


def _listed(*, tagged: bool) -> str:
    """Return the condition that is JobQuerySet.owned_by, and `listed_jobs_of_account` in jobs.models."""
    tag = " AND tag = %(tag)s" if tagged else ""
    return f"account = %(account)s AND submission_status = 'SUBMITTED' AND deleted_at IS NULL{tag}"


_NEWEST_FIRST = "ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s"  # LIMIT NULL is none


@cache
def _state(tagged: bool, paged: bool) -> str:
    listed = _listed(tagged=tagged)
    jobs = f"jobs_job WHERE {listed}"
    total = f"(SELECT count(*) FROM {jobs})" if paged else "count(*)"  # noqa: S608 - made of the constants above
    shown = f"(SELECT revision FROM {jobs} {_NEWEST_FIRST}) AS page" if paged else jobs  # noqa: S608
    return f"""
        SELECT list.total, list.number, list.revisions, {CLUSTER_COLUMNS}
        FROM (SELECT {total} AS total, count(*) AS number, sum(revision) AS revisions FROM {shown}) AS list
        LEFT JOIN clusters_cluster AS c ON true
        LEFT JOIN clusters_poll AS p
            ON p.cluster_id = c.id AND p.account = coalesce(nullif(c.poll_account, ''), %(account)s)
        ORDER BY c.id
    """  # noqa: S608


@cache
def _rows(tagged: bool) -> str:
    listed = _listed(tagged=tagged)
    return f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs_job WHERE {listed} {_NEWEST_FIRST}"  # noqa: S608
