"""Names that nothing stands behind: placeholders, variables and engines, each with the nearest that is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from venvkit.lint.findings import Finding, finding
from venvkit.lint.placeholders import nearest, placeholder
from venvkit.lint.subjects import Condition, Subject
from venvkit.spec.engine_values import EngineTable
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.marker import Marker
from venvkit.spec.language.nodes import DEVICE_NAMES, ENGINE_NAMES, FLAG_NAMES, TEXT_NAMES, VERSION_NAMES

_PLAIN_NAMES = (*sorted(ENGINE_NAMES), *sorted(DEVICE_NAMES | FLAG_NAMES | VERSION_NAMES | TEXT_NAMES))


def unknown_names(subject: Subject, engines: EngineTable, variables: Collection[str]) -> Iterator[Finding]:
    """Yield the names of a spec that nothing stands behind.

    Args:
        variables: Names of the `#variables#` that have a value, without the hashes.
    """
    for number, line in enumerate(subject.lines):
        if line.kind == "engine" and engines.find(line.name) is None:
            near = engines.nearest(line.name)
            remedy = f"did you mean `{placeholder(near)}`?" if near else "add the engine to your own engine data"
            what = f"the engine data has no packages for `{placeholder(line.name)}`"
            yield finding("placeholder-unknown", subject.line_spot(number), what, remedy)
    told: set[str] = set()
    for condition in subject.conditions():
        for name in sorted(unknown_variables(condition.marker, variables)):
            yield _unknown_variable(subject, condition, name, variables)
        for name in sorted(condition.marker.engines()):
            # Once for a spec: all of its lines may be for an engine of somebody's own.
            if name.strip() and engines.find(name) is None and engine_key(name) not in told:
                told.add(engine_key(name))
                yield _unknown_engine(subject, condition, name, engines)


def unknown_variables(marker: Marker, variables: Collection[str]) -> frozenset[str]:
    """Return the `#variables#` of a marker that nothing gives a value to."""
    own = frozenset(name for name in marker.names() - ENGINE_NAMES if name.startswith("#"))
    return own - {f"#{name}#" for name in variables}


def _unknown_variable(subject: Subject, condition: Condition, name: str, variables: Collection[str]) -> Finding:
    near = nearest(name.lower(), [*_PLAIN_NAMES, *(f"#{one}#" for one in variables)])
    remedy = f"did you mean `{near}`?" if near else f"correct the name, or declare it with --var {name.strip('#')}"
    what = f"nothing gives the variable `{name}` of the marker `{condition.marker}` a value"
    return finding("marker-unknown", subject.at(condition.place), what, remedy)


def _unknown_engine(subject: Subject, condition: Condition, name: str, engines: EngineTable) -> Finding:
    near = engines.nearest(name)
    remedy = f"did you mean `{near}`?" if near else "correct the name, or add the engine to your own engine data"
    what = f"no engine data knows the engine `{name}`, so that nothing but the spec's own lines is installed for it"
    return finding("engine-unknown", subject.at(condition.place), what, remedy)
