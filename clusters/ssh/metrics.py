"""What is measured of the SSH pool of this process; those of all processes that live are added up."""

from prometheus_client import Gauge, Histogram

SESSIONS = Gauge("submitter_ssh_sessions", "Sessions kept, one for each account and node", multiprocess_mode="livesum")
BUSY = Gauge("submitter_ssh_sessions_busy", "Sessions with a caller, the others are idle", multiprocess_mode="livesum")
CALLERS = Gauge("submitter_ssh_callers", "Callers at work or waiting", multiprocess_mode="livesum")
STANDBY = Gauge("submitter_ssh_standby", "Agents that wait for a request", multiprocess_mode="livesum")
WAITS = Histogram(
    "submitter_ssh_wait_seconds",
    "How long callers waited for an agent or a channel",
    buckets=[0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 10, 30],
)


def entered(sessions: int, callers: int) -> None:
    """Count a caller in, who is one of `callers` of a session; there are `sessions` now."""
    SESSIONS.set(sessions)
    CALLERS.inc()
    if callers == 1:
        BUSY.inc()


def left(callers: int) -> None:
    """Count a caller out; `callers` of its session are left."""
    CALLERS.dec()
    if callers == 0:
        BUSY.dec()
