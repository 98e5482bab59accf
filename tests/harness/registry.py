"""The service's own database, as these tests look into it and meddle with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from psycopg.sql import SQL, Identifier

from tests.harness.databases import Postgres
from tests.harness.job_audit import Row
from tests.harness.waiting import eventually


class Registry:
    """The rows of an instance's database."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def change(self, host: str, **columns: object) -> None:
        """Change the row of the cluster `host`."""
        assignments = SQL(", ").join(SQL("{} = %s").format(Identifier(column)) for column in columns)
        with self._postgres.connect() as connection:
            connection.execute(
                SQL("UPDATE clusters_cluster SET {} WHERE name = %s").format(assignments), (*columns.values(), host)
            )

    def copy_cluster(self, host: str, **columns: object) -> None:
        """Add a cluster that is like `host` but for `columns`."""
        with self._postgres.connect() as connection:
            described = connection.execute("SELECT * FROM clusters_cluster LIMIT 0").description or []
            same = [column.name for column in described if column.name not in {"id", *columns}]
            copied = SQL(", ").join(map(Identifier, same))
            connection.execute(
                SQL("INSERT INTO clusters_cluster ({}, {}) SELECT {}, {} FROM clusters_cluster WHERE name = %s").format(
                    copied, SQL(", ").join(map(Identifier, columns)), copied, SQL(", ").join(SQL("%s") for _ in columns)
                ),
                (*columns.values(), host),
            )

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement on the service's database and return the rows, if it has any."""
        with self._postgres.connect() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def rows(self, tags: Iterable[str]) -> dict[str, list[Row]]:
        """Return what the registry says of submissions, by tag."""
        found: dict[str, list[Row]] = {}
        query = "SELECT tag, id::text, submission_status, slurm_id FROM jobs_job WHERE tag = ANY(%s)"
        for tag, submission, state, slurm_id in self.execute(query, list(tags)):
            job = None if slurm_id is None else int(str(slurm_id))
            found.setdefault(str(tag), []).append(Row(str(submission), str(state), job))
        return found

    def pending(self, tags: Sequence[str]) -> int:
        """Return how many of these submissions have no known outcome."""
        [(number,)] = self.execute(
            "SELECT count(*) FROM jobs_job WHERE submission_status = 'PENDING' AND tag = ANY(%s)", list(tags)
        )
        return int(str(number))

    def age(self, tags: Sequence[str]) -> None:
        """Let four minutes pass for those submissions that have no known outcome, and for the attempts to find one."""
        self.execute(
            "UPDATE jobs_job SET created_at = created_at - interval '4 minutes' "
            "WHERE submission_status = 'PENDING' AND tag = ANY(%s)", list(tags),
        )  # fmt: skip
        self.execute(
            "UPDATE jobs_recoveryattempt SET due_at = due_at - interval '4 minutes' WHERE cluster_id IN "
            "(SELECT cluster_id FROM jobs_job WHERE submission_status = 'PENDING' AND tag = ANY(%s))", list(tags),
        )  # fmt: skip

    def let_minutes_pass(self, minutes: int = 10) -> None:
        """Move what the service remembers of its polls, and of its orders to poll, so many minutes back."""
        columns = ("due_at", "ordered_at", "succeeded_at", "failed_at")
        back = SQL(", ").join(SQL("{0} = {0} - make_interval(mins => %s)").format(Identifier(name)) for name in columns)
        with self._postgres.connect() as connection:
            connection.execute(SQL("UPDATE clusters_poll SET {}").format(back), [minutes] * len(columns))

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Let nobody write a job meanwhile; what it yields waits until somebody tries."""
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'jobs_job'::regclass AND NOT granted"

        def blocked() -> None:
            eventually(lambda: self.execute(waiting) != [(0,)], "somebody waits to write a job")

        with self._postgres.connect() as connection, connection.transaction():
            connection.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")
            yield blocked
