"""Placeholders as a spec writes them, and what an unknown name was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec.structs import replace
from packaging.utils import canonicalize_name

from venvkit.lint.findings import Finding
from venvkit.spec.engine_values import EngineTable

# Below this, two names have little to do with one another.
_LIKENESS = 0.75


def placeholder(engine: str) -> str:
    """Return the placeholder of an engine's packages.

    >>> placeholder("llama.cpp")
    '#llama_cpp_dependencies#'
    """
    return f"#{canonicalize_name(engine).replace('-', '_')}_dependencies#"


def better_placeholder(fault: Finding, text: str, engines: EngineTable) -> Finding:
    """Return the finding for a faulty line, told as an unknown placeholder where it is one."""
    head = text.partition(";")[0].strip()
    if fault.code != "requirement-invalid" or not head.startswith("#") or "placeholder" not in fault.what:
        return fault
    if head.strip("#").strip().rstrip("_").lower() == "system":
        remedy = "name the distribution: `#system_NAME#`"
    else:
        known = [placeholder(engine.name) for engine in engines.engines]
        near = nearest(head.lower(), known)
        remedy = f"did you mean `{near}`?" if near else "known are `#system_NAME#` and `#ENGINE_dependencies#`"
    return replace(fault, code="placeholder-unknown", what=f"`{head}` is no placeholder", remedy=remedy)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name nearest to one that is unknown, or None."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=_LIKENESS)), None)
