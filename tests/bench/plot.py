"""The growth cases as a picture: one SVG of three panels, written by hand so that nothing has to be installed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.table import amount

_WIDTH, _HEIGHT, _GAP = 300, 260, 64
_TOP, _LEFT = 46, 62
# Distinct also to those who tell few colours apart.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
_STYLE = "font-family:sans-serif;font-size:11px;fill:#333"


@dataclass(frozen=True)
class Series:
    """One line: points of (size, seconds)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One diagram, both axes logarithmic."""

    title: str
    axis: str
    series: Sequence[Series]


def draw(panels: Sequence[Panel]) -> str:
    """Return the SVG."""
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    legend = max(len(panel.series) for panel in panels) * 16
    height = _TOP + _HEIGHT + 46 + legend
    body = [_panel(panel, _LEFT + number * (_WIDTH + _GAP)) for number, panel in enumerate(panels)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *body, "</svg>"]) + "\n"


def _panel(panel: Panel, left: float) -> str:
    sizes = [x for series in panel.series for x, _ in series.points]
    times = [y for series in panel.series for _, y in series.points]
    low, high = _decade(min(times), math.floor), _decade(max(times), math.ceil)

    def across(size: float) -> float:
        return left + _WIDTH * _share(size, min(sizes), max(sizes))

    def down(seconds: float) -> float:
        return _TOP + _HEIGHT * (1 - _share(seconds, low, high))

    parts = [_text(left, 24, panel.title, weight="bold")]
    for tick in _ticks(low, high):
        parts.append(_line(left, down(tick), left + _WIDTH, down(tick)))
        parts.append(
            _text(left - 6, down(tick) + 4, amount(tick, "s").replace(".0 ", " ").replace(".00", ""), anchor="end")
        )
    for size in sorted(set(sizes)):
        parts.append(_line(across(size), _TOP, across(size), _TOP + _HEIGHT))
        parts.append(_text(across(size), _TOP + _HEIGHT + 16, f"{size:,.0f}", anchor="middle"))
    parts.append(_text(left + _WIDTH / 2, _TOP + _HEIGHT + 32, panel.axis, anchor="middle"))
    for number, series in enumerate(panel.series):
        parts += _curve(series, _COLOURS[number % len(_COLOURS)], [(across(x), down(y)) for x, y in series.points])
        below = _TOP + _HEIGHT + 50 + 16 * number
        parts.append(
            f'<rect x="{left}" y="{below - 6}" width="12" height="4" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        )
        parts.append(_text(left + 18, below, series.name))
    return "\n".join(parts)


def _curve(series: Series, colour: str, places: Sequence[tuple[float, float]]) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>'
        f"{escape(series.name)}: {amount(seconds, 's')} at {size:,.0f}</title></circle>"
        for (x, y), (size, seconds) in zip(places, series.points, strict=True)
    ]
    return [line, *dots]


def _share(value: float, low: float, high: float) -> float:
    return 0.5 if low == high else math.log(value / low) / math.log(high / low)


def _decade(value: float, edge: Callable[[float], int]) -> float:
    return 10.0 ** edge(math.log10(value))


def _ticks(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'style="{_STYLE};font-weight:{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
