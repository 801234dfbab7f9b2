"""One call of `ensure_env` or `plan_env`, as given: raw values, and the key that finds its answer again.

On the warm path: nothing is parsed here, and little is imported.
"""

from __future__ import annotations

import os
import sys

from venvkit.base.digest import digest
from venvkit.base.version import __version__
from venvkit.launch.given import Given
from venvkit.settings import Settings, key_environ, key_settings, working_directory
from venvkit.spec.options import decisive, read_choices

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
        specs: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]
        from_server: bool
        packages: Sequence[str] | str
        variables: Mapping[str, str]
        index_url: str | None
        extra_index_urls: Sequence[str] | str
        find_links: Sequence[str | os.PathLike[str]] | str | os.PathLike[str]
        index_strategy: Literal["first-index", "unsafe-first-match", "unsafe-best-match"] | None
        host_python: str | os.PathLike[str] | None
        python: str | os.PathLike[str] | None
        skip_installed: bool | None
        isolated: bool
        offline: bool | None
        accelerator: str | None
        constraints: Sequence[str] | str
        overrides: Sequence[str] | str
        excludes: Sequence[str] | str
        no_inherit: Sequence[str] | str
        protect: Sequence[str] | str
        orphans: Literal["hold-repair-hide", "hold-repair", "hold-hide", "hold", "report"] | None
        runtime: Sequence[str] | str
        prove: Literal["metadata", "linkage", "import"] | None
        exclude_newer: str | None
        backend: Literal["uv", "pip"] | None
        only_binary: Sequence[str] | str
        no_build: Sequence[str] | str
        torch_backend: str | None
        optional: Sequence[str] | str
        verify: Sequence[str] | str
        sources: Mapping[str, str]
        upgrade: bool


_NAMING = ("model_type", "variant", "specs", "from_server")


class Call:
    """What is asked: a model, and the caller's choices, a value for each option (see `venvkit.spec.options`).

    Attributes:
        spoilt: The path of an environment that must not answer, because it is being repaired; empty for none.
    """

    __slots__ = ("choices", "environ", "given", "settings", "spoilt")

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any] | str | os.PathLike[str],
        choices: Choices,
        settings: Settings,
        environ: Mapping[str, str],
    ) -> None:
        self.choices = read_choices(choices, environ)
        self.settings = settings
        # The key of the server is nothing for installers and what they build: the settings have read it.
        self.environ = {name: value for name, value in environ.items() if name != "VENVKIT_API_KEY"}
        self.given = Given(spec)
        self.spoilt = ""

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

    def _decisive(self) -> Mapping[str, Any]:
        """Return the choices that can change the answer: those that look for a name change nothing for a value."""
        chosen = decisive(self.choices)
        if self.given.value is None:
            return chosen
        return {name: value for name, value in chosen.items() if name not in _NAMING}

    def key(self) -> str:
        """The request key: everything that can change the answer and can be read without planning.

        A file that decides something enters by its content here (the spec) or as a watch of the index entry.
        """
        return digest(
            {
                "spec": self.given.known_by,
                "choices": self._decisive(),
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


def _identity(python: str) -> list[str | int]:
    """Return what tells interpreters apart: `python` and `python3` of one folder are one, and one file."""
    try:
        found = os.stat(python)  # noqa: PTH116 - pathlib is not for the warm path
    except OSError:
        return [python]
    return [os.path.dirname(python), found.st_dev, found.st_ino]  # noqa: PTH120
