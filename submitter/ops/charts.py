"""PURE. Charts as SVG made on the server: no script, no inline style, so that the strictest content policy holds.

Colours come from the style sheet by class, so that dark mode has its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 6, 10, 24
_LABELS = 7


@dataclass(frozen=True)
class Column:
    """One step of time: two values of which the first is drawn behind the second, and the text that a pointer shows."""

    label: str
    back: float | None
    front: float | None
    tooltip: str


def columns(title: str, series: Sequence[Column], kind: str, ticks: Sequence[tuple[float, str]]) -> str:
    """Return the chart. `kind` is the CSS class that colours it; `ticks` are the axis's values (from 0) and labels."""
    top = ticks[-1][0]
    width = (_WIDTH - _LEFT - _RIGHT) / max(1, len(series))
    parts = [
        f'<svg class="chart {kind}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(_tick(value / top, label) for value, label in ticks),
        *(_column(_LEFT + width * n, width, column, top) for n, column in enumerate(series)),
        *_labels(series, width),
        "</svg>",
    ]
    return "".join(parts)


def count_ticks(largest: float) -> list[tuple[float, str]]:
    """Return the marks of an axis of whole numbers that holds `largest`."""
    step = max(1, _round_up(largest / 4))
    return [(step * n, f"{step * n:,.0f}") for n in range(5)]


def duration_ticks(largest: float) -> list[tuple[float, str]]:
    """Return the marks of an axis of durations, in seconds, that holds `largest`."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if largest >= 2 * unit or unit == 1:
            step = max(1, _round_up(largest / unit / 4))
            return [(step * n * unit, f"{step * n:,.0f} {name}" if n else "0") for n in range(5)]
    raise AssertionError("seconds fit every length")


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, ..."""
    if value <= 0:
        return 1
    power = 10 ** floor(log10(value))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value))


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _tick(share: float, label: str) -> str:
    y = _y(share)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    )


def _column(x: float, width: float, column: Column, top: float) -> str:
    bars = [
        _bar(x, width, value / top, layer) for layer, value in (("back", column.back), ("front", column.front)) if value
    ]
    whole = f'<rect class="hover" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT - _TOP - _BOTTOM}"/>'
    return f"<g><title>{escape(column.tooltip)}</title>{whole}{''.join(bars)}</g>"


def _bar(x: float, width: float, share: float, layer: str) -> str:
    height = max(1.0, min(1.0, share) * (_HEIGHT - _TOP - _BOTTOM))
    gap = min(2.0, width * 0.15)
    y = _HEIGHT - _BOTTOM - height
    return f'<rect class="{layer}" x="{x + gap:.1f}" y="{y:.1f}" width="{width - 2 * gap:.1f}" height="{height:.1f}"/>'


def _labels(series: Sequence[Column], width: float) -> list[str]:
    every = max(1, ceil(len(series) / _LABELS))
    return [
        f'<text class="axis" x="{_LEFT + width * (n + 0.5):.1f}" y="{_HEIGHT - 7}" text-anchor="middle">'
        f"{escape(series[n].label)}</text>"
        for n in range(every // 2, len(series), every)
    ]
