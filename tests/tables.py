"""Tables of the docs that are made from the product's own tables; `python -m tests.tables` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from venvkit.settings import VARIABLES
from venvkit.spec.options import BLOCK, OPTIONS, Option

DOCS = Path(__file__).resolve().parent.parent / "docs"


def options() -> str:
    """Return the options of a call, for docs/cli.md."""
    rows = [("option", "keyword", "meaning", "setting behind it")]
    section = ""
    for one in OPTIONS:
        if one.section != section:
            section = one.section
            rows.append((f"**{section}**", "", "", ""))
        rows.append((f"`{one.spelled}`", f"`{_keyword(one)}`", one.meaning, f"`{one.setting}`" if one.setting else ""))
    return _table(rows)


def fields() -> str:
    """Return the fields of a spec's `virtualenv` block, for docs/specs.md."""
    rows = [("field", "takes", "meaning")]
    rows += [(f"`{one.field}`", _takes(one), one.meaning) for one in BLOCK]
    return _table(rows)


def variables() -> str:
    """Return the variables, for docs/settings.md."""
    rows = [("variable", "default", "form", "meaning", "venvkit")]
    for one in VARIABLES:
        default = f"`{one.default}`" if one.default else "unset"
        rows.append((f"`{one.name}`", default, one.kind.name, one.meaning, "acts" if one.acts else "shown"))
    return _table(rows)


TABLES = {
    "options": ("cli.md", options),
    "fields": ("specs.md", fields),
    "variables": ("settings.md", variables),
}


def placed(name: str, text: str) -> str:
    """Return a page with the table put between its two marks."""
    mark = f"<!-- table: {name} -->"
    return re.sub(f"{mark}.*?{mark}", lambda _: f"{mark}\n{TABLES[name][1]()}\n{mark}", text, flags=re.DOTALL)


def _keyword(one: Option) -> str:
    return f"{one.name}=False" if one.form == "flag" and one.spelled.startswith("--no-") else one.name


def _takes(one: Option) -> str:
    if one.form == "flag":
        return "true or false"
    if one.form == "pairs":
        return "a table of strings"
    return "a list of strings" if one.several else "a string"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |").replace("|  |", "| |") for line in lines)


if __name__ == "__main__":
    for name, (page, _) in TABLES.items():
        (DOCS / page).write_text(placed(name, (DOCS / page).read_text(encoding="utf-8")), encoding="utf-8")
