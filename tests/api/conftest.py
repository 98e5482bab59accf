"""The cast of every API test, real proxies for each, and the one fake: the gateway to the clusters."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client, TransactionTestCase, override_settings
from django.utils import timezone

from audit import ledger
from audit.storage import store
from clusters.models import Cluster
from jobs import locks
from jobs.shares import Shares
from jobs.sync import notifications
from submitter.http import account_shares
from tests.api.gateway import FakeGateway, install
from tests.pki import grid
from tests.pki.mint import Form, crl

DNS = {user: f"/C=PL/O=Grid/OU=Users/CN={user}" for user in ("plgalice", "plgbob", "plgcarol")}


class Caller:
    """Somebody with a proxy, or with none, who calls the API."""

    def __init__(self, proxy: bytes | None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {} if proxy is None else {"PROXY": base64.b64encode(proxy).decode()}
        self._streams: list[Any] = []

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send `body` as JSON and return the response."""
        send = getattr(self._client, method.lower())
        content = {} if method in {"GET", "HEAD"} else {"content_type": options.pop("content_type", "application/json")}
        data = {} if body is None else {"data": body}
        answer = send(path, headers=self._headers, **content, **data, **options)
        if answer.streaming:
            self._streams.append(answer)
        return answer

    def leave(self) -> None:
        """Close what has not been read to its end, as the end of a connection does."""
        for answer in self._streams:
            answer.close()


@dataclass
class Cast:
    """Owner, stranger, unmapped, anonymous."""

    alice: Caller
    bob: Caller
    carol: Caller
    nobody: Caller


@pytest.fixture(scope="session")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Mint a grid: the folder with its trust directory and grid-mapfile, and a proxy for each user."""
    folder = tmp_path_factory.mktemp("grid")
    now = timezone.now()
    today = Form(start=now - timedelta(hours=1), end=now + timedelta(days=1))
    authority = grid.ca(form=today)
    grid.write_trust(folder / "trust", authority)
    (folder / "trust" / "0123abcd.r0").write_bytes(crl(authority, start=today.start, end=today.end))
    users = {user: grid.user(authority, dn, form=today) for user, dn in DNS.items()}
    mapped = [f'"{DNS[user]}" {user}\n' for user in ("plgalice", "plgbob")]
    (folder / "grid-mapfile").write_text("".join(mapped))
    return folder, {user: grid.proxy_file(grid.rfc(minted, form=today), minted) for user, minted in users.items()}


@pytest.fixture(scope="session", autouse=True)
def no_listener_outlives_the_database(django_db_setup: None) -> Iterator[None]:  # noqa: ARG001 - asked for its order
    """End the sessions that wait for moves, and hold locks, before the test database is dropped."""
    yield
    notifications.changes.close()
    locks.close()


@pytest.fixture(scope="session", autouse=True)
def rows_are_deleted_after_a_test_that_commits(
    django_db_setup: None,  # noqa: ARG001 - asked for its order
    django_db_blocker: Any,
) -> Iterator[None]:
    """Django would TRUNCATE every table and make permissions anew, which takes longer than most tests.

    The audit log refuses TRUNCATE as well, until its trigger is disabled here.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_log_stays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _delete_rows())
        yield


def _delete_rows() -> None:
    """Delete what tests store, in one transaction: only at its end references have to lead somewhere.

    What migrations have stored stays: types of contents, permissions and groups. The audit log deletes no row.
    """
    kept = {model._meta.db_table for model in (ContentType, Permission, Group, Group.permissions.through)}
    tables = set(connection.introspection.django_table_names(only_existing=True)) - {*kept, "audit_entry"}
    deleting = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in sorted(tables)]  # noqa: S608 - Django's
    with connection.cursor() as cursor:
        cursor.execute("; ".join(["TRUNCATE audit_entry", *deleting]))


@pytest.fixture(scope="session", autouse=True)
def passwords_are_quickly_checked() -> Iterator[None]:
    """A password takes long to check on purpose, and many tests log in."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def audit_lines_are_stored_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's transaction is seen by its own thread alone: `audit_lines_are_stored_by_a_thread` is for others."""
    if "audit_lines_are_stored_by_a_thread" not in request.fixturenames:
        monkeypatch.setattr(ledger, "later", lambda entry: store([entry]))


@pytest.fixture
def audit_lines_are_stored_by_a_thread() -> None:
    """Leave the ledger as it is; for tests that commit."""


@pytest.fixture(autouse=True)
def plain_http(settings: Any) -> None:
    """Django's test client speaks no TLS, and must not be sent there."""
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture(autouse=True)
def nobody_holds_anything_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a test leaves unread is never closed, and would count for its account in the next ones."""
    monkeypatch.setattr(account_shares, "REQUESTS", Shares("requests"))


@pytest.fixture
def ssh_ca(tmp_path: Path, settings: Any) -> Path:
    """The key of a CA for the login nodes."""
    key = tmp_path / "ssh_ca"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.chmod(0o600)
    settings.SSH_CA_KEY = str(key)
    return key


@pytest.fixture
def cast(proxies: tuple[Path, dict[str, bytes]], settings: Any) -> Iterator[Cast]:
    """Everybody, on a service that trusts the minted grid."""
    folder, files = proxies
    settings.TRUST_DIR, settings.GRIDMAP = str(folder / "trust"), str(folder / "grid-mapfile")
    callers = [Caller(files["plgalice"]), Caller(files["plgbob"]), Caller(files["plgcarol"]), Caller(None)]
    yield Cast(*callers)
    for caller in callers:
        caller.leave()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeGateway:
    """Put the fake at the gateway."""
    return install(monkeypatch)


@pytest.fixture
def zeus(db: None) -> Cluster:  # noqa: ARG001 - pytest's way to ask for the database
    """The registered cluster of the seed's first sample call."""
    return Cluster.objects.create(
        name="zeus.cyfronet.pl",
        aliases=["zeus"],
        address="127.0.0.1",
        host_keys=["ssh-ed25519 AAAA"],
        job_domain="batch.grid.cyf-kr.edu.pl",
        time_zone="Europe/Warsaw",
        poll_account="plgpoll",
    )
