"""Callers' and operators' lists and the dashboard on a table of 250,000 jobs: nothing reads it from end to end."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clusters.models import Cluster
from jobs.api import listing
from jobs.api.listing import Selection
from submitter.ops import dashboard

ROWS = 250_000

_FILL = f"""
    INSERT INTO jobs_job (id, cluster_id, account, owner_dn, tag, working_directory, created_at, request_digest,
        submission_status, acknowledged, slurm_id, job_id, slurm_id_reused, status, slurm_state, reason, is_array,
        stdout, stderr,
        submitted_at, started_at, ended_at, wall_seconds, accounting_confirmed, deleted_at)
    SELECT gen_random_uuid(), %s, 'plg' || n %% 500, '/C=PL/O=Grid/CN=plg' || n %% 500, 'tag' || n %% 3000, '',
        now() - n * interval '4 seconds', '', CASE WHEN n %% 97 = 0 THEN 'FAILED' ELSE 'SUBMITTED' END, true, n,
        n || '.batch.grid.cyf-kr.edu.pl', false,
        CASE WHEN n %% 97 = 0 THEN 'QUEUED' WHEN n < 300 THEN 'RUNNING' WHEN n %% 40 = 0 THEN 'ERROR'
            ELSE 'FINISHED' END,
        CASE WHEN n < 300 THEN 'RUNNING' WHEN n %% 40 = 0 THEN 'TIMEOUT' ELSE 'COMPLETED' END, '', false, '', '',
        now() - n * interval '4 seconds', now() - n * interval '4 seconds' + interval '30 seconds',
        CASE WHEN n < 300 THEN NULL ELSE now() - n * interval '4 seconds' + interval '90 seconds' END, 60, n >= 300,
        CASE WHEN n %% 3000 = 0 THEN now() END
    FROM generate_series(1, {ROWS}) AS n
"""  # noqa: S608 - a constant of this file

QUERIES = [
    "", "p=20", "cluster__id__exact={pk}", "status__exact=ERROR", "status__exact=ABORTED", "slurm_state=TIMEOUT",
    "slurm_state=OUT_OF_MEMORY", "period=24h", "period=7d&status__exact=ERROR", "since=2020-01-01", "tagged=tag77",
    "tagged=unknown", "as=plg7", "cluster__id__exact={pk}&as=plg7&status__exact=FINISHED", "q=4711", "q=plg9", "q=tag5",
    "status__exact=refused", "status__exact=pending", "status__exact=RUNNING", "status__exact=QUEUED", "deleted=yes",
    "deleted=no", "status__exact=refused&period=7d", "q=nowhere", "q=4711.batch.grid.cyf-kr.edu.pl",
    "q=/C%3DPL/O%3DGrid/CN%3Dplg9", "q=/C%3DPL/O%3DGrid/CN%3Dnobody",
]  # fmt: skip


@pytest.fixture(scope="module")
def large(django_db_setup: None, django_db_blocker: Any) -> Iterator[Cluster]:  # noqa: ARG001 - asked for its order
    """Fill the table once, and empty it again, whatever happens."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cluster = Cluster.objects.create(
            name="large", address="127.0.0.1", host_keys=["ssh-ed25519 AAAA"], job_domain="batch.grid.cyf-kr.edu.pl"
        )
        try:
            # The tests before have left dead rows in its pages: their rows are deleted.
            cursor.execute("TRUNCATE jobs_job CASCADE")
            cursor.execute(_FILL, [cluster.pk])
            vacuum(cursor)
            yield cluster
        finally:
            cursor.execute("TRUNCATE jobs_job CASCADE")
            cluster.delete()


def vacuum(cursor: CursorWrapper) -> None:
    """Vacuum until every row is known to be visible, as in a table that has been there for long.

    Index-only scans are chosen then. The tests' PostgreSQL commits asynchronously, and VACUUM leaves out pages whose
    commit is not in the log on disk yet; so it does while a transaction is open that began before, and without
    INDEX_CLEANUP also where only a few pages hold dead rows.
    """
    holding = []
    for _ in range(60):
        cursor.execute("VACUUM (ANALYZE, INDEX_CLEANUP ON) jobs_job")
        cursor.execute("SELECT relpages - relallvisible FROM pg_class WHERE relname = 'jobs_job'")
        if cursor.fetchone() == (0,):
            return
        cursor.execute("SELECT pid, state, query FROM pg_stat_activity WHERE backend_xmin IS NOT NULL")
        holding = cursor.fetchall()
        time.sleep(0.5)
    pytest.fail(f"VACUUM cannot mark all rows as visible; transactions that are open: {holding}")


@pytest.fixture
def browser(db: None, settings: Any) -> Client:  # noqa: ARG001
    """Return the browser of a read-only operator."""
    cache.clear()
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    user = User.objects.create_user("looks", is_staff=True)
    user.groups.add(Group.objects.get(name="read-only operator"))
    client = Client()
    client.force_login(user)
    return client


def plans(act: Callable[[], Any]) -> list[tuple[str, str]]:
    """Return each query on the table of jobs that `act` makes, with its plan."""
    with CaptureQueriesContext(connection) as captured:
        act()
    asked = [query["sql"] for query in captured if "jobs_job" in query["sql"] and query["sql"].lstrip()[:6] == "SELECT"]
    with connection.cursor() as cursor:
        found = []
        for sql in asked:
            cursor.execute("EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) " + sql)
            found.append((sql, "\n".join(row[0] for row in cursor.fetchall())))
    return found


def assert_no_scan(found: list[tuple[str, str]]) -> None:
    assert found, "the table was not asked at all"
    for sql, plan in found:
        assert "Seq Scan on jobs_job" not in plan, f"{sql}\n{plan}"
        longest = max([int(n) for n in re.findall(r"Rows Removed by Filter: (\d+)", plan)], default=0)
        assert longest < ROWS / 10, f"{sql}\n{plan}"


@pytest.mark.parametrize("query", QUERIES)
def test_the_list_never_reads_the_whole_table(large: Cluster, browser: Client, query: str) -> None:
    found = plans(lambda: browser.get(f"/admin/jobs/job/?{query.format(pk=large.pk)}"))
    assert_no_scan(found)
    assert len(found) <= 3, [sql for sql, _ in found]
    for sql, plan in found:
        print(f"\n{query or 'no filter'}: {sql[:60]}\n{plan}")


def test_the_dashboard_never_reads_the_whole_table(large: Cluster, browser: Client) -> None:  # noqa: ARG001
    assert_no_scan([(s, p) for s, p in plans(lambda: browser.get("/admin/")) if "date_bin" not in s])
    cache.clear()
    assert_no_scan(plans(lambda: dashboard.period("24h")))


@pytest.mark.parametrize(
    "selection", [Selection("plg7"), Selection("plg7", "tag507"), Selection("plg7", "tag507", 50, 10)], ids=str
)
def test_whether_a_list_has_changed_is_told_by_an_index_alone(large: Cluster, db: None, selection: Selection) -> None:  # noqa: ARG001
    [(sql, plan)] = plans(lambda: listing.state(selection))
    print(f"\n{sql}\n{plan}")
    assert "Index Only Scan using listed_jobs_of_account on jobs_job" in plan
    assert not re.search(r"^(?!.*Index Only Scan using listed_jobs_of_account).*Scan.* on jobs_job", plan, re.MULTILINE)


@pytest.mark.parametrize(
    "selection", [Selection("plg7", None, 50, 10), Selection("plg7"), Selection("plg7", "tag507")], ids=str
)
def test_a_list_reads_its_own_account_s_jobs(large: Cluster, db: None, selection: Selection) -> None:  # noqa: ARG001
    assert_no_scan(plans(lambda: (listing.state(selection), listing.rows(selection))))
