"""The settings of who is let in, and as whom. `manage.py checkproxy` runs with these alone, the service with all.

So a proxy can be judged wherever the trust directory is: there is no secret, no database and no broker in it.
"""

from django.core.exceptions import ImproperlyConfigured

from submitter.environment import Environment
from submitter.logs import config

env = Environment()


def ranges(name: str, default: str) -> list[tuple[int, int]]:
    """Return the ranges of whole numbers that the variable `name` lists, such as 1000-59999,70000."""
    pairs = [part.strip().partition("-") for part in env.str(name, default=default).split(",")]
    try:
        return [(int(low), int(high if dash else low)) for low, dash, high in pairs]
    except ValueError:  # its text has the value
        raise ImproperlyConfigured(f"{name} has to be ranges of numbers such as 1000-59999,70000") from None


LOGGING = config.configure()
INSTALLED_APPS = ["proxyauth"]

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

TRUST_DIR = env.str("TRUST_DIR", default="/etc/grid-security/certificates")
GRIDMAP = env.str("GRIDMAP", default="/etc/grid-security/grid-mapfile")

PROXY_TYPES = env.list("PROXY_TYPES", default=["rfc", "draft", "legacy"])
PROXY_ALLOW_LIMITED = env.bool("PROXY_ALLOW_LIMITED", default=False)
PROXY_ALLOW_END_ENTITY = env.bool("PROXY_ALLOW_END_ENTITY", default=False)
PROXY_MAX_DELEGATIONS = env.int("PROXY_MAX_DELEGATIONS", default=8)
PROXY_MIN_RSA_BITS = env.int("PROXY_MIN_RSA_BITS", default=2048, least=1)
PROXY_WEAK_HASHES = env.list("PROXY_WEAK_HASHES", default=[])
PROXY_CRL = env.str("PROXY_CRL", default="if-present")
PROXY_SIGNING_POLICY = env.str("PROXY_SIGNING_POLICY", default="require")
PROXY_DN_PATTERN = env.str("PROXY_DN_PATTERN", default="")
PROXY_MEMORY_SECONDS = env.float("PROXY_MEMORY_SECONDS", default=60.0)

# Whom the service never becomes, whatever a mapping says: by uid (Debian's system accounts end at 999 and go on from
# 60000 to 65535), and by name.
ACCOUNT_UIDS = ranges("ACCOUNT_UIDS", default="1000-59999,65536-4294967293")
ACCOUNTS_NEVER_USED = env.list("ACCOUNTS_NEVER_USED", default=["root", "slurm", "munge", "nobody", "postgres", "mysql"])
