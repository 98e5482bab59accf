"""The registry's two roles, and that a backup brings everything back."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.deploy.own_database import ROOT, Registry, registry, superuser
from tests.deploy.rows import FILL, TELL

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def filled() -> Iterator[Registry]:
    """A registry as it is installed, with jobs and their events."""
    with registry() as one:
        one.manage("migrate", url=one.owner)
        one.manage("shell", "-c", FILL)
        yield one


def told(one: Registry) -> Any:
    """Return what the API tells alice: her list, and each job's events."""
    [line] = [line for line in one.manage("shell", "-c", TELL).splitlines() if line.startswith("TOLD")]
    return json.loads(line.removeprefix("TOLD"))


def run(script: str, file: Path, url: str, **environment: str) -> None:
    command = [str(ROOT / "deploy" / script), str(file)]
    subprocess.run(command, env=os.environ | {"DATABASE_URL": url} | environment, timeout=600, check=True)


@pytest.mark.parametrize(
    "statement",
    ["create table x ()", "drop table jobs_event", "alter table jobs_job add x int", "truncate jobs_job cascade"],
)
def test_the_application_s_role_cannot_change_tables(filled: Registry, statement: str) -> None:
    with psycopg.connect(filled.application) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


PRIVILEGES = """
    SELECT relname, grantee::regrole::text, privilege_type FROM pg_class, aclexplode(relacl)
    WHERE relnamespace = 'public'::regnamespace
    UNION SELECT 'new ' || defaclobjtype::text, grantee::regrole::text, privilege_type
    FROM pg_default_acl, aclexplode(defaclacl)
"""


def privileges(one: Registry) -> set[tuple[str, str, str]]:
    """Return who may do what with which table and sequence, and with those to come."""
    with psycopg.connect(one.owner) as connection:
        return set(connection.execute(PRIVILEGES).fetchall())


def on_audit_log(one: Registry) -> set[str]:
    """Return what the application's role may do with the lines of the audit log."""
    return {right for table, role, right in privileges(one) if (table, role) == ("audit_entry", one.name)}


def test_nobody_may_do_more_after_a_restore_than_before(filled: Registry, tmp_path: Path) -> None:
    before = privileges(filled)
    assert on_audit_log(filled) == {"SELECT", "INSERT"}
    assert ("jobs_job", filled.name, "DELETE") in before
    run("backup.sh", tmp_path / "dump", filled.owner)
    filled.wipe()
    run("restore.sh", tmp_path / "dump", filled.owner)
    assert privileges(filled) == before


def test_a_migration_takes_away_what_the_application_may_do_with_the_audit_log(filled: Registry) -> None:
    with psycopg.connect(filled.owner) as connection:
        connection.execute(f"grant update, delete, truncate, trigger on audit_entry to {filled.name}")
        connection.execute("grant update on audit_entry to public")
    filled.manage("migrate", url=filled.owner)
    assert on_audit_log(filled) == {"SELECT", "INSERT"}
    assert {role for table, role, _ in privileges(filled) if table == "audit_entry"} == {
        filled.name,
        f"{filled.name}_owner",
    }


def test_what_is_dumped_wiped_and_restored_is_listed_as_before(filled: Registry, tmp_path: Path) -> None:
    before = told(filled)
    jobs, events = before
    assert (len(jobs), {len(history) for history in events}) == (25, {2})
    run("backup.sh", tmp_path / "dump", filled.owner)
    assert (tmp_path / "dump").stat().st_mode & 0o077 == 0
    filled.wipe()
    with psycopg.connect(filled.owner) as connection:
        [[tables]] = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchall()
    assert tables == 0
    run("restore.sh", tmp_path / "dump", filled.owner)
    assert told(filled) == before
    assert "[ ]" not in filled.manage("showmigrations", url=filled.owner)


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("backup.sh", tmp_path / "dump", "postgres://127.0.0.1:1/none")
    assert list(tmp_path.iterdir()) == []


SECRET = "a/b:c@d %e?f#g+h&i=\u017c'\"\\"  # noqa: S105 - of a role of this test alone
WATCH = """#!/bin/sh
# Writes down the arguments of every process of the machine, as any account can read them, and then does the work.
for process in /proc/[0-9]*; do { cat "$process/cmdline" | tr '\\0' ' '; echo; } >> "$SEEN" 2>/dev/null; done
PATH=${PATH#*:} exec "${0##*/}" "$@"
"""


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """An environment in which PostgreSQL's programs tell who could be seen while they run."""
    (tmp_path / "bin").mkdir()
    for program in ("pg_dump", "pg_restore"):
        (tmp_path / "bin" / program).write_text(WATCH)
        (tmp_path / "bin" / program).chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "SEEN": str(tmp_path / "seen")}


def test_no_password_is_among_the_arguments_of_a_process(
    filled: Registry, tmp_path: Path, watched: dict[str, str]
) -> None:
    place = filled.owner.rpartition("@")[2]
    superuser(f"alter role {filled.name}_owner password '{SECRET.replace(chr(39), chr(39) * 2)}'")
    url = f"postgres://{filled.name}_owner:{quote(SECRET, safe='')}@{place}"
    with pytest.raises(subprocess.CalledProcessError):
        run("backup.sh", tmp_path / "dump", filled.owner)  # the former password: so the server asks for one
    run("backup.sh", tmp_path / "dump", url, **watched)
    filled.wipe()
    run("restore.sh", tmp_path / "dump", url, **watched)
    assert len(told(filled)[0]) == 25
    seen = Path(watched["SEEN"]).read_text(errors="replace")
    for program in ("pg_dump", "pg_restore"):
        assert f"/bin/{program} --dbname=postgresql://{filled.name}_owner@{place} " in seen
    assert SECRET not in seen
    assert quote(SECRET, safe="") not in seen


_LOOK = "from submitter.ops.doctor import audit_log; print(*audit_log.look(), sep=chr(10))"
_RUN = "from django.db import connection; connection.cursor().execute({!r})"


def test_the_doctor_tells_what_the_application_s_role_may_do_to_the_audit_log() -> None:
    with registry() as place:
        place.manage("migrate", "--verbosity", "0", url=place.owner)
        right = f"ok    audit-log-role: {place.name} may insert and read lines, and nothing else"
        assert right in place.manage("shell", "-c", _LOOK)
        # What the default privileges give to the application wherever the table is made without the migration.
        place.manage("shell", "-c", _RUN.format(f"GRANT ALL ON audit_entry TO {place.name}"), url=place.owner)
        said = place.manage("shell", "-c", _LOOK)
        assert f"FAIL  audit-log-role: {place.name} may UPDATE, DELETE, TRUNCATE, TRIGGER" in said
        remedy = said.partition("audit-log-role")[2].partition("as the owner: ")[2].splitlines()[0]
        place.manage("shell", "-c", _RUN.format(remedy), url=place.owner)
        assert right in place.manage("shell", "-c", _LOOK)
