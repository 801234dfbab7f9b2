"""Paths in the configuration of uv and pip: made absolute, since these tools run in a folder of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from venvkit.base.mask import mask
from venvkit.base.paths import expand_home
from venvkit.errors import UsageError
from venvkit.settings.tooloptions import tool_option

_FALSE = frozenset(("", "0", "false", "f", "no", "n", "off"))
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(?=\S)")


def absolute_path(path: str, environ: Mapping[str, str]) -> str:
    """Return a path in full: relative to the working directory, `~` by the given environment; addresses as they are."""
    if "://" in path or path.startswith("file:"):
        return path
    return os.path.abspath(expand_home(path, environ.get("HOME", "")))  # noqa: PTH100


def named_paths(name: str, value: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths that the value of a variable names, in full; none where its value is no path."""
    option = tool_option(name)
    if option is None or not option.path:
        return ()
    parts = [value] if option.separator is None else value.split(option.separator)
    return tuple(_in_full(name, part.strip(), environ) for part in parts if part.strip())


def named_index(text: str) -> tuple[str, str]:
    """Return the name, empty where there is none, and the address of an index as uv's variables put it."""
    match = _NAMED.match(text)
    return (match[1], text[match.end() :]) if match else ("", text)


def _in_full(name: str, part: str, environ: Mapping[str, str]) -> str:
    label, address = named_index(part) if "INDEX" in name else ("", part)
    return f"{label}={absolute_path(address, environ)}" if label else absolute_path(part, environ)


def text_files(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield variable and path of each file that a variable names and whose content decides the outcome."""
    for name, value in environ.items():
        option = tool_option(name)
        if option is not None and option.text:
            yield from ((name, path) for path in named_paths(name, value, environ))


def tool_environ(environ: Mapping[str, str], *, without: Iterable[str] = ()) -> dict[str, str]:
    """Return the environment that uv runs in: the caller's, as the table of the tools' options says.

    Args:
        environ: The caller's environment; PIP_* stay in it, for what a build may start.

    Raises:
        UsageError: A variable asks for what cannot be done (`tool-option-refused`), or names a file that is missing
            (`tool-file-missing`).
    """
    dropped, found = set(without), {}
    for name, value in environ.items():
        option = None if name.startswith("PIP_") else tool_option(name)
        if name in dropped or (option is not None and not keeps(name, value)):
            continue
        paths = named_paths(name, value, environ) if option is not None else ()
        if option is not None and option.text:
            check_files(name, paths)
        found[name] = (option.separator or "").join(paths) if option is not None and paths else value
    return found


def keeps(name: str, value: str) -> bool:
    """Tell whether a tool gets a variable or option, by its name as a variable.

    Raises:
        UsageError: The table refuses it (`tool-option-refused`).
    """
    option = tool_option(name)
    if option is None:
        return True
    if option.use == "refuse" and value.strip().lower() not in _FALSE:
        raise refused(name)
    return option.use == "pass" and not (option.never and value == option.never)


def refused(name: str, where: str = "") -> UsageError:
    """Return the error for an option of a tool that would break what venvkit does."""
    return UsageError(
        f"{name} cannot be heeded: venvkit decides that for its environments itself",
        code="tool-option-refused",
        where=where or name,
        remedy=f"take {name} out of {where}" if where else f"unset {name} where models are launched",
    )


def check_files(name: str, paths: Iterable[str]) -> None:
    """Raise `UsageError` (`tool-file-missing`) where a variable names a file that is not there."""
    for path in paths:
        if "://" not in path and not Path(path).is_file():
            raise UsageError(
                f"{name} names a file that is not there: {mask(path)}",
                code="tool-file-missing",
                where=name,
                remedy=f"correct {name}, or unset it",
            )
