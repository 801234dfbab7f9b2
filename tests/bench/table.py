"""The bench's answer as text: one table, each line with its anchor's name beside the ratio."""

from __future__ import annotations

from collections.abc import Iterable

from tests.bench.cases import Result, Row

_HEAD = ("case", "measured", "anchor", "anchor is", "figure", "target", "")


def render(results: Iterable[Result]) -> str:
    """Return the table, then the medians of growth cases, then the facts."""
    results = list(results)
    lines = [_HEAD, *(line for result in results for line in _lines(result))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "-" * len(text[0]))
    for result in results:
        if not result.plan.rows:
            point = ", ".join(f"{value:,} {name}" for name, value in (result.plan.point or {}).items())
            medians = "; ".join(f"{name} {amount(value, result.plan.unit)}" for name, value in _medians(result).items())
            text.append(f"{result.case} at {point}: {medians}")
    for result in results:
        text += [f"{result.case}: {fact}" for fact in result.plan.facts if result.plan.rows]
    return "\n".join(text)


def _medians(result: Result) -> dict[str, float]:
    medians = result.document()["medians"]
    assert isinstance(medians, dict)
    return medians


def _lines(result: Result) -> Iterable[tuple[str, ...]]:
    unit = result.plan.unit
    for row in result.plan.rows:
        anchor = row.anchor(result.samples)
        yield (
            row.what,
            amount(_medians(result)[row.side], unit),
            " + ".join(row.anchors) or "none",
            amount(anchor, unit) if anchor is not None else "",
            _figure(row, result, unit),
            _target(row, unit),
            "" if row.kind == "shown" else "yes" if row.holds(result.samples) else "NO",
        )


def _figure(row: Row, result: Result, unit: str) -> str:
    figure = row.figure(result.samples)
    anchor = row.anchor(result.samples)
    if row.kind in ("at most", "shown"):
        return f"{_medians(result)[row.side] / anchor:.2f} x" if anchor else amount(figure, unit)
    return {
        "times": f"{figure:.2f} x",
        "beyond": f"+ {amount(figure, unit)}",
        "part beyond": f"+ {figure * 100:.0f} %",
        "times faster": f"{figure:.1f} x faster",
    }[row.kind]


def _target(row: Row, unit: str) -> str:
    return {
        "at most": f"<= {amount(row.limit, unit)}",
        "times": f"<= {row.limit:g} x",
        "beyond": f"<= + {amount(row.limit, unit)}",
        "part beyond": f"<= + {row.limit * 100:.0f} %",
        "times faster": f">= {row.limit:g} x",
        "shown": "",
    }[row.kind]


def amount(value: float, unit: str) -> str:
    """Return an amount as people read it."""
    if unit == "B":
        return f"{value / 1e6:.1f} MB"
    if abs(value) >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if abs(value) >= 1e-3 else f"{value * 1e6:.1f} us"
