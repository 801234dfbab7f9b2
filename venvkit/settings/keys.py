"""Everything of the environment and the files that it names that can change an answer: the one list.

The key of a request, the plan cache, the host snapshot and the fleet's answers are all made from it. A needless plan
costs a second, a missed change hands out a stale environment: so of the tools' variables all count but those that
`specs/tools.toml` marks as without effect.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from venvkit.settings.load import Settings

# They decide which directories an interpreter finds; a host snapshot is kept for each combination.
INTERPRETER_VARIABLES = (
    "PYTHONPATH",
    "PYTHONNOUSERSITE",
    "PYTHONUSERBASE",
    "PYTHONSAFEPATH",
    "PYTHONPLATLIBDIR",
    "HOME",
)
_NAMES = (
    *INTERPRETER_VARIABLES,
    "CUDA_VISIBLE_DEVICES",  # which devices are there to plan for
    "XINFERENCE_MODEL_SRC",
    # What uv's providers of wheel variants take in place of the machine's devices.
    "NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION",
    "NV_VARIANT_PROVIDER_FORCE_SM_ARCH",
    "TPU_VARIANT_PROVIDER_FORCE_PRESENT",
)
# They say where to look: they count where something is there. Users who share a store have homes of their own, and
# the same question where neither home holds anything. HOME: also the packages of a user, `~/.local/lib`.
_CONFIGURATION = ("pip/pip.conf", "uv/uv.toml")
_PLACES = {
    "HOME": (
        ".config/pip/pip.conf", ".config/uv/uv.toml", ".pip/pip.conf", ".local/lib",
        "Library/Application Support/pip/pip.conf", "Library/Python",
    ),
    "XDG_CONFIG_HOME": _CONFIGURATION,
    "XDG_CONFIG_DIRS": _CONFIGURATION,
}  # fmt: skip
_PREFIXES = ("XINFERENCE_VIRTUAL_ENV_", "VENVKIT_")
_TOOL_PREFIXES = ("UV_", "PIP_")
SOURCE_PREFIXES = (*_PREFIXES, *_TOOL_PREFIXES)
"""Of the variables that may name a source; HOME and its like only say where to look for configuration."""
# How fast, how much, or a secret: never which distributions.
_WITHOUT_EFFECT = ("VENVKIT_API_KEY", "VENVKIT_LOCK", "VENVKIT_MAX_BUILDS", "VENVKIT_MAX_SIZE", "VENVKIT_TIMEOUT")
# A new password opens the same index: it must not rebuild what is there.
_CREDENTIAL_SUFFIXES = ("_PASSWORD", "_TOKEN")
# Settings that decide something: the variables above may say them, and so may the settings file.
_SETTINGS = ("home", "skip_installed", "offline", "orphans", "protect", "repair_budget", "runtime", "engines", "prove")


def key_environ(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that can change which distributions a request resolves to.

    The values may hold credentials (an index URL's): they are for a digest, never to be shown or stored.

    Args:
        environ: The environment to read; None reads the process's own.

    >>> key_environ({"UV_RESOLUTION": "lowest", "UV_NO_PROGRESS": "1", "LANG": "C"})
    {'UV_RESOLUTION': 'lowest'}
    """
    environ = os.environ if environ is None else environ
    found = {name: value for name, value in environ.items() if name not in _PLACES and _has_effect(name)}
    for name, places in _PLACES.items():
        folders = environ.get(name, "").split(os.pathsep if name.endswith("DIRS") else "\0")
        there = [f"{folder}/{place}" for folder in filter(None, folders) for place in places]
        if existing := [path for path in there if os.access(path, os.F_OK)]:
            found[name] = os.pathsep.join(existing)
    return found


def key_settings(settings: Settings) -> list[object]:
    """Return the settings that can change an answer, their paths absolute."""
    return [getattr(settings, name) for name in _SETTINGS]


def working_directory(environ: Mapping[str, str]) -> str:
    """Return the working directory where a variable's value is relative to it, else an empty text."""
    entries = environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [path for name, value in key_environ(environ).items() for path in _paths(name, value)]
    if any(path and not path.startswith((os.sep, "~")) and "://" not in path for path in (*entries, *paths)):
        return os.getcwd()  # noqa: PTH109 - not on the warm path
    return ""


def _paths(name: str, value: str) -> Iterator[str]:
    """Yield the paths that a variable of uv or pip names, among them the addresses of indexes."""
    if not name.startswith(_TOOL_PREFIXES):
        return
    from venvkit.settings.tooloptions import tool_option

    option = tool_option(name)
    if option is None or not option.path:
        return
    for part in [value] if option.separator is None else value.split(option.separator):
        # An index may have a name: NAME=ADDRESS.
        yield part.strip().rpartition("=")[2] if "INDEX" in name else part.strip()


def _has_effect(name: str) -> bool:
    if name.startswith(_TOOL_PREFIXES):
        from venvkit.settings.tooloptions import tool_option

        option = tool_option(name)
        return not name.upper().endswith(_CREDENTIAL_SUFFIXES) and (option is None or option.key)
    if name in _NAMES:
        return True
    return name.startswith(_PREFIXES) and name not in _WITHOUT_EFFECT
