"""Host keys for a person to compare: fetched, shown by their fingerprints, and stored only when they are confirmed."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

from django.core import signing

from clusters.errors import Unreachable
from clusters.models import Cluster
from clusters.ssh.connection import shown_key

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
_SALT = "clusters.admin.host_keys"
_VALID_FOR = 900  # seconds that a person may take to compare


def fingerprint(key: str) -> str:
    """Return the fingerprint of `TYPE BASE64` as `ssh-keygen -l` prints it; a key that is none says so."""
    try:
        raw = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        return "not a key"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def fetch_keys(cluster: Cluster) -> list[str]:
    """Return the keys that the login node shows now, one of each type that it has. Raises Unreachable."""
    keys, failure = list[str](), Unreachable("the login node shows no key of a type that is known here")
    for key_type in TYPES:
        try:
            keys.append(shown_key(cluster.address, cluster.port, key_type, cluster.connect_timeout))
        except Unreachable as exc:
            failure = exc
            if not isinstance(exc.__cause__, OSError):
                continue  # it has no key of this type, perhaps one of another
            break
    if not keys:
        raise failure
    return keys


def seal(cluster: Cluster, keys: Sequence[str]) -> str:
    """Return `keys`, signed, for a form's hidden field: what comes back is what was shown of this login node."""
    return signing.dumps([_login_node(cluster), list(keys)], salt=_SALT)


def unseal(cluster: Cluster, sealed: str) -> list[str]:
    """Return the keys that were sealed. Raises signing.BadSignature, also where they are old or another node's."""
    login_node, keys = signing.loads(sealed, salt=_SALT, max_age=_VALID_FOR)
    if login_node != _login_node(cluster):
        raise signing.BadSignature("these keys were shown by another login node")
    return [str(key) for key in keys]


def _login_node(cluster: Cluster) -> list[object]:
    return [cluster.pk, cluster.address, cluster.port]
