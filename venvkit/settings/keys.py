"""Which environment variables can change an answer, and so belong in a request's key.

Tools gain variables faster than we learn of them, so what is left out is listed and all else counts: a
needless plan costs a second, a missed change hands out a stale environment.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = ("XINFERENCE_VIRTUAL_ENV_", "VENVKIT_", "UV_", "PIP_")
_NAMES = ("XINFERENCE_MODEL_SRC", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONUSERBASE")

# How fast, how loud, where kept, how reached, or commands that venvkit never runs: never which distributions.
_WITHOUT_EFFECT = frozenset(
    (
        "VENVKIT_API_KEY",
        "VENVKIT_LOCK",
        "VENVKIT_MAX_BUILDS",
        "VENVKIT_MAX_SIZE",
        "VENVKIT_TIMEOUT",
        "PIP_CACHE_DIR",
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_COMPILE",
        "PIP_DEBUG",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_DISABLE_PIP_VERSION_CHECK",
        "PIP_EXISTS_ACTION",
        "PIP_KEYRING_PROVIDER",
        "PIP_LOG",
        "PIP_NO_CACHE_DIR",
        "PIP_NO_COLOR",
        "PIP_NO_COMPILE",
        "PIP_NO_INPUT",
        "PIP_NO_PYTHON_VERSION_WARNING",
        "PIP_PROGRESS_BAR",
        "PIP_PROXY",
        "PIP_QUIET",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_RESUME_RETRIES",
        "PIP_RETRIES",
        "PIP_ROOT_USER_ACTION",
        "PIP_TIMEOUT",
        "PIP_VERBOSE",
        "UV_CACHE_DIR",
        "UV_CREDENTIALS_DIR",
        "UV_CUSTOM_COMPILE_COMMAND",
        "UV_KEYRING_PROVIDER",
        "UV_LINK_MODE",
        "UV_LOCK_TIMEOUT",
        "UV_LOG_CONTEXT",
        "UV_NATIVE_TLS",
        "UV_NO_CACHE",
        "UV_NO_INSTALLER_METADATA",
        "UV_NO_PROGRESS",
        "UV_NO_WRAP",
        "UV_REQUEST_TIMEOUT",
        "UV_SHOW_RESOLUTION",
        "UV_STACK_SIZE",
        "UV_SYSTEM_CERTS",
    )
)
_PREFIXES_WITHOUT_EFFECT = (
    "UV_COMPILE_BYTECODE",
    "UV_CONCURRENT_",
    "UV_HTTP_",
    "UV_INIT_",
    "UV_INSTALLER_",
    "UV_INTERNAL__",
    "UV_PUBLISH_",
    "UV_TOOL_",
    "UV_VENV_",
)
# A new password opens the same index: it must not rebuild what is there.
_CREDENTIAL_SUFFIXES = ("_PASSWORD", "_TOKEN")


def key_environ(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that can change which distributions a request resolves to.

    The values may hold credentials (an index URL's): they are for a digest, never to be shown or stored.

    Args:
        environ: The environment to read; None reads the process's own.

    >>> key_environ({"UV_RESOLUTION": "lowest", "UV_NO_PROGRESS": "1", "LANG": "C"})
    {'UV_RESOLUTION': 'lowest'}
    """
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if _has_effect(name)}


def _has_effect(name: str) -> bool:
    if not name.startswith(_PREFIXES):
        return name in _NAMES
    # pip reads what follows its prefix without regard to case.
    upper = name.upper()
    return not (
        upper in _WITHOUT_EFFECT or upper.startswith(_PREFIXES_WITHOUT_EFFECT) or upper.endswith(_CREDENTIAL_SUFFIXES)
    )
