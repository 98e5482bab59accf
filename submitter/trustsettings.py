"""The settings of who is let in, and as whom. `manage.py checkproxy` runs with these alone, the service with all.

So a proxy can be judged wherever the trust directory is: there is no secret, no database and no broker in it.
"""

from django.core.exceptions import ImproperlyConfigured

from proxyauth.policy import Policy
from submitter.environment import Environment
from submitter.logs import config

env = Environment("Who may call, and as which account")
_POLICY = Policy()  # the defaults, as proxyauth has them


def ranges(name: str, default: str, meaning: str) -> list[tuple[int, int]]:
    """Return the ranges of whole numbers that the variable `name` lists, such as 1000-59999,70000."""
    text = env.text(name, default=default, form="ranges of numbers, separated by commas", meaning=meaning)
    pairs = [part.strip().partition("-") for part in text.split(",")]
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

TRUST_DIR = env.text(
    "TRUST_DIR",
    default="/etc/grid-security/certificates",
    form="path of a directory",
    meaning="The CA certificates that are trusted, with their revocation lists and signing policies.",
)
GRIDMAP = env.text(
    "GRIDMAP",
    default="/etc/grid-security/grid-mapfile",
    form="path",
    meaning="The grid-mapfile: which account each DN is mapped to.",
)

PROXY_TYPES = env.list(
    "PROXY_TYPES",
    default=[kind for kind in ("rfc", "draft", "legacy") if kind in _POLICY.kinds],
    form="list of `rfc`, `draft`, `legacy`",
    meaning="The types of proxy that are let in: those of RFC 3820, those of its drafts, and those of Globus 2.",
)
PROXY_ALLOW_LIMITED = env.bool("PROXY_ALLOW_LIMITED", default=_POLICY.allow_limited, meaning="Lets limited proxies in.")
PROXY_ALLOW_END_ENTITY = env.bool(
    "PROXY_ALLOW_END_ENTITY",
    default=_POLICY.allow_end_entity,
    meaning="Lets users' own certificates in, without a proxy.",
)
PROXY_MAX_DELEGATIONS = env.int(
    "PROXY_MAX_DELEGATIONS",
    default=_POLICY.max_proxies,
    meaning="Proxies that a chain may have, one delegated from the other.",
)
PROXY_MIN_RSA_BITS = env.int(
    "PROXY_MIN_RSA_BITS",
    default=_POLICY.min_rsa_bits,
    least=1,
    form="whole number from 1024 to 8192",
    meaning="The least size of an RSA key in a chain, in bits.",
)
PROXY_WEAK_HASHES = env.list(
    "PROXY_WEAK_HASHES",
    default=sorted(_POLICY.weak_hashes),
    form="list of `sha1`, `md5`",
    meaning="Weak digests that are accepted nevertheless, in the signatures of certificates and revocation lists.",
)
PROXY_CRL = env.text(
    "PROXY_CRL",
    default=_POLICY.crl.value,
    form="`if-present`, `require` or `ignore`",
    meaning="Whether each CA needs a revocation list. One that is out of date always refuses, unless all are ignored.",
)
PROXY_SIGNING_POLICY = env.text(
    "PROXY_SIGNING_POLICY",
    default=_POLICY.signing_policy.value,
    form="`if-present`, `require` or `ignore`",
    meaning="Whether each CA needs a signing policy, which says what names it may certify.",
)
PROXY_DN_PATTERN = env.text(
    "PROXY_DN_PATTERN",
    default="",
    form="a regular expression that RE2 takes, with a group `(?P<account>...)`",
    meaning="Where the grid-mapfile names nobody, the account is taken from the DN by this pattern.",
)
PROXY_CACHE_TTL = env.float(
    "PROXY_CACHE_TTL",
    default=60.0,
    form="number from 0 to 60",
    meaning="Seconds for which the verdict on a header is kept for further requests with the same header.",
)

# Debian's system accounts end at 999 and go on from 60000 to 65535.
ACCOUNT_UIDS = ranges(
    "ACCOUNT_UIDS",
    default="1000-59999,65536-4294967293",
    meaning="The uids under which jobs may run, whatever account a DN is mapped to.",
)
ACCOUNTS_NEVER_USED = env.list(
    "ACCOUNTS_NEVER_USED",
    default=["root", "slurm", "munge", "nobody", "postgres", "mysql"],
    meaning="Accounts that the service never becomes, whatever a mapping says.",
)
