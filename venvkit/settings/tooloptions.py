"""The treatment of each option of uv and pip: the table `specs/tools.toml`, whose head explains its fields.

The warm path reads it for the key, where variables of these tools are set: so its rows stand on one line each and are
taken apart here in 0.3 ms, where `tomllib` takes 4 ms and its import as long again.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
_PLACES = (f"{_PACKAGE}/_specs/tools.toml", f"{os.path.dirname(_PACKAGE)}/specs/tools.toml")  # noqa: PTH120
_SEPARATORS = {"one": None, "blanks": " ", "commas": ",", "colons": os.pathsep}


class ToolOption:
    """One row of the table.

    Attributes:
        use: `translate`, `pass`, `drop` or `refuse`.
        key: Whether it can change which distributions are chosen.
        path: Whether its value is a path, or several.
        separator: What stands between several paths; None where there is one.
        text: Whether the content of the file that it names decides the outcome.
        never: A value with which the option is dropped; empty for none.
    """

    __slots__ = ("key", "never", "path", "separator", "text", "use")

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.use: Literal["translate", "pass", "drop", "refuse"] = fields["use"]  # type: ignore[assignment]
        self.key = fields.get("key") != "false"
        self.path = "path" in fields
        self.separator = _SEPARATORS[fields.get("path", "one")]
        self.text = fields.get("text") == "true"
        self.never = fields.get("never", "")


# A name of a newer tool: passed on, and in the key.
UNKNOWN = ToolOption({"use": "pass"})
_tables: dict[str, dict[str, ToolOption]] = {}


def tool_options(table: str) -> Mapping[str, ToolOption]:
    """Return one table of the file: `uv`, `common` and `uv-pip` by name, `pip` by the option's long name.

    Raises:
        MachineError: The installation is incomplete (`data-missing`).
    """
    if not _tables:
        _read()
    return _tables[table]


def tool_option(name: str) -> ToolOption | None:
    """Return the row of an environment variable, `UNKNOWN` for one of a newer tool, None for one of no tool's.

    Args:
        name: As it is in the environment. pip reads what follows its prefix without regard to case.
    """
    if name.startswith("PIP_"):
        return tool_options("pip").get(name[4:].lower().replace("_", "-"), UNKNOWN)
    if not name.startswith("UV_"):
        return tool_options("common").get(name)
    table = tool_options("uv")
    found = table.get(name)
    # From the longest beginning to the shortest: UV_NO_INSTALL_* is more particular than UV_*.
    end = len(name)
    while found is None and end > len("UV_"):
        found = table.get(f"{name[:end]}*")
        end -= 1
    return found or UNKNOWN


def _read() -> None:
    for place in _PLACES:
        try:
            with open(place, encoding="utf-8") as file:  # noqa: PTH123
                lines = file.read().splitlines()
        except OSError:
            continue
        table: dict[str, ToolOption] = {}
        for line in lines:
            if line.startswith("["):
                table = _tables.setdefault(line.strip("[]"), {})
            elif line and not line.startswith("#"):
                name, _, body = line.partition(" = { ")
                fields = (field.partition(" = ") for field in body.removesuffix(" }").split(", "))
                table[name.strip('"')] = ToolOption({key: value.strip('"') for key, _, value in fields})
        return
    from venvkit.errors import MachineError

    raise MachineError(
        "the data folder of venvkit is missing",
        code="data-missing",
        where=_PLACES[0],
        remedy="install venvkit again",
    )
