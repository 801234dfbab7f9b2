"""`python -m tests.bench.page RESULTS.json`: put the bench's own figures into docs/performance.md and its picture."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.plot import Panel, Series, draw
from tests.bench.table import amount

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
# Case -> what it grows with, as the axis says it, and the sides that are shown.
GROWTH = {
    "growth-host": ("How cost grows with the host", "distributions"),
    "growth-request": ("... with the request", "requirements"),
    "growth-store": ("... with the store", "environments"),
}
_LEFT_OUT = ("the host's python -c pass", "venvkit --version")
_FORMS = {
    "times": "{:.2f} x",
    "part beyond": "+ {:.0%}",
    "times faster": "{:.0f} x faster",
}


def grown(results: Sequence[Mapping[str, Any]], case: str) -> dict[str, dict[int, float]]:
    """Return the medians of a growth case: side -> size -> seconds."""
    found: dict[str, dict[int, float]] = {}
    for result in results:
        if result["case"] == case:
            size = result["point"][GROWTH[case][1]]
            for side, median in result["medians"].items():
                if side not in _LEFT_OUT:
                    found.setdefault(side, {})[size] = median
    return found


def picture(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the SVG of the growth cases."""
    panels = [
        Panel(title, axis, [Series(side, sorted(points.items())) for side, points in grown(results, case).items()])
        for case, (title, axis) in GROWTH.items()
    ]
    return draw([panel for panel in panels if panel.series])


def growth_table(results: Sequence[Mapping[str, Any]], case: str) -> str:
    """Return a growth case as a Markdown table, one column per size."""
    found = grown(results, case)
    sizes = sorted({size for points in found.values() for size in points})
    lines = [f"| {GROWTH[case][1]} | {' | '.join(f'{size:,}' for size in sizes)} |", "|---|" + "--:|" * len(sizes)]
    for side, points in found.items():
        cells = [amount(points[size], "s") if size in points else "" for size in sizes]
        lines.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join(lines)


def target_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Return every row that has an anchor or a target as a Markdown table."""
    lines = ["| case | measured | anchor | figure | target | |", "|---|--:|---|--:|--:|---|"]
    for result in results:
        medians, unit = result["medians"], result["unit"]
        for row in result["rows"]:
            anchors = " + ".join(f"`{name}`" for name in row["anchors"])
            beside = f"{anchors}: {amount(sum(medians[name] for name in row['anchors']), unit)}" if anchors else ""
            figure, limit = _figures(row, unit)
            holds = "" if row["kind"] == "shown" else "yes" if row["holds"] else "**no**"
            lines.append(
                f"| {row['what']} | {amount(medians[row['side']], unit)} | {beside} | {figure} | {limit} | {holds} |"
            )
    return "\n".join(lines)


def _figures(row: Mapping[str, Any], unit: str) -> tuple[str, str]:
    kind, figure, limit = row["kind"], row["figure"], row["limit"]
    if kind in _FORMS:
        sign = ">=" if kind == "times faster" else "<="
        return _FORMS[kind].format(figure), f"{sign} {_FORMS[kind].format(limit)}"
    if kind == "beyond":
        return f"+ {amount(figure, unit)}", f"<= + {amount(limit, unit)}"
    return amount(figure, unit), f"<= {amount(limit, unit)}" if kind == "at most" else ""


def filled(text: str, tables: Mapping[str, str]) -> str:
    """Return a page with each table between its marks."""
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Fill the page."""
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    results = document["results"]
    tables = {"targets": target_table(results), **{case: growth_table(results, case) for case in GROWTH}}
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    PICTURE.write_text(picture(results), encoding="utf-8")


if __name__ == "__main__":
    main()
