"""Settings: environment variables in, constants out. A missing or wrong value stops the start-up and says which."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue
from redis.connection import parse_url

from submitter.environment import Environment
from submitter.http import csp
from submitter.trustsettings import *  # noqa: F403 - who is let in, and as whom: a part of the settings

env = Environment("The service")
_limits = Environment("Limits for callers")
_operators = Environment("Operators")
_clusters = Environment("Clusters and polling")

BASE_DIR = Path(__file__).resolve().parent.parent


def secret(name: str, *, form: str = "text", meaning: str = "") -> str:
    """Return the secret `name`, from the file that `<name>_FILE` names or else from the variable itself."""
    env.describe(name, form, meaning=meaning)
    path = env.text(f"{name}_FILE", default="", form="path", meaning=f"A file that holds the value of `{name}`.")
    if not path:
        return env.text(name)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {exc}") from exc
    except ValueError:  # it would repeat a part of the secret
        raise ImproperlyConfigured(f"{name}_FILE has to name a file of UTF-8 text") from None


def database(url: str) -> dict[str, object]:
    """Return what Django calls a database. What cannot be read of a URL is not repeated: a password may be in it."""
    with suppress(ValueError):
        if url.partition("://")[0] in {"postgres", "postgresql"}:
            return dict(env.db_url_config(url))
    raise ImproperlyConfigured(
        "DATABASE_URL has to be like postgres://user:password@host:5432/database, where reserved characters such as"
        " / ? # @ % of a password are percent-encoded"
    )


def broker(url: str) -> str:
    """Return the address of Redis. What cannot be read of it is not repeated: a password may be in it."""
    with suppress(ValueError):
        parse_url(url)  # type: ignore[no-untyped-call]
        return url
    raise ImproperlyConfigured("REDIS_URL has to be like redis://:password@host:6379/0 (or rediss://, unix://)")


DEBUG = env.bool("DEBUG", default=False, meaning="Django's debugging pages and readable logs. Never in production.")
SECRET_KEY = secret(
    "SECRET_KEY", form="text of 50 or more random characters", meaning="Signs the operators' sessions and forms."
)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]"],
    meaning="The host names under which the service is reached. Requests for any other name get 400.",
)
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS",
    default=[],
    meaning="The origins from which operators' forms are accepted, such as `https://submit.example.org`.",
)

DOCTOR_ACCEPTS = env.list(
    "DOCTOR_ACCEPTS",
    default=[],
    meaning="Findings of `manage.py doctor` that this installation wants as they are: names of findings such as "
    "`audit-log-role`, or ids of `check --deploy` such as `security.W004`. They are still shown, and are no failure.",
)

CELERY_WORKER_HIJACK_ROOT_LOGGER = False

INSTALLED_APPS = [
    "submitter.ops.apps.OpsConfig",  # before the admin: its templates of the admin's pages come first
    "submitter.ops.admin_app.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "axes",
    "audit.apps.AuditConfig",
    "proxyauth",
    "clusters.apps.ClustersConfig",
    "jobs",
    "submitter.documentation",
]

MIDDLEWARE = [
    "proxyauth.middleware.ProxyMiddleware",  # first: takes the proxy away before anything else can see it
    "submitter.ops.metrics.LatencyMiddleware",
    "submitter.http.middleware.EncryptedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "submitter.http.csp.ContentPolicyMiddleware",
    "submitter.http.account_shares.SharingMiddleware",  # before all that takes long, or reads a body
    "submitter.http.error_views.OneFormMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "submitter.http.middleware.Operators",
    "submitter.http.middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers logins that are locked out
]

ROOT_URLCONF = "submitter.urls"
WSGI_APPLICATION = "submitter.wsgi.application"
APPEND_SLASH = False  # both forms are routed: `curl -X POST` does not follow a redirect

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": database(
        secret(
            "DATABASE_URL",
            form="`postgres://user:password@host:5432/database`; reserved characters of the password percent-encoded",
            meaning="The PostgreSQL database that holds jobs, clusters and the audit log.",
        )
    )
}
# A process has many threads, most of them waiting for a cluster: they share a few database connections.
DATABASES["default"]["ENGINE"] = "submitter.postgresql"
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"] = {
    "pool": {
        "min_size": 1,
        "max_size": env.int(
            "DATABASE_POOL",
            default=16,
            least=1,
            meaning="Database connections that one process opens at most; its threads share them.",
        ),
        "timeout": 10,
        "reconnect_timeout": 2,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Operators log in by password, at the admin's door alone; an address that guesses is not heard for a while.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = _operators.int(
    "LOGIN_FAILURES",
    default=10,
    least=1,
    meaning="Failed log-ins to the operators' pages after which an address is locked out.",
)
AXES_COOLOFF_TIME = timedelta(
    minutes=_operators.int(
        "LOGIN_LOCKOUT_MINUTES", default=15, least=1, meaning="Minutes for which such an address is locked out."
    )
)
AXES_LOCKOUT_PARAMETERS = ["ip_address"]  # not the name: nobody locks an operator out from elsewhere
AXES_RESET_ON_SUCCESS = True
AXES_HANDLER = "submitter.ops.logins.Lockouts"
AXES_CLIENT_IP_CALLABLE = "submitter.ops.logins.client"
AXES_HTTP_RESPONSE_CODE = 429
AXES_VERBOSE = False

FORMAT_MODULE_PATH = "submitter.formats"  # of the operators' pages

STATIC_URL = "static/"
STATIC_ROOT = str(
    Path(
        env.text(
            "STATIC_ROOT",
            default=str(BASE_DIR / "staticfiles"),
            form="path of a directory",
            shown="`staticfiles` beside `manage.py`",
            meaning="Where `manage.py collectstatic` writes the style sheets and scripts of the pages.",
        )
    ).absolute()
)

SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_FAILURE_VIEW = "submitter.http.error_views.without_csrf_token"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = env.bool(
    "SECURE_SSL_REDIRECT",
    default=True,
    meaning="Redirects pages that are asked for over plain HTTP to HTTPS, and refuses such calls of the API.",
)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # monitoring asks on loopback
SECURE_HSTS_SECONDS = env.int(
    "SECURE_HSTS_SECONDS",
    default=365 * 24 * 3600,
    meaning="Seconds for which browsers insist on HTTPS after a visit; 0 sends no such header.",
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool(
    "SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True, meaning="Has browsers insist on HTTPS for all names below as well."
)
# Preloading is an entry in the browsers' own lists, for a whole domain: for its owner to ask for, not for one service.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": csp.PAGES}

REVERSE_PROXIES = env.list(
    "REVERSE_PROXIES",
    default=[],
    form="list of addresses, networks, or `unix` for a Unix socket",
    meaning="The front servers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
)

METRICS_ALLOWED_IPS = env.list(
    "METRICS_ALLOWED_IPS",
    default=["127.0.0.0/8", "::1"],
    form="list of addresses and networks",
    meaning="Who may read `/metrics`, and the reasons in `/readyz`.",
)

# Counted in Redis.
THROTTLE_PER_ACCOUNT = _limits.int(
    "THROTTLE_PER_ACCOUNT",
    default=6000,
    meaning="Requests of one account in a minute; then 429 with `Retry-After`. 0 is no limit.",
)
THROTTLE_PER_ADDRESS = _limits.int(
    "THROTTLE_PER_ADDRESS",
    default=12000,
    meaning="Requests from one address in a minute, which several users may share; then 429 with `Retry-After`. An "
    "IPv6 address counts as its /64 network. 0 is no limit.",
)

# One script of 4 MiB grows in JSON: every control character takes six bytes there.
DATA_UPLOAD_MAX_MEMORY_SIZE = 26 * 1024 * 1024

# What one caller may hold of a web process at once; beyond it 429 or 503 comes at once.
WEB_THREADS = env.int("WEB_THREADS", default=64, least=1)
REQUESTS_PER_ACCOUNT = _limits.int(
    "REQUESTS_PER_ACCOUNT",
    default=max(1, WEB_THREADS // 4),
    least=1,
    shown="a quarter of `WEB_THREADS`",
    meaning="Requests of one account that one web process answers at once.",
)
REQUESTS_WITHOUT_ACCOUNT = _limits.int(
    "REQUESTS_WITHOUT_ACCOUNT",
    default=max(1, WEB_THREADS // 2),
    least=1,
    shown="half of `WEB_THREADS`",
    meaning="Requests without an account, all of them together, that one web process answers at once.",
)
WAITS_PER_ACCOUNT = _limits.int(
    "WAITS_PER_ACCOUNT",
    default=8,
    meaning="Requests of one account with `Prefer: wait` that wait in one web process at once. All accounts together "
    "have half of its threads for that.",
)
LARGE_BODIES = _limits.int(
    "LARGE_BODIES", default=2, meaning="Bodies of more than 1 MiB that one web process holds at once."
)
LARGE_BODIES_PER_ACCOUNT = _limits.int(
    "LARGE_BODIES_PER_ACCOUNT", default=1, meaning="How many of them may be those of one account."
)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["proxyauth.drf.ProxyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["proxyauth.drf.RequestThrottle"],
    "DEFAULT_PARSER_CLASSES": ["submitter.http.json_body.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "submitter.http.json_body.OneFormEach",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "NON_FIELD_ERRORS_KEY": "body",  # of a body that is no object
    "EXCEPTION_HANDLER": "submitter.http.exception_handler.answer_exception",
    "URL_FORMAT_OVERRIDE": None,  # clients of the original send `format=short`
    "UNAUTHENTICATED_USER": None,
}

DESCRIPTION = """Batch jobs on SLURM clusters, for holders of a grid proxy certificate. With curl:

```
header=$(mktemp)
printf 'PROXY: %s\\n' "$(base64 < {path-to-proxy-file} | tr -d '\\n')" > "$header"
curl --cacert {ca-file} --header @"$header" https://{service}/api/jobs
```

The proxy holds your private key: in a file of `mktemp` nobody else can read it, in a command line every user of the
machine can (`ps`). `{ca-file}` is the CA of the service's certificate: curl sends nothing to a server that another CA
certified.
curl knows `--header @file` from 7.55 on.
"""
SPECTACULAR_SETTINGS = {
    "TITLE": "Job submitter",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # there null is a type: generators of clients read it so, and not all of them `nullable`
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "TAGS": [
        {"name": "jobs", "description": "Your jobs: submit, follow, abort and remove them, and read what they write."},
        {"name": "submissions", "description": "What became of a submission whose answer was lost."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "jobs.states.Status",
        "SubmissionStatusEnum": "jobs.api.serializers.SUBMISSION_STATUSES",
    },
    "PREPROCESSING_HOOKS": ["submitter.http.openapi.without_trailing_slashes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "submitter.http.openapi.document_errors",
        "jobs.api.openapi.link_submissions",
    ],
}

PROXY_REFUSALS_PER_MINUTE = _limits.int(
    "PROXY_REFUSALS_PER_MINUTE",
    default=600,
    meaning="Refused proxies from one address in a minute; then 429 with `Retry-After`. An IPv6 address counts as its "
    "/64 network. 0 is no limit.",
)
DEFAULT_EXCEPTION_REPORTER_FILTER = "proxyauth.error_reporting.ProxyReporterFilter"

# The clusters: how the service becomes the user there.
SSH_CA_KEY = _clusters.text(
    "SSH_CA_KEY",
    default="/etc/job-submitter/ssh_ca",
    form="path",
    meaning="The private key of the SSH certificate authority that login nodes trust, readable by the service alone.",
)
SSH_CONNECTION_LIFETIME = _clusters.float(
    "SSH_CONNECTION_LIFETIME",
    default=240.0,
    meaning="Seconds after which a connection to a login node is replaced, while its certificate is still valid. An "
    "account that a login node no longer lets in is out by then.",
)

POLL_INTERVAL = _clusters.float(
    "POLL_INTERVAL",
    default=1.0,
    least=0.01,
    meaning="Seconds between two polls of a cluster that has active jobs, at least. Slow clusters are polled less "
    "often.",
)
# Bytes, given in MiB; squeue prints about 120 bytes a job.
POLL_ANSWER_LIMIT = 1024**2 * _clusters.int(
    "POLL_ANSWER_LIMIT",
    default=64,
    least=1,
    meaning="MiB that are read of the answer to a poll as the poll account, which lists everybody's jobs.",
)
POLL_ANSWER_LIMIT_PER_ACCOUNT = 1024**2 * _clusters.int(
    "POLL_ANSWER_LIMIT_PER_ACCOUNT",
    default=4,
    least=1,
    meaning="MiB that are read of the answer to a poll as an owner's own account.",
)
DISPATCH_INTERVAL = min(1.0, POLL_INTERVAL)  # how often beat has somebody see which cluster is due by the next time
RECOVERY_INTERVAL = _clusters.float(
    "RECOVERY_INTERVAL",
    default=15.0,
    least=1.0,
    meaning="Seconds between two searches for submissions whose answer was lost.",
)

CELERY_BROKER_URL = broker(
    secret(
        "REDIS_URL",
        form="`redis://:password@host:6379/0`, `rediss://...` or `unix://...`",
        meaning="Redis: the queues of tasks, and the counts of the limits. It may be emptied at any time.",
    )
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
# Tasks wait for login nodes: threads wait side by side. What waits in one queue keeps nobody in another one waiting:
# `celery -A submitter worker --queues polling` serves one of them, without `--queues` a worker serves all.
WORKER_THREADS = env.int("WORKER_THREADS", default=16, least=1, meaning="Tasks that one worker runs at once.")
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = WORKER_THREADS
CELERY_TASK_QUEUES = [Queue(name) for name in ("polling", "recovery", "bulk", "housekeeping", "heartbeat")]
CELERY_TASK_DEFAULT_QUEUE = "heartbeat"  # of what looks at the database alone, and orders the rest
CELERY_TASK_ROUTES = {
    "jobs.tasks.poll_account": {"queue": "polling"},
    "jobs.tasks.recover_account": {"queue": "recovery"},
    "jobs.tasks.run_bulk_operation": {"queue": "bulk"},
    "jobs.tasks.clean_remote_directory": {"queue": "housekeeping"},
    "jobs.tasks.backfill_audit_log": {"queue": "housekeeping"},
}
CELERY_BEAT_SCHEDULE = {
    "note-heartbeat": {
        "task": "submitter.ops.tasks.heartbeat",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "recover-submissions": {
        "task": "jobs.tasks.recover_submissions",
        "schedule": RECOVERY_INTERVAL,
        "options": {"expires": RECOVERY_INTERVAL},
    },
    "resume-bulk-operations": {
        "task": "jobs.tasks.resume_bulk_operations",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "backfill-audit-log": {
        "task": "jobs.tasks.backfill_audit_log",
        "schedule": 600.0,
        "options": {"expires": 300.0},
    },
    "tidy-homes": {
        "task": "jobs.tasks.clean_remote_directories",
        "schedule": 24 * 3600.0,
        "options": {"expires": 3600.0},
    },
    "poll-clusters": {
        "task": "jobs.tasks.poll_clusters",
        "schedule": DISPATCH_INTERVAL,
        "options": {"expires": DISPATCH_INTERVAL},  # a worker that was away finds one order, not a pile
    },
}
