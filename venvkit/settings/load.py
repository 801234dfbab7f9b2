"""Settings as the rest of venvkit uses them: typed, checked once, read-only."""

from __future__ import annotations

import os

from venvkit.base.paths import absolute_path
from venvkit.base.watch import stat_watch
from venvkit.errors import SettingError
from venvkit.settings.file import nearest, read_settings_file, settings_file
from venvkit.settings.resolve import Levels, Setting
from venvkit.settings.variables import BY_ATTRIBUTE, BY_NAME, VARIABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from venvkit.base.watch import Watch


def load_settings(environ: Mapping[str, str] | None = None, arguments: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in force.

    Args:
        environ: The environment to read; None reads the process's own.
        arguments: Texts that win over everything else, by variable's name.

    Raises:
        SettingError: Values of variables that venvkit acts on are malformed, or names are unknown: all faults
            at once (`setting-invalid`); those that only a call to the server reads are checked there. The
            settings file is not TOML or cannot be read (`settings-file-invalid`).

    >>> load_settings({"XINFERENCE_HOME": "/srv/models", "VENVKIT_MAX_BUILDS": "4"}).max_builds
    4
    """
    levels = Levels(os.environ if environ is None else environ, arguments or {})
    faults = [(name, f"is no setting{nearest(name)}") for name in levels.arguments if name not in BY_NAME]
    home = levels.setting("XINFERENCE_HOME")
    if isinstance(home.value, str):
        # Before it is read: a file that comes or changes later was not heeded.
        levels.file_watch = stat_watch(settings_file(home.value))
        levels.file, of_file = read_settings_file(home.value)
        faults += of_file
    acting = {
        variable.name: levels.setting(variable.name, home=str(home.value))
        for variable in VARIABLES
        if variable.acts and not variable.late
    }
    faults += [(name, setting.fault) for name, setting in acting.items() if setting.fault]
    if faults:
        raise _error(faults)
    return Settings(levels, acting)


class Settings:
    """Every setting that venvkit acts on, typed and read-only. Made by `load_settings`.

    An attribute is a variable's value; the table of variables says what it means. Paths are absolute, names of
    distributions normalized (PEP 503), times in seconds, sizes in bytes; None stands for a variable that is not set.
    The attributes that only a call to the server reads raise SettingError where their variable is malformed.
    """

    __slots__ = ("_acting", "_levels")

    _acting: Mapping[str, Setting]
    _levels: Levels

    home: str
    enable: bool
    skip_installed: bool
    offline: bool
    find_links_roots: tuple[str, ...]
    download_attempts: int
    model_src: str
    host_python: str | None
    accelerator: str | None
    engines: tuple[str, ...]
    exclude_newer: str | None
    backend: str
    timeout: float
    orphans: str
    prove: str
    repair_budget: int
    runtime: tuple[str, ...]
    protect: tuple[str, ...]
    max_builds: int
    max_size: int | None
    lock: str
    # Only a call to the server reads these.
    endpoint: str
    health_check_failure_threshold: int
    health_check_interval: int
    health_check_timeout: int
    disable_health_check: bool
    api_key: str | None

    def __init__(self, levels: Levels, acting: Mapping[str, Setting]) -> None:
        object.__setattr__(self, "_levels", levels)
        object.__setattr__(self, "_acting", acting)

    if not TYPE_CHECKING:  # a checker knows the attributes by the lines above

        def __getattr__(self, attribute: str) -> object:
            if attribute not in BY_ATTRIBUTE:
                raise AttributeError(attribute)
            name = BY_ATTRIBUTE[attribute].name
            setting = self._acting.get(name) or self._levels.setting(name)
            if setting.fault:
                raise _error([(name, setting.fault)])
            return setting.value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are read-only: {name}")

    @property
    def file_watch(self) -> Watch:
        """The watch of the settings file, taken before it was read."""
        return self._levels.file_watch

    @property
    def home_watch(self) -> Watch | None:
        """The watch of XINFERENCE_HOME where a symbolic link is part of its path; else None."""
        setting = self._acting["XINFERENCE_HOME"]
        written = f"{absolute_path(setting.raw.strip(), self._levels.user_home)}/virtualenv"
        return None if os.path.realpath(written) == written else stat_watch(written)

    def explain(self) -> tuple[Setting, ...]:
        """Return every setting, in the order of `VARIABLES`; one that is not checked at load may carry a fault."""
        return tuple(self._acting.get(variable.name) or self._levels.setting(variable.name) for variable in VARIABLES)


def _error(faults: list[tuple[str, str]]) -> SettingError:
    remedy = "correct it, or remove it to get the default"
    if len(faults) == 1:
        where, what = faults[0]
        return SettingError(what, where=where, remedy=remedy)
    return SettingError(
        f"{len(faults)} settings are not valid",
        remedy=remedy.replace("it", "them"),
        details=tuple(f"{where}: {what}" for where, what in faults),
    )
