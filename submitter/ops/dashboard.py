"""The operators' start page: it shows whether all is well before anything is clicked."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe

from clusters.health import ClusterHealth, State, all_health
from jobs.api.serializers import duration
from jobs.models import Job
from jobs.states import Status
from proxyauth import authenticator
from submitter.ops import charts, statistics
from submitter.ops.charts import Column

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_PERIODS = {"24h": (_DAY, timedelta(hours=1)), "7d": (_WEEK, timedelta(hours=6))}  # their columns' widths
_NAMES = {"24h": "24 hours", "7d": "7 days"}
_KEPT = 60  # seconds: opening the page often costs nothing


_MEANINGS = {
    State.UP: "it answers",
    State.BACKING_OFF: "it did not answer, and is asked again ever more rarely",
    State.REFUSED: "its login node does not let the service in",
    State.LATE: "its jobs have not been asked about for 5 minutes: are the workers busy, or down?",
    State.DISABLED: "operators have switched it off",
    State.NEVER_ASKED: "it has had no job yet, and is asked when it has one",
}


@dataclass(frozen=True)
class ClusterLine:
    """A cluster's condition, and its active jobs."""

    condition: ClusterHealth
    queued: int
    running: int

    @property
    def css(self) -> str:
        """Return the class of its badge."""
        return self.condition.state.replace(" ", "-")

    @property
    def meaning(self) -> str:
        """Return what its state means."""
        return _MEANINGS[self.condition.state]

    @property
    def age(self) -> str:
        """How long ago it was last asked with success."""
        return ago(self.condition.age)


@dataclass(frozen=True)
class Period:
    """The figures of 24 hours or 7 days."""

    key: str
    name: str
    submitted: int
    refused: int
    ended: int
    rows: list[tuple[str, str, str]]
    charts: list[tuple[str, SafeString, str]] = field(repr=False)


@dataclass(frozen=True)
class Dashboard:
    """All of the start page. `complaints` is empty when all is well."""

    clusters: list[ClusterLine]
    stuck: list[Job]
    warnings: list[str]
    periods: list[Period]

    @property
    def complaints(self) -> list[str]:
        """What somebody has to look at, a sentence each."""
        troubled = [line for line in self.clusters if not line.condition.is_fine]
        sentences = [_complaint(line) for line in troubled if line.condition.state is not State.DISABLED]
        if not self.clusters:
            sentences.append("No cluster is registered yet.")
        if self.stuck:
            sentences.append(f"{_counted(len(self.stuck))} had no outcome for 3 minutes and more: see below.")
        return [*sentences, *self.warnings]


def look() -> Dashboard:
    """Read everything that the start page shows."""
    active = statistics.active()
    lines = [
        ClusterLine(
            condition, *(active.get(condition.cluster.pk, {}).get(s, 0) for s in (Status.QUEUED, Status.RUNNING))
        )
        for condition in all_health(set(active))
    ]
    return Dashboard(lines, statistics.stuck(), _warnings(), periods())


def periods() -> list[Period]:
    """Return the figures of each period, all of one moment, at most a minute ago."""
    periods: list[Period] | None = cache.get("dashboard-periods")
    if periods is None:
        periods = [period(name) for name in _PERIODS]
        cache.set("dashboard-periods", periods, _KEPT)
    return periods


def period(name: str) -> Period:
    """Count the figures of the period `name` (of _PERIODS, and of the job list's filter) now."""
    return _period(name, statistics.Window.up_to_now(*_PERIODS[name]))


def ago(age: timedelta | None) -> str:
    """Return an age in words for people."""
    if age is None:
        return "never"
    seconds = max(0, int(age.total_seconds()))
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name} ago"
    return f"{seconds} s ago"


def _counted(submissions: int) -> str:
    return "1 submission has" if submissions == 1 else f"{submissions} submissions have"


def _warnings() -> list[str]:
    try:
        return authenticator.problems()
    except ValueError as exc:
        return [f"The proxies' settings are wrong: {exc}"]


def _complaint(line: ClusterLine) -> str:
    condition = line.condition
    message = f"{condition.cluster.name}: {line.meaning} (last answer: {line.age})"
    return f"{message}; {condition.error}" if condition.error else f"{message}."


def _period(name: str, window: statistics.Window) -> Period:
    shares = statistics.submissions(window)
    whole, steps = statistics.times(window)
    kinds = [("Queue time", whole.queue, [s.queue for s in steps]), ("Wall time", whole.wall, [s.wall for s in steps])]
    return Period(
        key=name,
        name=_NAMES[name],
        submitted=sum(share.all for share in shares),
        refused=sum(share.refused for share in shares),
        ended=whole.ended,
        rows=[(title, _length(spread.median), _length(spread.p95)) for title, spread, _ in kinds],
        charts=[
            _submissions(window, shares),
            *(_times(title, window, spreads) for title, _, spreads in kinds),
        ],
    )


def _submissions(window: statistics.Window, shares: list[statistics.Counts]) -> tuple[str, SafeString, str]:
    series = [
        Column(_label(begin, window), share.all, share.refused, f"{_when(begin)}: {share.all}, {share.refused} refused")
        for begin, share in zip(window.begins, shares, strict=True)
    ]
    title = f"Submissions per {'hour' if window.step == timedelta(hours=1) else '6 hours'}"
    return title, _drawn(title, series, "submissions", charts.count_ticks), "all, and refused ones"


def _times(title: str, window: statistics.Window, spreads: list[statistics.Percentiles]) -> tuple[str, SafeString, str]:
    series = [
        Column(
            _label(begin, window),
            spread.p95,
            spread.median,
            f"{_when(begin)}: median {_length(spread.median)}, 95th percentile {_length(spread.p95)}",
        )
        for begin, spread in zip(window.begins, spreads, strict=True)
    ]
    return title, _drawn(title, series, "times", charts.duration_ticks), "95th percentile, median"


def _drawn(title: str, series: list[Column], kind: str, ticks: Any) -> SafeString:
    largest = max(column.back or 0 for column in series)
    return mark_safe(charts.columns(title, series, kind, ticks(largest)))  # noqa: S308 - charts escapes each text


def _label(begin: datetime, window: statistics.Window) -> str:
    return f"{begin:%H:00}" if window.step == timedelta(hours=1) else f"{begin:%d %b}"


def _when(begin: datetime) -> str:
    return f"{begin:%d %b %H:%M} UTC"


def _length(seconds: float | None) -> str:
    return "–" if seconds is None else duration(timedelta(seconds=seconds))  # noqa: RUF001 - a dash for nothing
