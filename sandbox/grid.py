"""The grid's side: a Globus SimpleCA, its trust directory, and the test users' certificates and proxies."""

import ssl
import time
from pathlib import Path

from sandbox.accounts import AUTHORITY, OWNERS, UNMAPPED
from sandbox.commands import run, succeeds
from sandbox.layout import Layout, own, write
from sandbox.passwords import password

ORGANISATION = "/C=PL/O=PL-Grid"
USERS = (*OWNERS, UNMAPPED)
HOUR, DAY = 3600, 86400
REVOCATION_DAYS = 365


def authority(layout: Layout) -> Path:
    """Return the SimpleCA's directory, made at the first call. It has an account of its own."""
    home = own(layout.grid / "simpleca", AUTHORITY, 0o755)
    directory = home / "ca"
    if not (directory / "cacert.pem").exists():
        subject = ["-subject", "CN=Sandbox CA,O=PL-Grid,C=PL", "-days", "3650"]
        words: list[str | Path] = [
            "grid-ca-create",
            "-noint",
            "-dir",
            directory,
            *subject,
            "-pass",
            password(layout, "simpleca"),
        ]
        run(words, user=AUTHORITY, env={"HOME": str(home)}, cwd=home)
    # Several certificates for one name may be valid, as after a renewal; else grid-ca-sign refuses the second one.
    write(directory / "index.txt.attr", "unique_subject = no\n", account=AUTHORITY)
    return directory


def trust_directory(layout: Layout) -> Path:
    """Return the hashed trust directory: CA certificate, signing policy and a current CRL, under both hash names."""
    ca, trust = authority(layout), own(layout.grid / "trust", "root", 0o755)
    certificate = ca / "cacert.pem"
    names = run(["openssl", "x509", "-noout", "-hash", "-subject_hash_old", "-in", certificate]).split()
    for name in names:
        write(trust / f"{name}.0", certificate.read_text())
        write(trust / f"{name}.signing_policy", (ca / "signing-policy").read_text())
    if not all(_revocations_last(trust / f"{name}.r0") for name in names):
        fresh = _revocations(layout, ca)
        for name in names:
            write(trust / f"{name}.r0", fresh)
    return trust


def map_file(layout: Layout) -> Path:
    """Write the grid-mapfile, which maps every test user but one, and return it."""
    lines = [f'"{ORGANISATION}/CN={user}" {user}\n' for user in OWNERS]
    return write(layout.grid / "grid-mapfile", "".join(lines))


def certify(layout: Layout) -> None:
    """See to it that each test user has a certificate for two days more, and its key, in the grid's users directory."""
    ca = authority(layout)
    for user in USERS:
        home = own(layout.grid / "users" / user, "root", 0o700)
        if not _lasts(home / "usercert.pem", 2 * DAY):
            _sign(layout, ca, home, user)


def delegate(layout: Layout) -> bool:
    """Give each test user a 12-hour RFC 3820 proxy unless the present one has 6 hours left; True if one was due."""
    own(layout.proxies, "root", 0o700)
    due = [user for user in USERS if not _lasts(proxy(layout, user), 6 * HOUR)]
    for user in due:
        home = layout.grid / "users" / user
        credential: list[str | Path] = ["-cert", home / "usercert.pem", "-key", home / "userkey.pem"]
        kind = ["-rfc", "-bits", "2048", "-valid", "12:00"]
        trust = {"X509_CERT_DIR": str(layout.grid / "trust")}
        run(["grid-proxy-init", "-q", *kind, *credential, "-out", proxy(layout, user)], env=trust)
    return bool(due)


def proxy(layout: Layout, user: str) -> Path:
    """Return the path of a test user's proxy."""
    return layout.proxies / f"{user}.pem"


def _sign(layout: Layout, ca: Path, home: Path, user: str) -> None:
    """Make a key and let the SimpleCA sign a certificate for it, as a user and a CA's operator do."""
    key, request, certificate = home / "userkey.pem", home / "request.pem", home / "usercert.pem"
    subject = ["-subj", f"{ORGANISATION}/CN={user}"]
    run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", *subject, "-keyout", key, "-out", request])
    key.chmod(0o600)
    # The CA's account cannot look into the user's directory, nor write there: the request and the answer travel.
    desk = ca.parent
    inbox, outbox = desk / f"{user}-request.pem", desk / f"{user}-certificate.pem"
    write(inbox, request.read_text(), account=AUTHORITY)
    secret = ["-passin", f"pass:{password(layout, 'simpleca')}"]
    words: list[str | Path] = ["grid-ca-sign", "-dir", ca, "-in", inbox, "-out", outbox, *secret]
    run(words, user=AUTHORITY, env={"HOME": str(desk)}, cwd=desk)
    write(certificate, outbox.read_text())
    for paper in (request, inbox, outbox):
        paper.unlink()


def _revocations(layout: Layout, ca: Path) -> str:
    """Return a new certificate revocation list, signed by the SimpleCA."""
    words: list[str | Path] = [
        "openssl",
        "ca",
        "-gencrl",
        "-config",
        ca / "grid-ca-ssl.conf",
        "-crldays",
        str(REVOCATION_DAYS),
    ]
    secret = ["-passin", f"pass:{password(layout, 'simpleca')}"]
    return run([*words, *secret], user=AUTHORITY, env={"HOME": str(ca.parent)}, cwd=ca.parent)


def _revocations_last(path: Path) -> bool:
    """Say whether the CRL is there and not due for a month."""
    if not path.exists():
        return False
    said = run(["openssl", "crl", "-noout", "-nextupdate", "-in", path])
    return ssl.cert_time_to_seconds(said.partition("=")[2].strip()) > time.time() + 30 * DAY


def _lasts(certificate: Path, seconds: int) -> bool:
    """Say whether the first certificate in the file is valid for `seconds` more; a missing file is not."""
    return certificate.exists() and succeeds(
        ["openssl", "x509", "-noout", "-checkend", str(seconds), "-in", certificate]
    )
