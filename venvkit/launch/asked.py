"""One call of `ensure_env` or `plan_env`, as given: raw values, and the key that finds its answer again.

On the warm path: nothing is parsed here, and little is imported.
"""

from __future__ import annotations

import os
import sys

from venvkit.base.digest import digest
from venvkit.base.version import __version__
from venvkit.errors import UsageError
from venvkit.launch.given import Given
from venvkit.settings import Settings, key_environ, key_settings, working_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from typing_extensions import TypedDict

    from venvkit.spec.model import ModelSpec

    class Choices(TypedDict, total=False):
        """The keywords of `ensure_env` and `plan_env` beside the model: what a caller may choose."""

        engine: str | None
        model_format: str | None
        model_type: str | None
        variant: int | None
        specs: Sequence[str] | str
        from_server: bool
        packages: Sequence[str] | str
        variables: Mapping[str, str]
        index_url: str | None
        extra_index_urls: Sequence[str] | str
        find_links: Sequence[str] | str
        index_strategy: str | None
        host_python: str | None
        python: str | None
        skip_installed: bool | None
        isolated: bool
        offline: bool | None
        accelerator: str | None
        constraints: Sequence[str] | str
        overrides: Sequence[str] | str
        excludes: Sequence[str] | str
        no_inherit: Sequence[str] | str
        protect: Sequence[str] | str
        orphans: Literal["hold-repair", "hold", "report"] | None
        exclude_newer: str | None
        backend: Literal["uv", "pip"] | None
        only_binary: Sequence[str] | str
        no_build: Sequence[str] | str
        torch_backend: str | None
        optional: Sequence[str] | str
        verify: Sequence[str] | str
        sources: Mapping[str, str]
        upgrade: bool


# What a caller may choose beside the model, with the value that means "not chosen".
CHOICES: dict[str, Any] = {
    "engine": None,
    "model_format": None,
    "model_type": None,
    "variant": None,
    "specs": (),
    "from_server": False,
    "packages": (),
    "variables": {},
    "index_url": None,
    "extra_index_urls": (),
    "find_links": (),
    "index_strategy": None,
    "host_python": None,
    "python": None,
    "skip_installed": None,
    "isolated": False,
    "offline": None,
    "accelerator": None,
    "constraints": (),
    "overrides": (),
    "excludes": (),
    "no_inherit": (),
    "protect": (),
    "orphans": None,
    "exclude_newer": None,
    "backend": None,
    "only_binary": (),
    "no_build": (),
    "torch_backend": None,
    "optional": (),
    "verify": (),
    "sources": {},
    "upgrade": False,
}


class Call:
    """What is asked: a model, and the caller's choices (see `CHOICES`)."""

    __slots__ = ("choices", "environ", "given", "settings")

    def __init__(
        self,
        spec: ModelSpec | str | os.PathLike[str],
        choices: Choices,
        settings: Settings,
        environ: Mapping[str, str],
    ) -> None:
        check_choices(choices)
        self.choices = {**CHOICES, **{name: value for name, value in choices.items() if value is not None}}
        for name in ("host_python", "python"):
            self.choices[name] = _absolute(self.choices[name])
        self.choices["find_links"] = tuple(map(_absolute, as_sequence(self.choices["find_links"])))
        self.choices["specs"] = tuple(os.path.abspath(os.fspath(item)) for item in as_sequence(self.choices["specs"]))  # noqa: PTH100
        self.settings = settings
        # The key of the server is nothing for installers and what they build: the settings have read it.
        self.environ = {name: value for name, value in environ.items() if name != "VENVKIT_API_KEY"}
        self.given = Given(spec)

    def choice(self, name: str, default: Any) -> Any:
        """Return the caller's choice of `name`, else `default` (a setting)."""
        chosen = self.choices[name]
        return default if chosen is None else chosen

    @property
    def host_python(self) -> str:
        """The host as the caller or the settings name it, else the interpreter that runs this."""
        return str(self.choice("host_python", self.settings.host_python) or sys.executable)

    def _looks_in_path(self) -> bool:
        return any(os.sep not in str(name) for name in (self.host_python, self.choices["python"]) if name)

    def key(self) -> str:
        """The request key: everything that can change the answer and can be read without planning.

        A file that decides something enters by its content here (the spec) or as a watch of the index entry.
        """
        choices = {name: value for name, value in self.choices.items() if value != CHOICES[name] and name != "upgrade"}
        return digest(
            {
                "spec": self.given.known_by,
                "choices": {name: _plain(value) for name, value in choices.items()},
                "host": _identity(self.host_python),
                "environ": key_environ(self.environ),
                # A program's name, or a version of Python, is looked for there.
                "path": self.environ.get("PATH", "") if self._looks_in_path() else "",
                "settings": key_settings(self.settings),
                "prefix": sys.prefix,
                "cwd": working_directory(self.environ),
                "venvkit": __version__,
            }
        )


def check_choices(choices: Choices) -> None:
    """Refuse an option that there is none of.

    Raises:
        UsageError: `option-unknown`.
    """
    unknown = choices.keys() - CHOICES.keys()
    if unknown:
        raise UsageError(
            f"unknown option: {', '.join(sorted(unknown))}",
            code="option-unknown",
            remedy=f"known are {', '.join(CHOICES)}",
        )


def _absolute(value: Any) -> Any:
    """Make a path absolute: a relative one means another thing in another working directory."""
    if value is None:
        return None
    text = os.fspath(value)
    is_path = os.sep in text and "://" not in text
    return os.path.abspath(text) if is_path else text  # noqa: PTH100 - pathlib is not for the warm path


def _identity(python: str) -> list[str | int]:
    """Return what tells interpreters apart: `python` and `python3` of one folder are one, and one file."""
    try:
        found = os.stat(python)  # noqa: PTH116 - pathlib is not for the warm path
    except OSError:
        return [python]
    return [os.path.dirname(python), found.st_dev, found.st_ino]  # noqa: PTH120


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "items"):
        return {str(name): str(item) for name, item in value.items()}
    return [str(item) for item in value]


def as_sequence(value: str | os.PathLike[str] | Sequence[str]) -> tuple[str, ...]:
    """Return one string or many as a tuple: callers pass either, and a path for a string."""
    return (os.fspath(value),) if isinstance(value, (str, os.PathLike)) else tuple(value)
