"""The rules of collection: what goes, decided over one reading of the store. A new rule is a function in `RULES`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from msgspec import Struct

from venvkit.errors import UsageError
from venvkit.store.disk.usage import Held, Usage
from venvkit.store.look.shells import Shell
from venvkit.store.look.survey import StoredEnvironment, Survey


class Wish(Struct, frozen=True):
    """What a collection is asked to do; by default it removes what no shell and no kept generation wants.

    Args:
        older_than: Also drop shells not used for that many seconds.
        max_size: Also drop generations, then shells, the least recently used first, until the environments hold at
            most that many bytes on the disk.
        keep_last: How many generations of each shell are kept, the one in force among them; None: three.
        keep: Models, shells or environments that stay, by name or path.
        foreign: Delete what was moved aside.
        dry_run: Decide and report, and remove nothing.
    """

    older_than: float | None = None
    max_size: int | None = None
    keep_last: int | None = None
    keep: tuple[str, ...] = ()
    foreign: bool = False
    dry_run: bool = False


class Verdict:
    """What goes: shells and environments, each with the reason. The rules add to it."""

    def __init__(self, found: Survey, usage: Usage, wish: Wish, now: float) -> None:
        self.found = found
        self.usage = usage
        self.wish = wish
        self.now = now
        self.shells: dict[Path, str] = {}
        self.environments: dict[Path, str] = {}
        self._wants = {shell.path: shell.wants(wish.keep_last, found.environments) for shell in found.shells}
        self._wanted = Counter(path for wants in self._wants.values() for path in wants)

    def drop_shell(self, shell: Shell, why: str) -> list[Path]:
        """Have a shell go, and return the environments that nobody wants any more."""
        self.shells[shell.path] = why
        self._wanted.subtract(self._wants[shell.path])
        return [path for path in sorted(self._wants[shell.path]) if not self._wanted[path]]

    def drop(self, environment: Path, why: str) -> bool:
        """Have an environment go, if it may; returns whether it goes by that."""
        item = self.found.environments.get(environment)
        if item is None or environment in self.environments or not self._may_go(item):
            return False
        self.environments[environment] = why
        return True

    def unwanted(self) -> Iterator[Path]:
        """Yield the environments that no shell wants which stays."""
        return (path for path in self.found.environments if not self._wanted[path])

    def droppable(self) -> Iterator[Shell]:
        """Yield the shells that may still go, the least recently used first: not kept by name, and not in use."""
        for shell in sorted(self.found.shells, key=self.found.last_use):
            used = shell.path in self.found.running or any(map(self.found.is_used, shell.in_force))
            kept = self._is_kept(shell) or any(path.name in self.wish.keep for path in shell.in_force)
            if shell.mark is not None and shell.path not in self.shells and not used and not kept:
                yield shell

    def former(self) -> list[Path]:
        """Return the environments that shells keep for a rollback only, the least recently used first."""
        fixed: set[Path] = set()
        for shell in self.found.shells:
            if shell.path not in self.shells:
                fixed |= self._wants[shell.path] if self._is_kept(shell) else shell.in_force
        former = [item for item in self.found.environments.values() if item.path not in fixed]
        return [item.path for item in sorted(former, key=lambda item: item.used) if self._wanted[item.path]]

    def _is_kept(self, shell: Shell) -> bool:
        return str(shell.path) in self.wish.keep or shell.model in self.wish.keep

    def _may_go(self, item: StoredEnvironment) -> bool:
        keep = self.wish.keep
        named = item.path.name in keep or str(item.path) in keep
        return item.state == "sealed" and not self.found.is_used(item.path) and not named


def decide(found: Survey, usage: Usage, wish: Wish, now: float) -> Verdict:
    """Return what goes.

    Args:
        usage: What the environments cost on the disk.
        now: Seconds since the epoch.

    Raises:
        UsageError: Nothing of the store has a name that is to be kept (`keep-unknown`).
    """
    _check_names(found, wish.keep)
    verdict = Verdict(found, usage, wish, now)
    for rule in RULES:
        rule(verdict)
    return verdict


def _check_names(found: Survey, keep: tuple[str, ...]) -> None:
    names = {name for shell in found.shells for name in (shell.model, str(shell.path))}
    names |= {name for path in found.environments for name in (path.name, str(path))}
    for name in keep:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            raise UsageError(
                f"there is nothing called {name!r} to keep",
                code="keep-unknown",
                where="--keep",
                remedy=f"did you mean {near[0]!r}?" if near else "`venvkit list` shows the models",
            )


def _not_used_for_long(verdict: Verdict) -> None:
    if verdict.wish.older_than is None:
        return
    for shell in list(verdict.droppable()):
        age = verdict.now - verdict.found.last_use(shell)
        if age > verdict.wish.older_than:
            verdict.drop_shell(shell, f"not used for {age / 86400:.1f} days")


def _not_wanted(verdict: Verdict) -> None:
    for path in list(verdict.unwanted()):
        verdict.drop(path, "no shell wants it")


def _too_large(verdict: Verdict) -> None:
    """Drop more, the least recently used first, until what stays fits: former generations, then whole shells."""
    most = verdict.wish.max_size
    if most is None:
        return
    held = Held(verdict.usage, (path for path in verdict.found.environments if path not in verdict.environments))

    def drop(path: Path, why: str) -> None:
        if verdict.drop(path, why):
            held.drop(path)

    for path in verdict.former():
        if held.size <= most:
            return
        drop(path, "the store is too large, and this is a former generation")
    for shell in list(verdict.droppable()):
        if held.size <= most:
            return
        for path in verdict.drop_shell(shell, "the store is too large, and this was not used for longest"):
            drop(path, "its shells were dropped")


RULES = (_not_used_for_long, _not_wanted, _too_large)
