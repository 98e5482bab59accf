"""`manage.py doctor`: each fault is caused, found, and comes with what to do."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from clusters import gateway
from clusters.errors import ClusterError, Failed, Refused, TimedOut, Unreachable
from clusters.models import Cluster
from clusters.slurm import Listing
from submitter import heartbeat
from submitter.doctor import clustertrial, frontdoor, machine
from submitter.doctor.finding import Finding, Level
from tests.api.conftest import Cast

pytestmark = pytest.mark.usefixtures("zeus")


def one(findings: Iterator[Finding], name: str) -> Finding:
    """Return the finding called `name`; one that is not OK says what to do."""
    [found] = [finding for finding in findings if finding.name == name]
    assert found.level is Level.OK or found.remedy in str(found)
    return found


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
        ("METRICS_ALLOWED", ["nowhere"], "settings (submitter.E002)"),
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
    found = [finding.level for finding in machine.look() if finding.name == name]
    assert found in ([], [Level.OK])
    setattr(settings, setting, value)
    assert one(machine.look(), name).level is Level.FAIL


def test_running_as_root_is_found(static: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert static
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not [finding for finding in machine.look() if "W001" in finding.name]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert one(machine.look(), "settings (submitter.W001)").level is Level.FAIL


def test_a_pattern_needs_no_gridmap(static: Path, settings: Any) -> None:
    assert static
    settings.GRIDMAP = "/nonexistent"
    settings.PROXY_DN_PATTERN = r"/CN=(?P<account>plg\w+)"
    assert one(machine.look(), "grid-mapfile").level is Level.OK


def test_a_missing_migration_is_found(static: Path) -> None:
    assert static
    assert one(machine.look(), "migrations").level is Level.OK
    MigrationRecorder(connection).record_unapplied("submitter", "0002_audit_log")
    found = one(machine.look(), "migrations")
    assert (found.level, found.words) == (Level.FAIL, "submitter.0002_audit_log")


def test_an_audit_log_that_can_be_changed_is_found(static: Path) -> None:
    assert static
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        assert one(machine.look(), "audit-log").level is Level.OK
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_lines_stay")
    assert one(machine.look(), "audit-log").level is Level.FAIL


def test_without_a_database_its_line_says_so_and_the_rest_is_looked_at(
    static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert static

    def away() -> None:
        raise DatabaseError("no connection")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", away)
        found = list(machine.look())
    assert one(iter(found), "database").level is Level.FAIL
    assert one(iter(found), "trust-directory").level is Level.OK
    assert "migrations" not in {finding.name for finding in found}


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
        assert [finding.level for finding in frontdoor.look(url, insecure=False)] == [Level.OK] * 3


def test_a_front_server_that_refuses_large_headers_is_found() -> None:
    with front(service(most=8190)) as url:
        found = one(frontdoor.look(url, insecure=False), "header-size")
    assert found.level is Level.FAIL
    assert "large_client_header_buffers" in found.remedy
    assert "400" in found.words


def test_a_front_server_that_drops_the_header_and_passes_its_alias_is_noted() -> None:
    with front(service("Proxy")) as url:
        found = list(frontdoor.look(url, insecure=False))
    assert one(iter(found), "proxy-header").level is Level.NOTE
    assert one(iter(found), "header-size").level is Level.OK


def test_a_front_server_that_drops_both_is_found() -> None:
    with front(service("Proxy", "X-Proxy-Certificate")) as url:
        assert one(frontdoor.look(url, insecure=False), "proxy-header").level is Level.FAIL


@pytest.mark.parametrize("status", [200, 301, 404, 502])
def test_an_address_that_leads_elsewhere_is_found(status: int) -> None:
    with front(lambda _: (status, "")) as url:
        assert one(frontdoor.look(url, insecure=False), "front-server").level is Level.FAIL


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nonsense"])
def test_an_address_that_does_not_answer_is_found(url: str) -> None:
    assert one(frontdoor.look(url, insecure=False), "front-server").level is Level.FAIL


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
    monkeypatch.setattr(gateway, "greet", lambda *_: "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    monkeypatch.setattr(gateway, "look", _look)
    assert [finding.level for finding in clustertrial.look()] == [Level.OK] * 2


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
    found = one(clustertrial.look(), "cluster zeus.cyfronet.pl")
    assert found.level is Level.FAIL
    assert told in found.remedy
    assert str(error) in found.words


def test_accounting_that_does_not_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Failed("sacct: no connection")

    monkeypatch.setattr(gateway, "ping", lambda *_: ("slurm 22.05", "UP"))
    monkeypatch.setattr(gateway, "slurm_name", lambda *_: "zeus")
    monkeypatch.setattr(gateway, "greet", lambda *_: "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    monkeypatch.setattr(gateway, "look", _look)
    monkeypatch.setattr(_Look, "history", fail)
    assert [finding.level for finding in clustertrial.look()] == [Level.OK, Level.FAIL]


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
    monkeypatch.setattr(gateway, "greet", lambda *_: server)
    found = list(clustertrial.look())
    assert [finding.level for finding in found] == levels
    assert ["PerSourcePenaltyExemptList" in finding.remedy for finding in found[1:]] == [True] * len(found[1:])


def test_a_disabled_cluster_is_noted_and_none_at_all_is_found(zeus: Cluster) -> None:
    Cluster.objects.filter(pk=zeus.pk).update(enabled=False, disabled_message="until 6 pm")
    assert one(clustertrial.look(), "cluster zeus.cyfronet.pl").level is Level.NOTE
    zeus.delete()
    assert one(clustertrial.look(), "clusters").level is Level.FAIL


def test_the_exit_code_says_whether_something_is_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, note = Finding(Level.OK, "a", "b"), Finding(Level.NOTE, "c", "d", "e")
    monkeypatch.setattr(clustertrial, "look", lambda: iter([fine]))
    monkeypatch.setattr(machine, "look", lambda: iter([fine, note]))
    out = io.StringIO()
    call_command("doctor", stdout=out)
    assert out.getvalue().splitlines()[:3] == ["ok    a: b", "note  c: d", "      -> e"]
    monkeypatch.setattr(machine, "look", lambda: iter([Finding(Level.FAIL, "a", "b", "c")]))
    with pytest.raises(CommandError, match="1 to mend"):
        call_command("doctor", stdout=out)
