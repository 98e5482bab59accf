"""gunicorn's settings: `gunicorn --config python:submitter.gunicorn.conf`. Addresses and TLS: its command line."""

import multiprocessing
import os
import resource
from typing import Any

from submitter.environment import Environment
from submitter.ops import metrics_dir

_env = Environment("The web server")

# Threads, measured beside granian on two processors: an answer for which nothing is done is faster there (0.9 ms, not
# 1.4), a job's (3.1 ms) and submissions of 50 callers at once are as fast here. How many processes makes no difference
# to submissions, which wait for SLURM's tools; two answer twice as many GETs as one.
worker_class = "submitter.gunicorn.worker.Worker"
workers = _env.int(
    "WEB_WORKERS",
    default=min(4, multiprocessing.cpu_count()),
    least=1,
    shown="the number of processors, 4 at most",
    meaning="Processes that answer requests.",
)
# A submission waits for its cluster in its thread, so threads, not processes, bound how many can wait at once.
threads = _env.int(
    "WEB_THREADS", default=64, least=1, meaning="Threads of each process: the requests that it answers at once."
)
keepalive = 15
# The other half of the files that a process may open is for login nodes and the database.
worker_connections = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

# A request is bounded by the clusters' own deadlines; this only ends a worker whose event loop no longer answers.
timeout = 120
graceful_timeout = 90

# What a client may take, in seconds. Who is slower is closed; none of them holds a thread before its head is complete.
HEAD_SECONDS = _env.float(
    "WEB_HEAD_SECONDS",
    default=15.0,
    meaning="Seconds that a client may take for the head of a request, from the connection or the head's first byte "
    "on.",
)
BODY_SECONDS = _env.float(
    "WEB_BODY_SECONDS", default=60.0, meaning="Seconds from the end of the head to the end of the body."
)
SEND_SECONDS = _env.float(
    "WEB_SEND_SECONDS", default=60.0, meaning="Seconds that a client may take for each 16 KiB of an answer."
)
# From SIGTERM on, or later from an answer's first byte: for the rest of a body, and of an answer. Who takes longer is
# broken off, for nobody is served until the process has ended. A submission at work has `graceful_timeout`.
STOP_SECONDS = _env.float(
    "WEB_STOP_SECONDS",
    default=20.0,
    meaning="Seconds that a client has for the rest of its body, or of an answer that has begun, once the web server "
    "was told to stop by SIGTERM. Waiting requests are answered at once.",
)
sendfile = False  # a file goes the same way, with the same bounds

# The proxy travels in a header: an RSA-4096 chain with delegations exceeds the default of 8190 bytes by far.
limit_request_field_size = 64 * 1024

# Nobody is believed here: what a front server says of its clients is `frontserver`'s alone.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
forwarded_allow_ips = ""
proxy_allow_ips = ""

control_socket_disable = True  # the process manager restarts it; one socket less to guard

accesslog = "-"
errorlog = "-"
logger_class = "submitter.gunicorn.log.Logger"


def on_starting(server: Any) -> None:
    """Say so if each worker counts by itself: a scrape would show the counts of whichever answers it."""
    if workers > 1 and not os.environ.get(metrics_dir.VARIABLE):
        server.log.warning("%s is not set: /metrics tells of one worker at a time", metrics_dir.VARIABLE)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Remove from /metrics what counted only while the worker lived."""
    metrics_dir.mark_dead(worker.pid)


def post_worker_init(worker: Any) -> None:
    """Say so if requests are answered as root: the service becomes other users by certificates, and needs no rights."""
    if os.geteuid() == 0:
        worker.log.warning("this process runs as root; give it an account of its own (see deploy/)")
