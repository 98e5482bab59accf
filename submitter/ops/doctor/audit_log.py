"""Whether the audit log can only grow: the triggers and rules on its table, and what the service's own role may do."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from submitter.ops.doctor.finding import Finding, judged

_TABLE = "audit_entry"
# Bits of pg_trigger.tgtype (pg_trigger.h): FOR EACH ROW, BEFORE, and the statements.
_ROW, _BEFORE, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 8, 16, 32
_GUARDS = {
    "audit_lines_stay": (_ROW | _BEFORE | _DELETE | _UPDATE, "BEFORE UPDATE OR DELETE", "ROW"),
    "audit_log_stays": (_BEFORE | _TRUNCATE, "BEFORE TRUNCATE", "STATEMENT"),
}
# Those that are on, for every row or statement, and whose function does nothing but refuse.
_TRIGGERS = r"""
    SELECT t.tgname, t.tgtype, t.tgenabled IN ('O', 'A'), t.tgqual IS NULL AND p.proname = 'audit_refuse'
        AND p.prosrc ~ '^\s*BEGIN\s+RAISE EXCEPTION [^;]*;\s+END\s*;?\s*$'
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = to_regclass(%s) AND NOT t.tgisinternal
"""
_RULES = "SELECT quote_ident(rulename) FROM pg_rules WHERE tablename = %s AND schemaname = current_schema()"
_ROLE = """
    SELECT quote_ident(r.rolname), quote_ident(o.rolname), r.rolsuper, pg_has_role(r.oid, c.relowner, 'MEMBER'),
        ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT']) p WHERE NOT has_table_privilege(r.oid, c.oid, p)),
        ARRAY(SELECT p FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p
            WHERE has_table_privilege(r.oid, c.oid, p)
            OR p = 'UPDATE' AND has_any_column_privilege(r.oid, c.oid, 'UPDATE'))
    FROM pg_roles r, pg_class c JOIN pg_roles o ON o.oid = c.relowner
    WHERE r.rolname = %s AND c.oid = to_regclass(%s)
"""


def look(role: str = "") -> Iterator[Finding]:
    """Look at the table, and at what `role` may do to it: the role as which the service is connected."""
    yield _guards()
    yield _privileges(role or _current())


def _guards() -> Finding:
    """Return whether the triggers that refuse every change are on, and no rule turns statements into others."""
    triggers = {name: (kind, on, refuses) for name, kind, on, refuses in _rows(_TRIGGERS, [_TABLE])}
    on, remedies = 0, []
    for name, (kind, events, each) in _GUARDS.items():
        actual, is_on, refuses = triggers.get(name, (0, False, False))
        if (actual, refuses) != (kind, True):
            remedies.append(
                f"DROP TRIGGER IF EXISTS {name} ON {_TABLE}; CREATE TRIGGER {name} {events} ON {_TABLE}"
                f" FOR EACH {each} EXECUTE FUNCTION audit_refuse() (it is in audit/migrations/0001_initial.py)"
            )
        elif not is_on:
            remedies.append(f"ALTER TABLE {_TABLE} ENABLE TRIGGER {name}")
        else:
            on += 1
    rules = [rule for (rule,) in _rows(_RULES, [_TABLE])]
    remedies += [f"DROP RULE {rule} ON {_TABLE}" for rule in rules]
    message = f"{on} of {len(_GUARDS)} triggers keep its lines from change"
    message += f"; a rule rewrites statements: {', '.join(rules)}" if rules else ""
    return judged(
        "audit-log", message, f"as the owner: {'; '.join(remedies)}; then find out who did it", ok=not remedies
    )


def _privileges(role: str) -> Finding:
    """Return whether the role can add lines and read them, and do nothing else to them."""
    rows = _rows(_ROLE, [role, _TABLE])
    if not rows:
        return judged("audit-log-role", "there is no table audit_entry", "run `manage.py migrate`", ok=False)
    [(name, owner, is_super, is_owner, missing, beyond)] = rows
    roles = "connect as another role, as deploy/postgresql/roles.sql makes them"
    if is_super:
        message, remedy = f"{name} is a superuser, whom no privilege and no trigger binds", roles
    elif is_owner:
        message = f"{name} is the table's owner ({owner}), or a member of it, and can switch the triggers off"
        remedy = f"{roles}; the owner only migrates"
    else:
        message, remedy = _described(name, missing, beyond)
    return judged("audit-log-role", message, remedy, ok=not (is_super or is_owner or missing or beyond))


def _described(name: str, missing: list[str], beyond: list[str]) -> tuple[str, str]:
    """Return what the role may do, in words, and what gives it the privileges that it should have."""
    statements = []
    if beyond:
        statements.append(f"REVOKE {', '.join(beyond)} ON {_TABLE} FROM {name}, PUBLIC")
    if missing:
        statements.append(f"GRANT {', '.join(missing)} ON {_TABLE} TO {name}")
    faults = [f"may {', '.join(beyond)}"] if beyond else []
    faults += [f"may not {', '.join(missing)}"] if missing else []
    message = f"{name} {' and '.join(faults)}" if faults else f"{name} may insert and read lines, and nothing else"
    return message, f"as the owner: {'; '.join(statements)}"


def _current() -> str:
    [(role,)] = _rows("SELECT current_user", [])
    return str(role)


def _rows(sql: str, parameters: list[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
