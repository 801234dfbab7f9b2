"""Findings of lint, each with a stable code, a place and a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Severity = Literal["error", "warning"]

# Code -> severity. A code that is not here is the code of an error of the spec itself, always an error.
SEVERITIES: dict[str, Severity] = {
    "placeholder-unknown": "error",
    "marker-unknown": "error",
    "engine-unknown": "warning",
    "marker-false": "error",
    "marker-true": "warning",
    "head-never-applies": "error",
    "specifier-empty": "error",
    "line-replaced": "warning",
    "line-excluded": "warning",
    "engine-packages": "warning",
    "model-duplicate": "warning",
    "release-missing": "error",
    "not-checked": "warning",
}
# Says nothing about the spec, so no strictness makes an error of it.
_NEVER_ERRORS = frozenset({"not-checked"})


class Spot(Struct, frozen=True):
    """A place in a file of specs.

    Args:
        file: The file, as it was named.
        index: The position of the object in the file, from 0; None where the file is one object.
        place: The field inside the object: `virtualenv.packages[3]`; empty for the object as a whole.
        line: The line of a JSON file, from 1; None where it is not known.
    """

    file: str
    index: int | None = None
    place: str = ""
    line: int | None = None

    @property
    def document(self) -> str:
        """The file, and the object in it: `models.json[2]`."""
        return self.file if self.index is None else f"{self.file}[{self.index}]"

    def __str__(self) -> str:
        text = f"{self.document}: {self.place}" if self.place else self.document
        return text if self.line is None else f"{text} (line {self.line})"


class Finding(Struct, frozen=True):
    """One thing that is wrong, or probably not meant.

    Args:
        code: Stable, kebab-case: one of `SEVERITIES`, or that of an error of the spec itself.
        severity: `error` for what cannot work, `warning` for what hardly was meant.
    """

    code: str
    severity: Severity
    spot: Spot
    what: str
    remedy: str


def finding(code: str, spot: Spot, what: str, remedy: str, *, severity: Severity | None = None) -> Finding:
    """Return a finding, of the severity that its code has unless another is given."""
    return Finding(code, severity or SEVERITIES.get(code, "error"), spot, what, remedy)


def strict(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings with warnings made errors, save those that only say what was not looked at."""
    return tuple(one if one.code in _NEVER_ERRORS else replace(one, severity="error") for one in findings)
