"""Conditions that do not decide anything: never true, always true, or never true where their line has a meaning."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from venvkit.lint.findings import Finding, finding
from venvkit.lint.names import unknown_variables
from venvkit.lint.placeholders import placeholder
from venvkit.lint.subjects import Condition, Subject
from venvkit.lint.versions import contradicts_itself
from venvkit.lint.worlds import Worlds
from venvkit.spec.language.nodes import DEVICE_NAMES, ENGINE_NAMES, All, Node
from venvkit.spec.language.urls import quoted

# What people get wrong about a variable, told where a comparison with it cannot hold.
_HINTS = (
    (ENGINE_NAMES, "one engine is launched: join engines by `or`"),
    (frozenset({"extra"}), "a spec has no extras: write them in the requirement, as `name[extra]`"),
    (
        frozenset({"platform_machine"}),
        "a 64-bit ARM machine is `arm64` on macOS and `aarch64` on Linux, another `x86_64` on both",
    ),
    (frozenset({"sys_platform"}), "it is `linux`, `darwin` or `win32`"),
    (frozenset({"platform_system"}), "it is `Linux`, `Darwin` or `Windows`"),
    (frozenset({"platform_python_implementation"}), "it is `CPython` or `PyPy`"),
    (frozenset({"python_version", "python_full_version"}), "Python 3.8 is the oldest that a host can have"),
    (DEVICE_NAMES, "without a CUDA device every comparison with it is false"),
)
# Of a longer marker, no two parts are looked for that exclude each other.
_MOST_PARTS = 50
_PLAIN = "correct the marker, or remove what it belongs to"


def idle_conditions(subject: Subject, worlds: Worlds, variables: Collection[str]) -> Iterator[Finding]:
    """Yield the conditions of a spec that certainly decide nothing, and specifiers that nothing satisfies."""
    for condition in subject.conditions():
        if not unknown_variables(condition.marker, variables):
            yield from _idle(subject, condition, worlds)
    for number, line in enumerate(subject.lines):
        if line.requirement is not None and contradicts_itself(line.requirement.specifier):
            what = f"no version satisfies `{line.requirement}`"
            yield finding("specifier-empty", subject.line_spot(number), what, "correct the bounds")


def _idle(subject: Subject, condition: Condition, worlds: Worlds) -> Iterator[Finding]:
    marker, spot = condition.marker, subject.at(condition.place)
    if worlds.never(marker.root):
        culprit = _culprit(marker.root, worlds)
        why = "" if culprit == marker.root else f", for {quoted(str(culprit))} never holds"
        yield finding("marker-false", spot, f"the marker {quoted(str(marker))} is never true{why}", _hint(culprit))
        return
    if worlds.always(marker.root):
        what = f"the marker {quoted(str(marker))} is always true"
        yield finding("marker-true", spot, what, "remove the marker, or correct it")
        return
    line = condition.line
    engine = worlds.engines.find(line.name) if line is not None and line.kind == "engine" else None
    if engine is not None and worlds.never(marker.root, worlds.launch(engine.name)):
        head = placeholder(engine.name)
        never = f"where {quoted(str(marker))} is never true"
        what = f"`{head}` stands for something only when {engine.name} is launched, {never}"
        remedy = f'write `{head} ; #engine# == "{engine.name}"`, or name the engine that is meant'
        yield finding("head-never-applies", spot, what, remedy)


def _culprit(root: Node, worlds: Worlds) -> Node:
    """Return the smallest part of a condition that is enough to make it impossible."""
    if not isinstance(root, All) or len(root.parts) > _MOST_PARTS:
        return root
    for count in (1, 2):
        for parts in itertools.combinations(root.parts, count):
            part = parts[0] if count == 1 else All(parts)
            if worlds.never(part):
                return part
    return root


def _hint(culprit: Node) -> str:
    leaves = tuple(culprit.walk())
    names = {leaf.name for leaf in leaves}
    # Bounds of one variable that exclude one another speak for themselves; among three it is not known which is wrong.
    telling = len(names) == len(leaves) <= 2 or names <= ENGINE_NAMES
    hints = (hint for group, hint in _HINTS if names & group)
    return next(hints, _PLAIN) if telling else _PLAIN
