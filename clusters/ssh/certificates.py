"""The service's SSH certificate authority: each connection's own key, certified for one account and five minutes."""

import datetime as dt
import stat
from functools import lru_cache
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_private_key,
)

LIFETIME = dt.timedelta(minutes=5)
# A login node whose clock is behind ours must not find the certificate not yet valid; the sum stays within LIFETIME.
BACKDATED = dt.timedelta(minutes=1)

CAKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class AuthorityError(Exception):
    """The SSH CA key cannot be used; the message says why and names the file."""


@lru_cache(maxsize=4)
def load_key(path: str) -> CAKey:
    """Return what `read_key` does, remembered for as long as this process lives."""
    return read_key(path)


def read_key(path: str) -> CAKey:
    """Return the CA's private key from the OpenSSH file at `path`.

    Raises AuthorityError where the file is missing, readable by others than its owner, or no unencrypted key.
    """
    try:
        mode = Path(path).stat().st_mode
        data = Path(path).read_bytes()
    except OSError as exc:
        raise AuthorityError(f"the SSH CA key cannot be read: {exc}") from exc
    if stat.S_IMODE(mode) & 0o077:
        raise AuthorityError(f"the SSH CA key {path} is open to others: its mode has to be 0600")
    try:
        key = load_ssh_private_key(data, password=None)
    except ValueError as exc:
        raise AuthorityError(f"the SSH CA key {path} is no unencrypted OpenSSH private key") from exc
    if not isinstance(key, CAKey):
        raise AuthorityError(f"the SSH CA key {path} has a type that cannot sign")
    return key


def issue(account: str, key_id: str, ca_path: str) -> paramiko.PKey:
    """Return a new private key with a user certificate for the one principal `account`, logged by sshd as `key_id`.

    The key exists in memory only. Format: OpenSSH PROTOCOL.certkeys. Raises AuthorityError.
    """
    ca = load_key(ca_path)
    private = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        SSHCertificateBuilder()
        .public_key(private.public_key())
        .type(SSHCertificateType.USER)
        .key_id(key_id.encode()[:255])
        .valid_principals([account.encode()])
        .valid_after(int((now - BACKDATED).timestamp()))
        .valid_before(int((now - BACKDATED + LIFETIME).timestamp()))
        .sign(ca)
    )
    key = paramiko.ECDSAKey(vals=(private, private.public_key()))
    key.load_certificate(certificate.public_bytes().decode())
    return key
