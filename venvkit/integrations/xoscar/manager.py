"""The virtual environment manager: xoscar's interface, venvkit's pipeline, at the place that the server names."""

from __future__ import annotations

import contextlib
import os
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xoscar.virtualenv.core import VirtualEnvManager

from venvkit.base.process import Runner
from venvkit.errors import BusyError, UsageError, VenvkitError
from venvkit.events import Observer
from venvkit.formats.entry import read_entry
from venvkit.integrations.xoscar.errors import InstallError
from venvkit.integrations.xoscar.furnish import furnish, withdraw
from venvkit.integrations.xoscar.progress import Reporter
from venvkit.integrations.xoscar.request import Place, Wish, call_of, own_environ, place_of, requirements_of
from venvkit.integrations.xoscar.state import is_current, read_state, state_of, write_state
from venvkit.launch.ensure import ensure, plan_call
from venvkit.launch.handle import Environment
from venvkit.launch.reading import read_data
from venvkit.launch.warm import answered_by
from venvkit.proof.integrity import intact
from venvkit.settings import load_settings
from venvkit.store.change.remove import remove_entry
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.lock.processes import running_from
from venvkit.store.look.inventory import find_entries
from venvkit.store.look.shells import shell_target
from venvkit.store.shell.foreign import move_foreign
from venvkit.store.shell.point import is_pointed
from venvkit.tools.uv.client import find_uv

# The worker's note that all is installed; while it matches, the worker asks the manager for nothing.
SETUP_DONE = ".xinference_setup_done"
_CANCEL_WAIT_S = 10.0


class VenvkitManager(VirtualEnvManager):
    """An environment of venvkit, behind the interface of xoscar's managers.

    The place is the model's shell: its interpreter is there, and stays the same, before anything is installed.

    Args:
        env_path: `XINFERENCE_HOME/virtualenv/v4/MODEL/ENGINE/VERSION`.
    """

    def __init__(self, env_path: Path) -> None:
        # As it was given: behind a link the name does not tell the home.
        self.env_path = Path(os.path.abspath(env_path))  # noqa: PTH100
        self._python: Path | None = None
        self._wish = Wish()
        self._cancel = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._lease: Lease | None = None
        self._planned: dict[str, str] = {}
        self._seen: frozenset[int] = frozenset()

    @classmethod
    def is_available(cls) -> bool:
        """Tell whether environments can be made on this system."""
        return os.name == "posix"

    def exists_env(self) -> bool:
        """Tell whether a virtual environment stands at the place, whoever made it."""
        return (self.env_path / "pyvenv.cfg").exists()

    def create_env(self, python_path: Path | None = None, exists: str = "ignore") -> None:
        """Make sure that the place has its interpreter, and lease the environment that stands behind it.

        An environment that stands there and is not ours is moved to `foreign/`.

        Args:
            python_path: The interpreter to use, by default the server's own.
            exists: What to do where an environment is there: `ignore` keeps it, `clear` removes it first, `error`
                raises.

        Raises:
            FileExistsError: One is there, and `exists` is `error`.
            InstallError: It cannot be made.
        """
        if exists not in ("error", "clear", "ignore"):
            raise ValueError(f"Invalid exists option: {exists}. Must be one of: error, clear, ignore")
        if self.exists_env() and exists == "error":
            raise FileExistsError(f"Virtual environment already exists at {self.env_path}")
        if exists == "clear":
            self.remove_env()
        self._python = python_path
        with _told():
            place = place_of(self.env_path)
            layout = _layout(place)
            self._seen = frozenset(running_from(self.env_path))
            self._take_lease(layout)
            state = read_state(self.env_path)
            if is_current(layout, self._shell, state):
                return
            if (state is not None and state.bare) or not self._stands():
                self._ensure(place, Wish(), Reporter())
            (self.env_path / SETUP_DONE).unlink(missing_ok=True)
            withdraw(Path(self.get_lib_path()))

    def install_packages(self, packages: list[str], **kwargs: Any) -> None:
        """Install packages, beside those of a former call, and point the place to the result.

        Args:
            packages: Strings of the requirement language, placeholders and markers included.
            kwargs: The options `index_url`, `extra_index_url`, `find_links`, `trusted_host`, `index_strategy`,
                `no_build_isolation`, `skip_installed` and `log`; every other keyword is the value of a `#variable#`.

        Raises:
            InstallError: It cannot be done, or was cancelled; what there was stays in force.
        """
        if not packages:
            return
        wish = Wish.of(packages, kwargs).after(self._wish)
        self._cancel.clear()
        self._idle.clear()
        try:
            with _told():
                place = place_of(self.env_path)
                former = shell_target(self.env_path)
                reporter = Reporter(Path(self.get_lib_path()), self._planned, log=bool(kwargs.get("log")))
                environment = self._ensure(place, wish, reporter)
                self._wish = wish
                if former is not None and former != environment.path:
                    self._refuse_early_processes()
        except BaseException:
            withdraw(Path(self.get_lib_path()))
            raise
        finally:
            self._idle.set()

    def cancel_install(self) -> None:
        """Stop an installation in progress, and wait until nothing of it runs any more."""
        if not self._idle.is_set():
            self._cancel.set()
            self._idle.wait(_CANCEL_WAIT_S)

    def get_python_path(self) -> str | None:
        """Return the interpreter of the place, the same before and after an installation."""
        python = self.env_path / "bin" / "python"
        return str(python) if self.env_path.exists() else None

    def get_lib_path(self) -> str:
        """Return the site-packages of the place."""
        scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
        return sysconfig.get_path("purelib", scheme, {"base": str(self.env_path)})

    def remove_env(self) -> None:
        """Remove the model's place, and its environment where no other model uses it.

        Raises:
            InstallError: A process runs from it.
        """
        if self._lease is not None:
            self._lease.close()
            self._lease = None
        if not self.env_path.exists():
            return
        with _told():
            place = place_of(self.env_path)
            layout = _layout(place)
            if shell_target(self.env_path) is None:
                move_foreign(layout, self.env_path)
                return
            for entry in find_entries(layout, place.model, place.engine or "default"):
                if entry.path == self._shell:
                    remove_entry(layout, entry)

    @staticmethod
    def process_packages(packages: list[str], **variables: Any) -> list[str]:
        """Return what packages require once placeholders and markers are done with.

        Raises:
            InstallError: One of them is malformed.
        """
        with _told():
            return _Processed(requirements_of(packages, variables), packages, variables)

    def _filter_packages_not_installed(self, packages: list[str], **sources: Any) -> list[str]:
        """Return what an installation would put into the environment, for the server's progress."""
        return self._plan(packages, {**sources, "skip_installed": True})

    def _resolve_install_plan(self, specs: list[str], _pinned: dict[str, str], **sources: Any) -> list[str]:
        """Return the same where nothing of the host is to be inherited."""
        return self._plan(specs, {**sources, "skip_installed": False})

    @staticmethod
    def _get_uv_path() -> str:
        """Return the uv that installs; the server asks for it to install further packages."""
        return find_uv(Runner(), os.environ).path

    @property
    def _shell(self) -> Path:
        """The place as the store names it: by its real path."""
        return Path(os.path.realpath(self.env_path))

    def _plan(self, packages: list[str], options: dict[str, Any]) -> list[str]:
        asked = packages
        if isinstance(packages, _Processed):
            asked, options = packages.asked, {**packages.variables, **options}
        with _told():
            call = call_of(place_of(self.env_path), Wish.of(asked, options).after(self._wish), self._python)
            if _known(call.settings.home, call.key()) is not None:
                self._planned = {}
            else:
                plan = plan_call(call, Reporter(), self._cancel).plan
                self._planned = {str(item.name): item.version for item in plan.install}
        return [f"{name}=={version}" for name, version in self._planned.items()]

    def _ensure(self, place: Place, wish: Wish, observer: Observer) -> Environment:
        """Return the environment of a wish, the place pointing to it, furnished and leased."""
        call = call_of(place, wish, self._python)
        key = call.key()
        environment = _known(call.settings.home, key) or ensure(call, key, observer, self._cancel)
        if environment.shell != self._shell:
            raise UsageError(
                f"the environment stands at {environment.shell}",
                code="place-unknown",
                where=str(self.env_path),
                remedy="use the place that belongs to the model, the engine and the interpreter's version",
            )
        receipt = environment.receipt
        assert receipt is not None
        self._take_lease(_layout(place))
        engine = read_data(call.settings)[0].find(place.engine) if place.engine else None
        furnish(Path(self.get_lib_path()), Path(receipt.site_packages), engine.edited if engine else ())
        write_state(self.env_path, state_of(call, key, bare=not wish.packages))
        return environment

    def _stands(self) -> bool:
        """Tell whether the place is a shell of ours that points to a whole environment."""
        target = shell_target(self.env_path)
        receipt = intact(target) if target is not None else None
        return receipt is not None and is_pointed(self.env_path, receipt)

    def _take_lease(self, layout: Layout) -> None:
        """Lease what the place points to, until the manager goes: the model's process takes its own when it starts."""
        target = shell_target(self.env_path)
        fresh = Lease(layout.lease(target.name)) if target is not None and target.exists() else None
        if self._lease is not None:
            self._lease.close()
        self._lease = fresh

    def _refuse_early_processes(self) -> None:
        """Refuse a launch whose process started before its packages were there.

        A launch over several workers starts the model's process before it installs anything.
        """
        early = sorted(set(running_from(self.env_path)) - self._seen)
        if early:
            raise BusyError(
                f"the model's process was started before its environment was there: pid {', '.join(map(str, early))}",
                code="started-early",
                where=str(self.env_path),
                remedy="launch the model again: the environment is there now",
            )


class _Processed(list[str]):
    """Requirements, and the packages and variables that they were made from."""

    def __init__(self, processed: list[str], asked: list[str], variables: dict[str, Any]) -> None:
        super().__init__(processed)
        self.asked = asked
        self.variables = variables


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Raise errors of venvkit in the form that xoscar's callers know."""
    try:
        yield
    except InstallError:
        raise
    except VenvkitError as error:
        raise InstallError(error) from error


def _layout(place: Place) -> Layout:
    return Layout(place.home, soft=load_settings(own_environ(place.home)).lock == "soft")


def _known(home: str, key: str) -> Environment | None:
    """Return the environment that answers a request, where nothing has changed since it was recorded."""
    entry = read_entry(f"{home}/virtualenv/requests/{key}.json")
    return answered_by(entry) if entry is not None else None
