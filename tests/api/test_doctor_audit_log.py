"""`manage.py doctor` about the audit log: whatever lets it be changed is found, and comes with what to run."""

from pathlib import Path

import pytest
from django.db import connection

from submitter.ops.doctor import audit_log, host_checks
from submitter.ops.doctor.finding import Level
from tests.api.findings import one, static

pytestmark = pytest.mark.usefixtures("zeus")

__all__ = ["static"]


def test_an_audit_log_that_can_be_changed_is_found(static: Path) -> None:
    assert static
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        assert one(host_checks.look(), "audit-log").level is Level.OK
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_lines_stay")
    assert one(host_checks.look(), "audit-log").level is Level.FAIL


_REPLACED = "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"


_NO_LINES = "DROP TRIGGER audit_lines_stay ON audit_entry"


_LINES = "CREATE TRIGGER audit_lines_stay"


_EACH = "ON audit_entry FOR EACH ROW"


_OTHER = "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"


@pytest.mark.parametrize(
    ("done", "remedy"),
    [
        ("ALTER TABLE audit_entry DISABLE TRIGGER audit_log_stays", "ENABLE TRIGGER audit_log_stays"),
        ("ALTER TABLE audit_entry ENABLE REPLICA TRIGGER audit_lines_stay", "ENABLE TRIGGER audit_lines_stay"),
        ("DROP TRIGGER audit_lines_stay ON audit_entry", "CREATE TRIGGER audit_lines_stay BEFORE UPDATE OR DELETE"),
        (f"{_NO_LINES}; {_LINES} BEFORE DELETE {_EACH} EXECUTE FUNCTION audit_refuse()", "BEFORE UPDATE OR DELETE"),
        (
            f"{_NO_LINES}; {_LINES} BEFORE UPDATE OR DELETE {_EACH} WHEN (false) EXECUTE FUNCTION audit_refuse()",
            "CREATE TRIGGER audit_lines_stay",
        ),
        (
            f"{_OTHER}; {_NO_LINES}; {_LINES} BEFORE UPDATE OR DELETE {_EACH} EXECUTE FUNCTION other()",
            "CREATE TRIGGER audit_lines_stay",
        ),
        (_REPLACED, "0001_initial.py"),
        ("CREATE RULE silent AS ON INSERT TO audit_entry DO INSTEAD NOTHING", "DROP RULE silent ON audit_entry"),
    ],
)
def test_whatever_lets_the_audit_log_be_changed_is_found_with_what_to_run(done: str, remedy: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        assert one(audit_log.look(), "audit-log").level is Level.OK
        cursor.execute(done)
    found = one(audit_log.look(), "audit-log")
    assert found.level is Level.FAIL
    assert remedy in found.remedy


ROLE = "pg_signal_backend"  # PostgreSQL's own, which owns nothing: a test's role may make none


@pytest.mark.parametrize(
    ("grant", "words", "remedy"),
    [
        ("INSERT, SELECT", "may insert and read lines, and nothing else", None),
        ("INSERT", "may not SELECT", f"GRANT SELECT ON audit_entry TO {ROLE}"),
        ("INSERT, SELECT, UPDATE", "may UPDATE", f"REVOKE UPDATE ON audit_entry FROM {ROLE}, PUBLIC"),
        ("INSERT, SELECT, UPDATE (outcome)", "may UPDATE", "REVOKE UPDATE"),
        ("ALL", "may UPDATE, DELETE, TRUNCATE, TRIGGER", "REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER"),
    ],
)
def test_what_the_services_role_may_do_to_the_audit_log_is_told(grant: str, words: str, remedy: str | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT {grant} ON audit_entry TO {ROLE}")
        found = one(audit_log.look(ROLE), "audit-log-role")
        assert words in found.message
        if remedy is None:
            assert found.level is Level.OK
            return
        assert found.level is Level.FAIL
        assert remedy in found.remedy
        cursor.execute(found.remedy.removeprefix("as the owner: "))
    assert one(audit_log.look(ROLE), "audit-log-role").level is Level.OK


def test_what_everybody_may_do_the_services_role_may_do_as_well() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT SELECT, INSERT ON audit_entry TO {ROLE}; GRANT DELETE ON audit_entry TO PUBLIC")
        found = one(audit_log.look(ROLE), "audit-log-role")
        assert (found.level, "may DELETE" in found.message) == (Level.FAIL, True)
        cursor.execute(found.remedy.removeprefix("as the owner: "))
    assert one(audit_log.look(ROLE), "audit-log-role").level is Level.OK


def test_an_owner_and_a_superuser_are_found() -> None:
    found = one(audit_log.look(), "audit-log-role")
    assert (found.level, "is the table's owner" in found.message) == (Level.FAIL, True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper")
        [superuser, *_] = cursor.fetchone()
    found = one(audit_log.look(superuser), "audit-log-role")
    assert (found.level, "is a superuser" in found.message) == (Level.FAIL, True)
