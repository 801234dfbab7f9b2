"""One table of a run's results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.catalogue.planning import Record

_GB = 1e9


def render(records: Sequence[Record], expected: int) -> str:
    """Return the table, and below it what needs a look."""
    planned = [record for record in records if record["outcome"] == "planned"]
    return "\n".join([*_table(records, planned, expected), "", *_unplanned(records), *_notes(planned)])


def _table(records: Sequence[Record], planned: Sequence[Record], expected: int) -> list[str]:
    reasons = Counter(record["outcome"] for record in records if record["outcome"] != "planned")
    wall = sum(record["wall_s"] for record in planned)
    dry = sum(record["process_s"].get("dry-run", 0.0) for record in planned)
    quick = sum(record["resolves"] <= 2 for record in planned)
    built = [record for record in planned if "child" in record]
    names = sorted({line.partition("==")[0] for record in planned for line in record["host_broken"]})
    rows: list[tuple[str, object]] = [
        ("distinct sets of the selection", f"{len(records)} of {expected}"),
        ("planned", len(planned)),
        *((f"not planned: {reason}", count) for reason, count in sorted(reasons.items())),
        ("sets with a requirement of the model broken", _count(planned, "model_broken")),
        ("sets with an inherited distribution newly broken", f"{_count(planned, 'host_broken')} {', '.join(names)}"),
        ("sets whose plan reports something broken", _count(planned, "broken")),
        ("sets that hide / distributions hidden",
            f"{_count(planned, 'hidden')} / {sum(len(record['hidden']) for record in planned)}"),
        ("sets with another server in the child", _count(planned, "server")),
        ("sets that replace a build variant of the host", _count(planned, "variant")),
        ("sets where checker and plan disagree", _count(planned, "disagree")),
        ("sets with metadata the checker could not read", _count(planned, "unread")),
        ("download, GB", f"{sum(record['download'] for record in planned) / _GB:.1f}"),
        ("installed distributions of unknown size", sum(len(record["unsized"]) for record in planned)),
        ("installed distributions", sum(len(record["install"]) for record in planned)),
        ("inherited distributions", sum(len(record["inherit"]) for record in planned)),
        ("sets that shadow / hold / repair / relax", " / ".join(
            str(_count(planned, key)) for key in ("shadow", "held", "repaired", "relaxed"))),
        ("sets that leave out an optional requirement", _count(planned, "absent")),
        ("sets with a source build", _count(planned, "builds")),
        ("sets in at most two resolves", f"{quick} ({_share(quick, len(planned))})"),
        ("resolves", dict(sorted(Counter(record["resolves"] for record in planned).items()))),
        ("planning time / uv dry-runs, s", f"{wall:.0f} / {dry:.0f} = {wall / dry if dry else 0:.2f}"),
        ("distributions without a reason", sum(len(record["no_reason"]) for record in planned)),
        ("real children built / with findings", f"{len(built)} / {_count(built, 'child_broken')}"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {value}".rstrip() for name, value in rows]


def _unplanned(records: Iterable[Record]) -> list[str]:
    lines = []
    for record in records:
        if record["outcome"] != "planned":
            lines.append(f"{record['outcome']}: {_label(record)}: {record['error']}")
            lines += [f"    {line[:240]}" for line in record["details"][:3]]
    return lines


def _notes(planned: Iterable[Record]) -> list[str]:
    lines = []
    for record in planned:
        for key in ("model_broken", "server", "host_broken", "disagree", "no_reason", "child_broken"):
            lines += [f"{key}: {_label(record)}: {line[:240]}" for line in record.get(key, ())[:6]]
    return lines


def _label(record: Record) -> str:
    return f"{record['id']} {record['model']}/{record['engine'] or '-'}"


def _count(records: Iterable[Record], key: str) -> int:
    return sum(bool(record.get(key)) for record in records)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
