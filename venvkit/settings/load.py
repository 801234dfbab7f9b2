"""Settings as the rest of venvkit uses them: typed, checked once, read-only."""

from __future__ import annotations

import os

from venvkit.base.watch import stat_watch
from venvkit.errors import SettingError
from venvkit.settings.file import nearest, read_settings_file, settings_file
from venvkit.settings.resolve import Levels, Setting
from venvkit.settings.variables import BY_NAME, VARIABLES

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
    """Every setting, typed. Made by `load_settings`; read-only.

    Attributes:
        home: XINFERENCE_HOME, absolute.
        enable: Whether models get environments of their own.
        skip_installed: Whether the host's distributions may be inherited.
        offline: Whether installs must do without the public network.
        find_links_roots: Directories inside which a launch may name wheel directories, absolute.
        download_attempts: How often a download is tried.
        model_src: The hub that model files come from.
        host_python: Absolute path of the host's interpreter, or a program's name; None for our own.
        accelerator: Facts to plan for in place of those found, as written; None to look.
        engines: Files with further engine tables, absolute.
        exclude_newer: Date, time or age as uv takes it; None without a limit.
        backend: `uv` or `pip`.
        timeout: Time limit of one child, in seconds.
        orphans: `hold-repair`, `hold` or `report`.
        protect: Names of protected distributions, normalized (PEP 503).
        max_builds: How many builds may run at the same time.
        max_size: Bytes that all environments together may hold; None without a limit.
        lock: `flock` or `soft`.
    """

    __slots__ = (
        "_acting",
        "_levels",
        "accelerator",
        "backend",
        "download_attempts",
        "enable",
        "engines",
        "exclude_newer",
        "find_links_roots",
        "home",
        "host_python",
        "lock",
        "max_builds",
        "max_size",
        "model_src",
        "offline",
        "orphans",
        "protect",
        "skip_installed",
        "timeout",
    )

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
    protect: tuple[str, ...]
    max_builds: int
    max_size: int | None
    lock: str

    def __init__(self, levels: Levels, acting: Mapping[str, Setting]) -> None:
        object.__setattr__(self, "_levels", levels)
        object.__setattr__(self, "_acting", acting)
        for attribute, name in _ATTRIBUTES:
            object.__setattr__(self, attribute, acting[name].value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are read-only: {name}")

    @property
    def endpoint(self) -> str:
        """XINFERENCE_ENDPOINT. Raises SettingError when it is malformed, as the next five do."""
        return str(self._late("XINFERENCE_ENDPOINT"))

    @property
    def disable_health_check(self) -> bool:
        """XINFERENCE_DISABLE_HEALTH_CHECK."""
        return bool(self._late("XINFERENCE_DISABLE_HEALTH_CHECK"))

    @property
    def health_check_failure_threshold(self) -> int:
        """XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD."""
        return self._integer("XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD")

    @property
    def health_check_interval(self) -> int:
        """XINFERENCE_HEALTH_CHECK_INTERVAL, in seconds."""
        return self._integer("XINFERENCE_HEALTH_CHECK_INTERVAL")

    @property
    def health_check_timeout(self) -> int:
        """XINFERENCE_HEALTH_CHECK_TIMEOUT, in seconds."""
        return self._integer("XINFERENCE_HEALTH_CHECK_TIMEOUT")

    @property
    def api_key(self) -> str | None:
        """VENVKIT_API_KEY, a secret; None when it is not set."""
        key = self._late("VENVKIT_API_KEY")
        return None if key is None else str(key)

    @property
    def file_watch(self) -> Watch:
        """What shows that the settings file is another one than was read."""
        return self._levels.file_watch

    def explain(self) -> tuple[Setting, ...]:
        """Return every setting, in the order of `VARIABLES`; one that is not checked at load may carry a fault."""
        return tuple(self._acting.get(variable.name) or self._levels.setting(variable.name) for variable in VARIABLES)

    def _integer(self, name: str) -> int:
        value = self._late(name)
        assert isinstance(value, int)
        return value

    def _late(self, name: str) -> object:
        # Not checked at load: a fault in what only a call to the server reads must not stop a build.
        setting = self._levels.setting(name)
        if setting.fault:
            raise _error([(name, setting.fault)])
        return setting.value


_ATTRIBUTES = (
    ("home", "XINFERENCE_HOME"),
    ("enable", "XINFERENCE_ENABLE_VIRTUAL_ENV"),
    ("skip_installed", "XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED"),
    ("offline", "XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL"),
    ("find_links_roots", "XINFERENCE_VIRTUAL_ENV_FIND_LINKS_ALLOWED_ROOTS"),
    ("download_attempts", "XINFERENCE_DOWNLOAD_MAX_ATTEMPTS"),
    ("model_src", "XINFERENCE_MODEL_SRC"),
    ("host_python", "VENVKIT_HOST_PYTHON"),
    ("accelerator", "VENVKIT_ACCELERATOR"),
    ("engines", "VENVKIT_ENGINES"),
    ("exclude_newer", "VENVKIT_EXCLUDE_NEWER"),
    ("backend", "VENVKIT_BACKEND"),
    ("timeout", "VENVKIT_TIMEOUT"),
    ("orphans", "VENVKIT_ORPHANS"),
    ("protect", "VENVKIT_PROTECT"),
    ("max_builds", "VENVKIT_MAX_BUILDS"),
    ("max_size", "VENVKIT_MAX_SIZE"),
    ("lock", "VENVKIT_LOCK"),
)


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
