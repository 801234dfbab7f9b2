"""One setting: which level's text is in force, what it means, and how it may be shown."""

from __future__ import annotations

import os

from venvkit.base.paths import expand_home
from venvkit.settings.variables import BY_NAME, HOME_IN_DEFAULT, Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from venvkit.base.watch import Watch
    from venvkit.settings.kinds import Value

_PLACES = {
    "argument": "given as an argument",
    "environment": "set in the environment",
    "file": "set in the settings file",
    "default": "the default",
}
_LONGEST = 160


class Setting:
    """The value in force of one variable; read-only.

    Attributes:
        variable: What is set.
        raw: The text in force, as it was written.
        value: What the text means; None when it is unset or malformed, and an empty tuple for an empty list.
        origin: `default`, `file`, `environment` or `argument`.
        fault: What is wrong with the text and what is accepted, secrets masked; empty when nothing is.
    """

    __slots__ = ("fault", "origin", "raw", "value", "variable")

    variable: Variable
    raw: str
    value: Value
    origin: str
    fault: str

    def __init__(self, variable: Variable, raw: str, value: Value, *, origin: str, fault: str = "") -> None:
        for name, content in zip(self.__slots__, (fault, origin, raw, value, variable)):  # noqa: B905 - of one length
            object.__setattr__(self, name, content)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a setting is read-only: {name}")

    @property
    def shown(self) -> str:
        """The text that may be shown: what is in force, paths in full, secrets masked, empty when unset."""
        value = self.raw if self.fault else self.value
        if isinstance(value, bool):
            text = "1" if value else "0"
        elif isinstance(value, tuple):
            text = (self.variable.kind.separator or "*").join(str(item) for item in value)
        else:
            text = "" if value is None else str(value)
        return _masked(self.variable, text)


class Levels:
    """The texts of all levels, and the home directory that `~` stands for in them."""

    __slots__ = ("arguments", "environ", "file", "file_watch", "user_home")

    def __init__(self, environ: Mapping[str, str], arguments: Mapping[str, str]) -> None:
        # A copy of what matters: a value that is read later is still the one of this moment.
        self.environ = {name: environ[name] for name in BY_NAME if name in environ}
        self.arguments = arguments
        self.file: Mapping[str, str] = {}
        self.file_watch: Watch = []
        self.user_home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111

    def pick(self, variable: Variable) -> tuple[str, str]:
        """Return the text in force and its origin. Blank means not set, unless the kind says otherwise."""
        levels = (("argument", self.arguments), ("environment", self.environ), ("file", self.file))
        for origin, texts in levels:
            text = texts.get(variable.name)
            if text is not None and (variable.kind.blank_counts or text.strip()):
                return text, origin
        return variable.default, "default"

    def setting(self, name: str, *, home: str = "") -> Setting:
        """Resolve one variable.

        Args:
            name: The variable.
            home: The value of XINFERENCE_HOME, once it is known.
        """
        variable = BY_NAME[name]
        kind = variable.kind
        raw, origin = self.pick(variable)
        text = raw.strip()
        if origin == "default" and text.startswith(HOME_IN_DEFAULT):
            text = home + text[len(HOME_IN_DEFAULT) :]
        if not text:
            return Setting(variable, raw, () if kind.separator else None, origin=origin)
        if kind.is_path:
            items = text.split(kind.separator) if kind.separator else [text]
            text = kind.separator.join(expand_home(item.strip(), self.user_home) for item in items)
        try:
            return Setting(variable, raw, kind.parse(text), origin=origin)
        except ValueError:
            shown = repr(_masked(variable, raw))
            shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
            fault = f"{shown} ({_PLACES[origin]}) is not valid; accepted: {kind.accepts}"
            return Setting(variable, raw, None, origin=origin, fault=fault)


def _masked(variable: Variable, text: str) -> str:
    from venvkit.base.mask import MASK, mask  # only to show: it needs `re`

    if variable.secret:
        return MASK if text else ""
    return mask(text)
