"""The model as a caller gives it: a value, the path of a spec's file, or a name. A file is read here, and only here.

On the warm path: nothing is parsed, and little is imported.
"""

from __future__ import annotations

import os
import stat

from venvkit.base.watch import stat_watch, watch_of
from venvkit.errors import SpecError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from venvkit.base.watch import Watch
    from venvkit.spec.model import ModelSpec


_PIECE = 1 << 20


class Given:
    """What a caller names.

    Attributes:
        value: The spec itself, where it was given as a value.
        name: The name to look for, where it was given by its name.
        path: The file that was read, where it was given by its path.
        content: What that file held.
        watch: What shows that a later call reads something else; None for a value.
    """

    __slots__ = ("content", "name", "path", "value", "watch")

    def __init__(self, spec: ModelSpec | dict[str, Any] | str | os.PathLike[str]) -> None:
        self.value: ModelSpec | None = None
        self.name: str | None = None
        self.path: str | None = None
        self.content = b""
        self.watch: Watch | None = None
        if not isinstance(spec, (str, os.PathLike)):
            self.value = _value(spec)
            return
        text = str.__str__(spec) if isinstance(spec, str) else os.fspath(spec)
        bare = isinstance(spec, str) and not is_path(text)
        try:
            is_file = self._read(text, bare=bare)
        except (OSError, ValueError) as error:
            if not bare or isinstance(error, PermissionError):
                raise _unreadable(text, error) from error
            is_file = False
        if is_file:
            self.path = text
        else:
            self.name = text
            # When a file of that name comes here, it is meant.
            self.watch = stat_watch(text)

    @property
    def known_by(self) -> str | list[str]:
        """The part of a request's key: a file by its folder and content, a value by its fields, a name by itself."""
        if self.name is not None:
            return [self.name]
        if self.path is None:
            # Whoever made the value has imported msgspec.
            from venvkit.base.digest import value_digest

            return value_digest(self.value)
        # Relative paths in it start at its folder.
        return [os.path.dirname(os.path.abspath(self.path)), self.content.decode("utf-8", "surrogateescape")]  # noqa: PTH100, PTH120

    def _read(self, path: str, *, bare: bool) -> bool:
        """Read the file at `path`; False where a bare word leads to something else than a file."""
        # A pipe of that name must not keep a launch waiting; one that is given by its path is read.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if bare else 0))
        try:
            state = os.fstat(descriptor)
            if bare and not stat.S_ISREG(state.st_mode):
                return False
            while piece := os.read(descriptor, _PIECE):
                self.content += piece
        finally:
            os.close(descriptor)
        self.watch = watch_of(path, state)
        return True


def _value(spec: object) -> ModelSpec:
    """Return the spec that a caller gives as a value: itself, or the object of a document."""
    from venvkit.spec.model import ModelSpec

    if isinstance(spec, ModelSpec):
        return spec
    if isinstance(spec, dict):
        return ModelSpec.from_dict(spec)
    raise UsageError(
        f"a model cannot be given as {type(spec).__name__}",
        code="spec-type",
        remedy="give a ModelSpec, a dict with `model_name` and `virtualenv`, a path, or a name",
    )


def is_path(model: str) -> bool:
    """Tell whether a model is given by the path of its spec: it has a separator, or the suffix of one."""
    return os.sep in model or model.endswith((".json", ".toml"))


def _unreadable(path: str, error: Exception) -> SpecError:
    return SpecError(
        f"the spec cannot be read: {getattr(error, 'strerror', None) or error}",
        code="spec-not-found",
        where=path,
        remedy="name the path of a JSON or TOML spec, or the model by its name alone",
    )
