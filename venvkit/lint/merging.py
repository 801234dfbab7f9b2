"""Lines that other lines make void, engines without a package, and models that are there twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from venvkit.lint.findings import Finding, finding
from venvkit.lint.placeholders import placeholder
from venvkit.lint.subjects import Subject
from venvkit.lint.worlds import Worlds
from venvkit.spec.engine_values import Engine
from venvkit.spec.language.compare import engine_key
from venvkit.spec.language.nodes import ENGINE_NAMES, All, AnyOf, Comparison, Node, Not
from venvkit.spec.language.requirement import Line, parse_line
from venvkit.spec.levers import parse_lever
from venvkit.spec.request import spec_engines

_ANY_ENGINE = ("venvkit-other", frozenset[str]())
# What tells the variants of one model apart, beside what they ask for.
_TELLING = ("engine", "model_format", "quantization")
_TYPES = frozenset({"llm", "embedding", "rerank", "image", "audio", "video", "flexible", "world"})


# Of one name, so many of the last lines are compared with the earlier ones.
_MOST_LATER = 30


class _Entry(Struct, frozen=True):
    """A requirement with its whole condition.

    Args:
        number: The line of the packages that it comes from.
        root: Its condition, None without one.
        text: The requirement as it is told.
        own: It is that line itself, and not a package that the line's placeholder stands for.
    """

    number: int
    name: str
    root: Node | None
    text: str
    own: bool


def void_lines(subject: Subject, worlds: Worlds) -> Iterator[Finding]:
    """Yield the lines that never take effect because of others: the later of one name counts."""
    entries = [entry for number, line in enumerate(subject.lines) for entry in _entries(number, line, worlds)]
    named: dict[str, list[_Entry]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    excluded = [parse_lever("excludes", text, place="") for text in subject.spec.levers.excludes]
    for entry in entries:
        if not entry.own or worlds.exhausted or worlds.never(entry.root):
            continue
        later = [one for one in named[entry.name][-_MOST_LATER:] if one.number > entry.number]
        spot = subject.line_spot(entry.number)
        if (other := _replacing(entry, later, worlds)) is not None:
            verb = "says the same" if other.text == entry.text else f"replaces it by `{other.text}`"
            what = f"`{entry.text}` never takes effect: {subject.line_spot(other.number).place} {verb}"
            remedy = "the later line of a name counts: remove one of them, or give them different conditions"
            yield finding("line-replaced", spot, what, remedy)
        elif any(
            name == entry.name and _covered(entry.root, [marker.root if marker else None], worlds)
            for name, marker in excluded
        ):
            what = f"`{entry.text}` never takes effect: virtualenv.excludes names it"
            yield finding("line-excluded", spot, what, "remove the line, or the entry of `excludes`")


def engines_without_packages(subject: Subject, worlds: Worlds) -> Iterator[Finding]:
    """Yield the engines that lines are written for although nothing brings the engine itself."""
    for name in spec_engines(subject.spec, worlds.engines):
        engine = worlds.engines.find(name)
        if engine is None or not engine.packages or not _meant_for(subject, engine, worlds):
            continue
        if not any(_brings(line, engine, worlds) for line in subject.lines):
            what = f"lines are written for the engine {engine.name}, and none brings a package of it"
            remedy = f'add `{placeholder(engine.name)} ; #engine# == "{engine.name}"`'
            yield finding("engine-packages", subject.at("virtualenv.packages"), what, remedy)


def duplicates(subjects: Iterable[Subject]) -> Iterator[Finding]:
    """Yield the models that are there once more: same type, name and block, and nothing to tell them apart."""
    seen: dict[str, Subject] = {}
    for subject in subjects:
        telling = [subject.table.get(field) for field in _TELLING]
        key = repr((_type(subject), subject.spec.name, telling, subject.table.get("virtualenv")))
        first = seen.setdefault(key, subject)
        if first is not subject:
            what = f"the model `{subject.spec.name}` is already in {first.spot.document}, with the same block"
            yield finding("model-duplicate", subject.at("model_name"), what, "remove one of them")


def _entries(number: int, line: Line, worlds: Worlds) -> Iterator[_Entry]:
    own = line.marker.root if line.marker else None
    if line.requirement is not None:
        text = f"#system_{line.name}#" if line.kind == "system" else str(line.requirement)
        yield _Entry(number, line.name, own, text, own=True)
        return
    engine = worlds.engines.find(line.name)
    for package in engine.packages if engine else ():
        inner = parse_line(package, place="")
        launched = Comparison("#engine#", "==", engine.name if engine else "")
        parts = (launched, own, inner.marker.root if inner.marker else None)
        root = All(tuple(part for part in parts if part is not None))
        yield _Entry(number, inner.name, root, str(inner.requirement), own=False)


def _replacing(entry: _Entry, later: list[_Entry], worlds: Worlds) -> _Entry | None:
    """Return the entry that stands wherever an earlier one does; the last of them where it takes several."""
    for other in reversed(later):
        if not _apart(entry, other, worlds) and _covered(entry.root, [other.root], worlds):
            return other
    together = [other for other in later if not _apart(entry, other, worlds)]
    covered = len(together) > 1 and _covered(entry.root, [one.root for one in together], worlds)
    return together[-1] if covered else None


def _apart(one: _Entry, other: _Entry, worlds: Worlds) -> bool:
    """Tell whether two entries are for different engines, as can be told without asking what markers can say."""
    mine, theirs = _engine_of(one.root, worlds), _engine_of(other.root, worlds)
    return mine is not None and theirs is not None and mine != theirs


def _engine_of(root: Node | None, worlds: Worlds) -> str | None:
    """Return the engine without which a condition does not hold; None where no part says so by itself."""
    for part in root.parts if isinstance(root, All) else (root,):
        if isinstance(part, Comparison) and part.name in ENGINE_NAMES and part.op == "==":
            return engine_key(worlds.launch(part.literal)[0] or "")
        if isinstance(part, All) and (inner := _engine_of(part, worlds)) is not None:
            return inner
    return None


def _covered(root: Node | None, others: list[Node | None], worlds: Worlds) -> bool:
    """Tell whether one of the others certainly holds wherever a condition does."""
    stated = tuple(other for other in others if other is not None)
    if len(stated) < len(others) or root in stated:
        return True
    uncovered = Not(AnyOf(stated))
    return worlds.never(uncovered if root is None else All((root, uncovered)))


def _meant_for(subject: Subject, engine: Engine, worlds: Worlds) -> bool:
    """Tell whether a line applies under the engine and not under whatever other one."""
    launch, key = worlds.launch(engine.name), engine_key(engine.name)
    for line in subject.lines:
        named = {engine_key(worlds.launch(name)[0] or "") for name in line.marker.engines()} if line.marker else set()
        if line.marker is None or key not in named:
            continue
        if not worlds.never(line.marker.root, launch) and worlds.never(line.marker.root, _ANY_ENGINE):
            return True
    return False


def _brings(line: Line, engine: Engine, worlds: Worlds) -> bool:
    if line.marker is not None and worlds.never(line.marker.root, worlds.launch(engine.name)):
        return False
    key = engine_key(engine.name)
    if line.requirement is None:
        return engine_key(worlds.launch(line.name)[0] or "") == key
    # Other distributions serve an engine, too: `mlx-audio` is one of mlx, and so is `asr[mlx]`.
    named = f"-{key}-" in f"-{line.name}-" or key in line.requirement.extras
    return named or line.name in {parse_line(package, place="").name for package in engine.packages}


def _type(subject: Subject) -> str:
    """Return the model's type: as it says itself, else by the folder, as the server keeps its models."""
    folders = (part.lower() for part in reversed(Path(subject.spot.file).parts[:-1]))
    return subject.spec.type.lower() or next((part for part in folders if part in _TYPES), "")
