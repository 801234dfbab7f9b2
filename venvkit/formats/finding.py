"""A finding: one thing that a proof found. `build`, `check`, `plan` and `show` speak of the same value."""

from __future__ import annotations

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One thing that is not as it should be.

    Args:
        kind: What it is, stable. Of a plan: `violation`. Of the files: `spoilt`, `host-changed`, `file-changed`,
            `conflict`. Of shared objects: `unfit`, `system-library`. Of processes: `start`, `import-failed`.
            Of a shell: `shell-changed`.
            Of `check --repair`: `not-repaired`.
        message: It in one sentence.
        distribution: The distribution that it is about, as `name==version`; empty where it is about none.
        expected: What should be there.
        found: What is there.
        missing: Libraries and symbols that are nowhere; of symbols the first 20.
        needed_by: Who needs it: a chain of requirements from the model, or distributions as `name==version`.
        remedy: What settles it, such as the build that fits.
        grave: Whether it disproves the environment; otherwise it is known and only told.
    """

    kind: str
    message: str
    distribution: str = ""
    expected: str = ""
    found: str = ""
    missing: tuple[str, ...] = ()
    needed_by: tuple[str, ...] = ()
    remedy: str = ""
    grave: bool = True

    def __str__(self) -> str:
        return self.message
