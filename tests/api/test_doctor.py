"""`manage.py doctor`: each fault is caused, found, and comes with what to do."""

import io
import json
import runpy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from clusters import gateway
from clusters.errors import ClusterError, Failed, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm.records import Listing
from submitter.ops import heartbeat, readiness
from submitter.ops.doctor import audit_log, cluster_checks, host_checks, http_checks
from submitter.ops.doctor.finding import Finding, Level
from tests.api.conftest import Cast

pytestmark = pytest.mark.usefixtures("zeus")


def one(findings: Iterator[Finding], name: str) -> Finding:
    """Return the finding called `name`; one that is not OK says what to do."""
    [found] = [finding for finding in findings if finding.name == name]
    assert found.level is Level.OK or found.remedy in str(found)
    return found


@pytest.fixture(autouse=True)
def nothing_accepted(settings: Any) -> None:
    """Have everything found, whatever the sandbox declares."""
    settings.DOCTOR_ACCEPTS = []


@pytest.fixture
def static(cast: Cast, settings: Any, tmp_path: Path) -> Path:
    """A minted grid, static files, and a fresh sign of life."""
    assert cast
    (tmp_path / "admin").mkdir()
    settings.STATIC_ROOT = str(tmp_path)
    settings.CELERY_BROKER_URL = settings.CELERY_BROKER_URL.rsplit("/", 1)[0] + "/12"  # nobody else's
    heartbeat.beat()
    return tmp_path


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


def test_an_audit_log_that_can_be_changed_is_found(static: Path) -> None:
    assert static
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        assert one(host_checks.look(), "audit-log").level is Level.OK
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_lines_stay")
    assert one(host_checks.look(), "audit-log").level is Level.FAIL


_REPLACED = "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
_NO_LINES, _LINES = "DROP TRIGGER audit_lines_stay ON audit_entry", "CREATE TRIGGER audit_lines_stay"
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
    found = one(audit_log.look("postgres"), "audit-log-role")
    assert (found.level, "is a superuser" in found.message) == (Level.FAIL, True)


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


Respond = Callable[[BaseHTTPRequestHandler], tuple[int, str]]


@contextmanager
def front(respond: Respond) -> Iterator[str]:
    """Serve what `respond` says: a front server with the service, or without."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, message = respond(self)
            body = json.dumps({"error_message": message}).encode() if message else b"<html>no</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def service(*dropped: str, most: int = 64 * 1024) -> Respond:
    """Answer as the service does behind a front server that drops some headers, and takes `most` bytes in one."""

    def respond(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        values = [request.headers[name] for name in ("Proxy", "X-Proxy-Certificate") if name in request.headers]
        if any(len(value) > most for value in values):
            return 400, ""
        kept = [name for name in ("Proxy", "X-Proxy-Certificate") if name in request.headers and name not in dropped]
        return 401, "header-not-base64: x" if kept else "header-missing: x"

    return respond


def test_a_front_server_that_passes_everything_on_is_fine() -> None:
    with front(service()) as url:
        assert [finding.level for finding in http_checks.look(url, insecure=False)] == [Level.OK] * 3


def test_a_front_server_that_refuses_large_headers_is_found() -> None:
    with front(service(most=8190)) as url:
        found = one(http_checks.look(url, insecure=False), "header-size")
    assert found.level is Level.FAIL
    assert "large_client_header_buffers" in found.remedy
    assert "400" in found.message


def test_a_front_server_that_drops_the_header_and_passes_its_alias_is_noted() -> None:
    with front(service("Proxy")) as url:
        found = list(http_checks.look(url, insecure=False))
    assert one(iter(found), "proxy-header").level is Level.NOTE
    assert one(iter(found), "header-size").level is Level.OK


def test_a_front_server_that_drops_both_is_found() -> None:
    with front(service("Proxy", "X-Proxy-Certificate")) as url:
        assert one(http_checks.look(url, insecure=False), "proxy-header").level is Level.FAIL


@pytest.mark.parametrize("status", [200, 301, 404, 502])
def test_an_address_that_leads_elsewhere_is_found(status: int) -> None:
    with front(lambda _: (status, "")) as url:
        assert one(http_checks.look(url, insecure=False), "front-server").level is Level.FAIL


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nonsense"])
def test_an_address_that_does_not_answer_is_found(url: str) -> None:
    assert one(http_checks.look(url, insecure=False), "front-server").level is Level.FAIL


class _Look:
    """A cluster that answers."""

    def queue(self) -> Listing:
        return Listing([])

    def history(self, *_: Any) -> tuple[Listing, dict[str, int]]:
        return Listing([]), {}


@contextmanager
def _look(*_: Any, **__: Any) -> Iterator[_Look]:
    yield _Look()


def test_a_cluster_that_answers_is_fine(zeus: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert zeus.poll_account
    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05", "UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    monkeypatch.setattr(gateway, "check_host_key", lambda *_: "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    monkeypatch.setattr(gateway, "poll_session", _look)
    assert [finding.level for finding in cluster_checks.look()] == [Level.OK] * 2


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unreachable("shows a host key that is not pinned"), "host keys"),
        (Refused("not let in"), "TrustedUserCAKeys"),
        (TimedOut("no end"), "command_timeout"),
        (Failed("sbatch: not found"), "slurm_bin"),
    ],
)
def test_a_cluster_that_does_not_answer_is_found_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: ClusterError, told: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(gateway, "ping", fail)
    found = one(cluster_checks.look(), "cluster zeus.cyfronet.pl")
    assert found.level is Level.FAIL
    assert told in found.remedy
    assert str(error) in found.message


def test_accounting_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Failed("sacct: no connection")

    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05", "UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    monkeypatch.setattr(gateway, "check_host_key", lambda *_: "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    monkeypatch.setattr(gateway, "poll_session", _look)
    monkeypatch.setattr(_Look, "history", fail)
    assert [finding.level for finding in cluster_checks.look()] == [Level.OK, Level.FAIL]


@pytest.mark.parametrize(
    ("server", "levels"),
    [
        ("SSH-2.0-OpenSSH_9.7p1", [Level.OK]),
        ("SSH-2.0-OpenSSH_9.8p1 Ubuntu-1", [Level.OK, Level.NOTE]),
        ("SSH-2.0-OpenSSH_10.0p2 Debian-7", [Level.OK, Level.NOTE]),
        ("SSH-2.0-dropbear_2024.86", [Level.OK]),
        (f"SSH-2.0-OpenSSH_{'9' * 200}", [Level.OK]),
    ],
)
def test_a_server_that_drops_addresses_after_failed_logins_is_noted(
    zeus: Cluster, monkeypatch: pytest.MonkeyPatch, server: str, levels: list[Level]
) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(poll_account="")
    monkeypatch.setattr(gateway, "check_host_key", lambda *_: server)
    found = list(cluster_checks.look())
    assert [finding.level for finding in found] == levels
    assert ["PerSourcePenaltyExemptList" in finding.remedy for finding in found[1:]] == [True] * len(found[1:])


def test_a_disabled_cluster_is_noted_and_none_at_all_is_found(zeus: Cluster) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(enabled=False, disabled_message="until 6 pm")
    assert one(cluster_checks.look(), "cluster zeus.cyfronet.pl").level is Level.NOTE
    zeus.delete()
    assert one(cluster_checks.look(), "clusters").level is Level.FAIL


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
