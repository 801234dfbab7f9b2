"""The store as a program sees it. The command line uses nothing else of it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from venvkit.api.results import Collection, Histories, Places, Removal, RolledBack, Verdicts
from venvkit.errors import UsageError
from venvkit.events import Observer, guarded
from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.given import is_path
from venvkit.settings import load_settings
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import holders
from venvkit.store.look.inventory import Entry, ambiguous, entries, find_entries

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices


class Store:
    """The environments below one home.

    Of a `model`, its name or the path of a spec, `engine` and `python` (a version such as `3.11.7`, the head of one,
    or the path of an interpreter) tell the environments apart.

    Args:
        home: XINFERENCE_HOME; None takes the one of the settings.

    Raises:
        SettingError: A variable is malformed.

    Example:
        >>> store = Store("/nowhere")
        >>> store.list().entries
        ()
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        environ = dict(os.environ)
        if home is not None:
            environ["XINFERENCE_HOME"] = os.fspath(home)
        self._settings = load_settings(environ)
        self.layout = Layout(Path(self._settings.home), soft=self._settings.lock == "soft")

    def __repr__(self) -> str:
        return f"Store({str(self.layout.home)!r})"

    def list(self, model: str | None = None, *, engine: str | None = None, python: str | None = None) -> Places:
        """Return the models of the store, foreign directories at a model's place among them.

        Raises:
            UsageError: The store has none of this model (`model-not-built`), or its spec is faulty.
        """
        return Places(self.layout.root, self._chosen(model, engine, python))

    def find(self, model: str, *, engine: str | None = None, python: str | os.PathLike[str] | None = None) -> Entry:
        """Return the one environment of a model.

        Raises:
            UsageError: There is none (`model-not-built`), or more than one (`model-ambiguous`).
        """
        found = self._chosen(model, engine, None if python is None else os.fspath(python))
        found = tuple(entry for entry in found if entry.state != "foreign") or found
        if len(found) != 1:
            raise ambiguous(model, found)
        return found[0]

    def answer(self, model: str, choices: Choices) -> Entry | None:
        """Return the place that answered this very request, as long as it still leads to the same environment."""
        call = Call(model, choices, self._settings, dict(os.environ))
        recorded = read_entry(str(self.layout.request(call.key())))
        if recorded is None:
            return None
        facts = recorded["facts"]
        wanted = (Path(facts["shell"]), Path(facts["path"]))
        try:
            found = self._chosen(facts["model"], facts["engine"], None)
        except UsageError:
            return None
        return next((entry for entry in found if (entry.path, entry.environment) == wanted), None)

    def users(self, entry: Entry) -> tuple[int, ...]:
        """Return the pids of the processes that use an environment, as far as the system tells."""
        if not entry.in_use or entry.environment is None:
            return ()
        return holders(self.layout.lease(entry.environment.name))

    def check(
        self,
        model: str | None = None,
        *,
        engine: str | None = None,
        python: str | None = None,
        repair: bool = False,
        quick: bool = False,
        observer: Observer | None = None,
        cancel: threading.Event | None = None,
    ) -> Verdicts:
        """Prove environments again, against the host and the files as they are now.

        Args:
            model: None checks all of the store.
            repair: Rebuild each environment that is not proved.
            quick: Compare the sizes of files in place of their digests.
            observer: Receives the events of the rebuilds.
            cancel: Set it to stop.

        Raises:
            UsageError: As `list`.
            CancelledError: `cancel` was set.
        """
        from venvkit.launch.examine import Examiner

        examiner = Examiner(self.layout, self._settings, cancel or threading.Event(), quick=quick)
        found = self._asked(model, engine, python)
        return Verdicts(examiner.repair(found, guarded(observer)) if repair else examiner.examine(found))

    def remove(self, model: str | None, *, engine: str | None = None, python: str | None = None) -> Removal:
        """Remove the environments of a model; one that is in use stays, and is in the result's `refused`.

        Args:
            model: None removes all that is venvkit's.

        Raises:
            UsageError: As `list`.
            MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
        """
        from venvkit.store.change.remove import remove

        removed, refused = remove(self.layout, self._asked(model, engine, python))
        self.layout.prune_empty()
        return Removal(removed, refused)

    def gc(
        self,
        *,
        older_than: float | None = None,
        max_size: int | None = None,
        keep_last: int | None = None,
        keep: tuple[str, ...] = (),
        foreign: bool = False,
        cache: bool = False,
        dry_run: bool = False,
    ) -> Collection:
        """Remove what no model wants any more, and what dead processes left; what is in use stays.

        Args:
            older_than: Also drop models that were not used for that many seconds.
            max_size: Also drop the least recently used, until the environments hold at most that many bytes.
            keep_last: How many environments of each model are kept, at least 1; None: three.
            keep: Models, shells or environments that stay, by name or path.
            foreign: Delete what was moved aside.
            cache: Prune uv's cache as well.
            dry_run: Decide and report, and remove nothing.

        Raises:
            UsageError: Nothing of the store has a name that is to be kept (`keep-unknown`).
            MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
        """
        from venvkit.store.collect.gc import collect
        from venvkit.store.collect.rules import Wish

        report = collect(self.layout, Wish(older_than, max_size, keep_last, tuple(keep), foreign, dry_run))
        pruned = None
        if cache and not dry_run:
            from venvkit.store.collect.cache import prune_cache

            pruned = prune_cache(self.layout, self._settings.timeout)
        if not dry_run:
            self.layout.prune_empty()
        return Collection(report, max_size, dry_run, pruned)

    def history(self, model: str, *, engine: str | None = None, python: str | None = None) -> Histories:
        """Return the environments that a model had and can go back to.

        Raises:
            UsageError: As `list`.
        """
        from venvkit.store.look.history import history

        found = self._ours(model, engine, python)
        return Histories(tuple((entry, history(self.layout, entry.path)) for entry in found))

    def rollback(
        self, model: str, to: str | None = None, *, engine: str | None = None, python: str | None = None
    ) -> RolledBack:
        """Put a former environment of a model in force again.

        Args:
            to: Its id, or the head of it; None takes the one before the one in force.

        Raises:
            UsageError: As `find`, or there is no such environment (`no-generation`).
            ProofError: It cannot be used any more (`generation-spoilt`).
            MachineError: The store cannot be written (`home-unwritable`, `disk`, `disk-space`).
        """
        from venvkit.store.change.rollback import rollback

        entry = self.find(model, engine=engine, python=python)
        return RolledBack(entry, *rollback(self.layout, entry.path, to))

    def _chosen(self, model: str | None, engine: str | None, python: str | None) -> tuple[Entry, ...]:
        if model is None:
            return tuple(entries(self.layout, engine=engine, python=python))
        names: tuple[str, ...] = (model,)
        if is_path(model):
            from venvkit.spec.model import load_specs

            names = tuple(dict.fromkeys(spec.name for spec in load_specs(model)))
        return tuple(entry for name in names for entry in find_entries(self.layout, name, engine, python))

    def _asked(self, model: str | None, engine: str | None, python: str | None) -> tuple[Entry, ...]:
        """Return what is asked for; foreign directories only where their name is."""
        return self._ours(None, engine, python) if model is None else self._chosen(model, engine, python)

    def _ours(self, model: str | None, engine: str | None, python: str | None) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._chosen(model, engine, python) if entry.state != "foreign")
