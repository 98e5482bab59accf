"""`manage.py doctor`: each fault is caused, found, and comes with what to do."""

import io
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from clusters.models import Cluster
from submitter.ops import readiness
from submitter.ops.doctor import audit_log, cluster_checks, host_checks, http_checks
from submitter.ops.doctor.finding import Finding, Level
from tests.api.findings import one, static

__all__ = ["static"]

pytestmark = pytest.mark.usefixtures("zeus")


@pytest.fixture(autouse=True)
def nothing_accepted(settings: Any) -> None:
    """Have everything found, whatever the sandbox declares."""
    settings.DOCTOR_ACCEPTS = []


@pytest.mark.parametrize(
    ("setting", "value", "name"),
    [
        ("SESSION_COOKIE_SECURE", False, "settings (security.W012)"),
        ("METRICS_ALLOWED_IPS", ["nowhere"], "settings (submitter.E002)"),
        ("PROXY_CRL", "maybe", "settings (proxyauth.E001)"),
        ("SSH_CA_KEY", "/nonexistent", "ssh-ca-key"),
        ("TRUST_DIR", "/nonexistent", "trust-directory"),
        ("TRUST_DIR", "/nonexistent", "trust-files"),
        ("GRIDMAP", "/nonexistent", "grid-mapfile"),
        ("STATIC_ROOT", "/nonexistent", "static-files"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/0", "broker"),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/0", "beat"),
    ],
)
def test_what_is_wrong_on_this_machine_is_found(
    static: Path, settings: Any, setting: str, value: Any, name: str
) -> None:
    assert static
    found = [finding.level for finding in host_checks.look() if finding.name == name]
    assert found in ([], [Level.OK])
    setattr(settings, setting, value)
    assert one(host_checks.look(), name).level is Level.FAIL


def test_running_as_root_is_found(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert static
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not [finding for finding in host_checks.look() if "W001" in finding.name]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert one(host_checks.look(), "settings (submitter.W001)").level is Level.FAIL


def test_a_pattern_needs_no_gridmap(static: Path, settings: Any) -> None:
    assert static
    settings.GRIDMAP = "/nonexistent"
    settings.PROXY_DN_PATTERN = r"/CN=(?P<account>plg\w+)"
    assert one(host_checks.look(), "grid-mapfile").level is Level.OK


def test_a_missing_migration_is_found(static: Path) -> None:
    assert static
    assert one(host_checks.look(), "migrations").level is Level.OK
    MigrationRecorder(connection).record_unapplied("submitter", "0002_audit_log")
    found = one(host_checks.look(), "migrations")
    assert (found.level, found.message) == (Level.FAIL, "submitter.0002_audit_log")


PARTS = [
    (host_checks, "_messages", "settings"),
    (readiness, "ssh_ca_key", "ssh-ca-key"),
    (readiness, "trust", "trust-directory"),
    (readiness, "broker", "broker"),
    (readiness, "beat", "beat"),
    (host_checks, "authenticator", "grid-mapfile"),
    (host_checks, "Path", "static-files"),
    (host_checks, "MigrationExecutor", "migrations"),
    (audit_log, "_guards", "audit-log"),
    (http_checks, "_ask", "front-server"),
    (cluster_checks, "ping", "cluster zeus.cyfronet.pl"),
    (Cluster.objects, "all", "clusters"),
]


@pytest.mark.parametrize(("where", "what", "name"), PARTS, ids=[name for *_, name in PARTS])
def test_a_part_that_fails_itself_is_a_finding_and_the_others_go_on(
    static: Path, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, name: str
) -> None:
    assert static

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("nobody has thought of this")

    monkeypatch.setattr(where, what, fail)
    out = io.StringIO()
    with pytest.raises(CommandError, match="to mend"):
        call_command("doctor", url="http://127.0.0.1:1", stdout=out)
    assert f"FAIL  {name}: RuntimeError: nobody has thought of this" in out.getvalue()
    told = {line[6:].partition(":")[0] for line in out.getvalue().splitlines() if line[:4].strip()}
    everything = {"database", "ssh-ca-key", "trust-directory", "broker", "beat", "grid-mapfile", "static-files"}
    everything |= {"migrations", "audit-log", "front-server"}
    assert told >= everything
    assert [line for line in told if line.startswith("settings")]
    assert [line for line in told if line.startswith("cluster")]


def test_without_a_database_its_line_says_so_and_the_rest_is_looked_at(
    static: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert static

    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")  # nobody listens there
    found = list(host_checks.look())
    assert one(iter(found), "database").level is Level.FAIL
    assert one(iter(found), "trust-directory").level is Level.OK
    for name in ("migrations", "audit-log", "audit-log-role"):
        assert one(iter(found), name).message == "not looked at: the database cannot be reached"
    assert not [record for record in caplog.records if record.name.startswith("psycopg")]


def test_without_a_database_no_cluster_is_looked_for(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert static
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    out = io.StringIO()
    with pytest.raises(CommandError, match="to mend"):
        call_command("doctor", stdout=out)
    assert "note  clusters: not looked at: the database cannot be reached" in out.getvalue()


def test_a_missing_gridmap_is_not_told_as_a_number(static: Path, settings: Any) -> None:
    assert static
    settings.GRIDMAP = "/nonexistent/grid-mapfile"
    found = one(host_checks.look(), "grid-mapfile")
    assert found.level is Level.FAIL
    assert found.message.startswith("/nonexistent/grid-mapfile gives nobody an account; ")
    assert "No such file" in found.message


def test_one_is_not_told_in_the_plural(static: Path, settings: Any, tmp_path: Path) -> None:
    assert static
    gridmap = tmp_path / "grid-mapfile"
    gridmap.write_text('"/CN=Alice" plgalice\n')
    settings.GRIDMAP = str(gridmap)
    found = list(host_checks.look())
    assert one(iter(found), "grid-mapfile").message == "1 name is mapped"
    assert one(iter(found), "trust-directory").message == "1 CA is trusted"


def test_an_accepted_name_that_no_finding_has_is_noted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(cluster_checks, "look", lambda: iter(()))
    monkeypatch.setattr(host_checks, "look", lambda: iter([Finding(Level.NOTE, "cluster a", "b", "c")]))
    settings.DOCTOR_ACCEPTS = ["nosuch", "audit-log-role", "security.W004", "cluster a"]
    out = io.StringIO()
    call_command("doctor", stdout=out)
    assert [line for line in out.getvalue().splitlines() if "DOCTOR_ACCEPTS" in line] == [
        "note  DOCTOR_ACCEPTS: there is no finding “nosuch”"
    ]


@pytest.mark.parametrize(
    ("accepted", "ends"),
    [
        ([], "2 to mend"),
        (["submitter.W001"], "1 to mend"),
        (["submitter", "W001", "audit-log", "settings"], "2 to mend"),
        (["submitter.W001", "audit-log-role"], None),
    ],
)
def test_what_the_installation_declares_is_told_and_does_not_count(
    monkeypatch: pytest.MonkeyPatch, settings: Any, accepted: list[str], ends: str | None
) -> None:
    found = [
        Finding(Level.FAIL, "settings (submitter.W001)", "root", "do not"),
        Finding(Level.FAIL, "audit-log-role", "owner", "another"),
        Finding(Level.OK, "audit-log", "fine"),
    ]
    monkeypatch.setattr(cluster_checks, "look", lambda: iter(()))
    monkeypatch.setattr(host_checks, "look", lambda: iter(found))
    settings.DOCTOR_ACCEPTS = accepted
    out = io.StringIO()
    if ends:
        with pytest.raises(CommandError, match=ends):
            call_command("doctor", stdout=out)
    else:
        call_command("doctor", stdout=out)
        assert out.getvalue().splitlines()[-1] == "All is well, but for 2 that DOCTOR_ACCEPTS names."
    for finding in found[:2]:
        assert f"{finding.name}: {finding.message}" in out.getvalue()


def test_nothing_is_accepted_where_nobody_has_declared_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCTOR_ACCEPTS", raising=False)
    assert runpy.run_path(str(Path(host_checks.__file__).parents[2] / "settings.py"))["DOCTOR_ACCEPTS"] == []


def test_the_exit_code_says_whether_something_is_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, note = Finding(Level.OK, "a", "b"), Finding(Level.NOTE, "c", "d", "e")
    monkeypatch.setattr(cluster_checks, "look", lambda: iter([fine]))
    monkeypatch.setattr(host_checks, "look", lambda: iter([fine, note]))
    out = io.StringIO()
    call_command("doctor", stdout=out)
    assert out.getvalue().splitlines()[:3] == ["ok    a: b", "note  c: d", "      -> e"]
    monkeypatch.setattr(host_checks, "look", lambda: iter([Finding(Level.FAIL, "a", "b", "c")]))
    with pytest.raises(CommandError, match="1 to mend"):
        call_command("doctor", stdout=out)
