"""Parsed markers: frozen nodes that evaluate themselves in a context and print themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct, field
from packaging.utils import canonicalize_name

from venvkit.errors import SpecError
from venvkit.spec.language.compare import (
    compare_cuda_arch,
    compare_cuda_version,
    compare_engine,
    compare_text,
    compare_variable,
    compare_version_or_text,
    engine_key,
    tokens,
)

ENGINE_NAMES = frozenset({"#engine#", "#model_engine#"})
FLAG_NAMES = frozenset({"has_cuda", "has_npu"})
DEVICE_NAMES = frozenset({"cuda_version", "cuda_arch"})
VERSION_NAMES = frozenset({"python_version", "python_full_version", "implementation_version", "platform_release"})
TEXT_NAMES = frozenset({
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_system",
    "platform_version", "implementation_name", "extra",
})  # fmt: skip


class AcceleratorFacts(Protocol):
    """The machine's devices, and the CUDA version ("13.0") and architecture ("sm_80") of its GPU."""

    @property
    def has_cuda(self) -> bool: ...
    @property
    def has_npu(self) -> bool: ...
    @property
    def has_rocm(self) -> bool: ...
    @property
    def cuda_version(self) -> str | None: ...
    @property
    def cuda_arch(self) -> str | None: ...


def _no_accelerator() -> AcceleratorFacts:
    raise NotImplementedError("no marker about devices is evaluated here")


class MarkerContext(Struct, frozen=True):
    """The environment in which markers are evaluated.

    Args:
        environment: The PEP 508 variables of the interpreter that is built for.
        engine: The engine being launched; None makes every comparison with an engine false.
        accelerator: Asked only when a marker about devices is really evaluated, because looking costs time.
        variables: Values of the `#name#` variables, by name without the hashes.
        engine_names: Further names of the launched engine.
    """

    environment: Mapping[str, str]
    engine: str | None = None
    accelerator: Callable[[], AcceleratorFacts] = _no_accelerator
    variables: Mapping[str, str] = field(default_factory=dict)
    engine_names: frozenset[str] = frozenset()


class Flag(Struct, frozen=True):
    """`has_cuda`, `has_npu`: a fact that stands alone."""

    name: str

    def evaluate(self, context: MarkerContext) -> bool:
        facts = context.accelerator()
        return facts.has_cuda if self.name == "has_cuda" else facts.has_npu

    def walk(self) -> Iterator[Flag | Comparison]:
        yield self

    def __str__(self) -> str:
        return self.name


class Comparison(Struct, frozen=True):
    """A variable against a quoted string; `flipped` when the string stands on the left."""

    name: str
    op: str
    literal: str
    flipped: bool = False

    def evaluate(self, context: MarkerContext) -> bool:
        if self.name in ENGINE_NAMES:
            if context.engine is None:
                return False
            names = {engine_key(name) for name in (context.engine, *context.engine_names)}
            return compare_engine(names, self.op, self.literal)
        if self.name in DEVICE_NAMES:
            return self._device(context.accelerator())
        if self.name.startswith("#"):
            return compare_variable(*self._sides(self._variable(context)))
        return self._standard(context)

    def _device(self, facts: AcceleratorFacts) -> bool:
        actual = facts.cuda_version if self.name == "cuda_version" else facts.cuda_arch
        if actual is None:
            return False  # absent: also `!=` is false, for there is nothing that could differ
        compare = compare_cuda_version if self.name == "cuda_version" else compare_cuda_arch
        return compare(actual, self.op, self.literal, flipped=self.flipped)

    def _variable(self, context: MarkerContext) -> str:
        try:
            return context.variables[self.name.strip("#")]
        except KeyError:
            raise unknown_name(self.name, str(self), "") from None

    def _standard(self, context: MarkerContext) -> bool:
        if self.name == "extra":
            left, op, right = self._sides(context.environment.get("extra", ""))
            return compare_text(canonicalize_name(left), op, canonicalize_name(right))
        try:
            actual = context.environment[self.name]
        except KeyError:
            raise unknown_name(self.name, str(self), "") from None
        compare = compare_version_or_text if self.name in VERSION_NAMES else compare_text
        return compare(*self._sides(actual))

    def _sides(self, actual: str) -> tuple[str, str, str]:
        return (self.literal, self.op, actual) if self.flipped else (actual, self.op, self.literal)

    def walk(self) -> Iterator[Flag | Comparison]:
        yield self

    def __str__(self) -> str:
        quote = "'" if '"' in self.literal else '"'
        literal = f"{quote}{self.literal}{quote}"
        left, right = (literal, self.name) if self.flipped else (self.name, literal)
        return f"{left} {self.op} {right}"


class Not(Struct, frozen=True):
    """The contrary of its part."""

    part: Node

    def evaluate(self, context: MarkerContext) -> bool:
        return not self.part.evaluate(context)

    def walk(self) -> Iterator[Flag | Comparison]:
        yield from self.part.walk()

    def __str__(self) -> str:
        return f"not ({self.part})" if isinstance(self.part, (All, AnyOf)) else f"not {self.part}"


class _Several(Struct, frozen=True):
    parts: tuple[Node, ...]

    def walk(self) -> Iterator[Flag | Comparison]:
        for part in self.parts:
            yield from part.walk()


class All(_Several, frozen=True):
    """Every part holds; the later ones are not looked at once one does not."""

    def evaluate(self, context: MarkerContext) -> bool:
        return all(part.evaluate(context) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


class AnyOf(_Several, frozen=True):
    """At least one part holds; the later ones are not looked at once one does."""

    def evaluate(self, context: MarkerContext) -> bool:
        return any(part.evaluate(context) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(str(part) for part in self.parts)


Node = Flag | Comparison | Not | All | AnyOf
# A comparison without a meaning: its `and` or `or` goes on without it, and alone it holds.
IGNORED: Node = All(())


class Marker(Struct, frozen=True):
    """A parsed marker; `str()` gives text that parses to an equal one."""

    root: Node

    def evaluate(self, context: MarkerContext) -> bool:
        """Tell whether the marker holds in `context`.

        Raises:
            SpecError: It names a variable that the context has no value for (`marker-unknown`).
        """
        return self.root.evaluate(context)

    def names(self) -> frozenset[str]:
        """Return the variables it uses, as written: `#engine#`, `cuda_version`, `sys_platform`."""
        return frozenset(leaf.name for leaf in self.root.walk())

    def engines(self) -> frozenset[str]:
        """Return the engine names that it compares the launched engine with, as written."""
        found: set[str] = set()
        for leaf in self.root.walk():
            if isinstance(leaf, Comparison) and leaf.name in ENGINE_NAMES:
                found.update(tokens(leaf.literal) if leaf.op in ("in", "not in") else (leaf.literal,))
        return frozenset(found)

    def __str__(self) -> str:
        return str(self.root)


def unknown_name(name: str, text: str, place: str, remedy: str = "") -> SpecError:
    """Return the error for a variable that nothing gives a value to."""
    if not remedy and name.startswith("#"):
        remedy = f"pass a value for {name.strip('#')}, or correct the name"
    return SpecError(
        f"unknown variable `{name}` in the marker `{text}`", code="marker-unknown", where=place, remedy=remedy
    )
