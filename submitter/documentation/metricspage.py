"""The page of metrics: what the processes count, from prometheus_client's registry, and what a scrape asks for."""

from collections.abc import Iterator

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from submitter.documentation import markdown
from submitter.ops import gauges

_HEAD = ["Metric", "Kind", "Labels", "Meaning"]
_INTRODUCTION = (
    "`GET /metrics` answers in Prometheus's text format, to the addresses that `METRICS_ALLOWED_IPS` names. "
    "No label holds what a caller has sent."
)
_COUNTED = (
    "Added up over the web server and the workers, from their start on (`PROMETHEUS_MULTIPROC_DIR`). Times are in "
    "seconds."
)
_ASKED = (
    "Read from the database and from Redis at the moment of the scrape. What cannot be asked is left out, and "
    "`submitter_database_up` or `submitter_broker_up` is 0."
)


def page() -> str:
    """Return the page."""
    asked = [[markdown.code(it.name), "gauge", markdown.codes(it.labels), it.meaning] for it in gauges.GAUGES]
    return markdown.page(
        "Metrics",
        _INTRODUCTION,
        f"## What the service did\n\n{_COUNTED}\n\n{markdown.table(_HEAD, map(_row, counted()))}",
        f"## How the service is\n\n{_ASKED}\n\n{markdown.table(_HEAD, asked)}",
    )


def counted() -> Iterator[MetricWrapperBase]:
    """Yield the metrics of this service that its processes count, in the order of their names."""
    collectors = set(REGISTRY._names_to_collectors.values())  # noqa: SLF001 - the registry has no other list of them
    own = [it for it in collectors if isinstance(it, MetricWrapperBase) and it._name.startswith("submitter_")]  # noqa: SLF001 - as above
    yield from sorted(own, key=lambda it: it._name)  # noqa: SLF001 - as above


def _row(metric: MetricWrapperBase) -> list[str]:
    family = next(iter(metric.describe()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return [markdown.code(name), family.type, markdown.codes(metric._labelnames), family.documentation]  # noqa: SLF001 - as above
