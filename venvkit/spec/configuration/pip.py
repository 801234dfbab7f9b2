"""pip's own configuration, read as pip reads it but without running pip.

The order, weakest first: the machine's files, the user's, the interpreter's, the one PIP_CONFIG_FILE names. A
later file replaces a key of an earlier one as a whole. Then `[install]` is laid over `[global]`,
whichever files they come from, and the PIP_* variables over both.
"""

from __future__ import annotations

import configparser
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.base.mask import mask
from venvkit.base.paths import expand_home
from venvkit.errors import UsageError
from venvkit.spec.configuration.bounds import format_statements, read_bounds
from venvkit.spec.configuration.paths import absolute_path, keeps, named_paths
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import YES, Kind, Statement, settled
from venvkit.spec.configuration.uv import read_uv_config

_SECTIONS = ("global", "install")
_BASENAME = "pip.conf"
_TRUE = frozenset(("y", "yes", "t", "true", "on", "1"))
_FALSE = frozenset(("n", "no", "f", "false", "off", "0"))
# pip takes the best version over all of its indexes. A list of indexes that was written for pip keeps that meaning:
# with uv's own strategy the first index that has an old version of a project hides all the others.
_STRATEGY = "unsafe-best-match"
# Options whose values are places, and the kinds of statements that they become.
_PLACES: tuple[tuple[str, Kind], ...] = (
    ("extra-index-url", "extra-index"),
    ("index-url", "index"),
    ("find-links", "find-links"),
    ("trusted-host", "trusted-host"),
    ("cert", "cert"),
)
_FLAGS: tuple[tuple[str, Kind], ...] = (("no-index", "no-index"), ("pre", "prerelease"))
# pip keeps this old name of the option.
_ALIASES = {"pypi-url": "index-url"}


class PipConfig(Struct, frozen=True):
    """The sources in pip's configuration, for the request.

    Args:
        sources: Indexes, links, hosts, certificates, constraints and the choice of files, each with the file's section
            or the variable that says so. Where it asks for no index, it names none.
        files: Every file that pip would read, whether it is there or not, weakest first; then those of constraints.
    """

    sources: Sources
    files: tuple[str, ...]


def read_pip_config(environ: Mapping[str, str], *, prefix: str) -> PipConfig:
    """Return the configuration that pip, run by the interpreter of `prefix`, reads from its files and variables.

    Args:
        environ: The environment that pip would run in; a strategy that is chosen for uv there is kept.
        prefix: `sys.prefix` of that interpreter.

    Raises:
        UsageError: A file, or a boolean in it or in a variable, is malformed (`pip-config-invalid`), or a file of
            constraints cannot be read (`bounds-missing`, `bounds-invalid`).
        SpecError: A line of a constraint file is malformed.
    """
    files = pip_config_files(environ, prefix)
    options = pip_options(environ, files)
    said = [
        Statement(kind, value, "pip", options[name][1])
        for name, kind in _PLACES
        if name in options
        for value in _values(name, options[name][0], environ)
    ]
    said += [Statement(kind, YES, "pip", options[name][1]) for name, kind in _FLAGS if _is_true(name, options)]
    if any(one.kind == "no-index" for one in said):
        said = [one for one in said if one.kind not in ("index", "extra-index")]
    own = any(one.kind == "index-strategy" for one in read_uv_config(environ).statements)
    if any(one.kind == "extra-index" for one in said) and not own:
        said.append(Statement("index-strategy", _STRATEGY, "pip", "as pip combines its several indexes"))
    paths, where = options.get("constraint", ("", ""))
    bounds = read_bounds((("constraint", path, "pip", where) for path in paths.split()), environ)
    sources = Sources(settled((*said, *bounds.statements, *_formats(options))))
    return PipConfig(sources, (*files, *bounds.files))


def pip_environ(environ: Mapping[str, str], *, prefix: str, cert: str | None) -> dict[str, str]:
    """Return the environment that pip runs in: what its files and variables say, as far as it may be obeyed.

    pip reads no file of its own in it. What points pip at another place than its interpreter (`user`, `target`), or has
    it answer another question (`no-deps`), is left out, and what became part of the request comes with that.

    Args:
        prefix: `sys.prefix` of the interpreter that pip runs on.
        cert: The bundle of certificate authorities of the request.

    Raises:
        UsageError: A file is malformed (`pip-config-invalid`).
    """
    found = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    for option, (value, _) in pip_options(environ, pip_config_files(environ, prefix)).items():
        name = f"PIP_{option.upper().replace('-', '_')}"
        if keeps(name, value):
            found[name] = " ".join(named_paths(name, value, environ)) or value
    if cert:
        found["PIP_CERT"] = cert
    return {**found, "PIP_CONFIG_FILE": os.devnull}


def pip_config_files(environ: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """Return every file that pip would read now if it were there, weakest first.

    Args:
        environ: The environment that pip would run in.
        prefix: `sys.prefix` of the interpreter that would run it.
    """
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return ()
    files = list(_machine_files(environ))
    # A file named by the variable stands in for the user's, but only when it is there.
    if not (named and Path(named).exists()):
        files += _user_files(environ)
    files.append(str(Path(prefix, _BASENAME)))
    if named:
        files.append(os.path.abspath(named))  # noqa: PTH100
    return tuple(files)


def pip_options(environ: Mapping[str, str], files: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return the non-empty options of `pip install` by long name, with their places, all levels over one another.

    Raises:
        UsageError: A file is malformed (`pip-config-invalid`).
    """
    sections: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in _SECTIONS}
    for file in files:
        parser = _parse(file)
        for name in parser.sections():
            if name in sections:
                where = f"{file} [{name}]"
                sections[name].update((_long_name(key), (value, where)) for key, value in parser.items(name))
    variables = {
        _long_name(name[len("PIP_") :]): (value, name) for name, value in environ.items() if name.startswith("PIP_")
    }
    options: dict[str, tuple[str, str]] = {}
    for level in (*sections.values(), variables):
        # Empty values are dropped here and not before: an empty one hides the same key of a weaker file.
        options.update((_ALIASES.get(key, key), found) for key, found in level.items() if found[0])
    return options


def _machine_files(environ: Mapping[str, str]) -> Iterator[str]:
    if sys.platform == "darwin":
        yield f"/Library/Application Support/pip/{_BASENAME}"
        return
    directories = environ.get("XDG_CONFIG_DIRS", "")
    for directory in (directories if directories.strip() else "/etc/xdg").split(os.pathsep):
        yield str(Path(expand_home(directory, environ.get("HOME", "")), "pip", _BASENAME))
    yield f"/etc/{_BASENAME}"


def _user_files(environ: Mapping[str, str]) -> Iterator[str]:
    home = environ.get("HOME", "")
    yield expand_home(f"~/.pip/{_BASENAME}", home)
    if sys.platform == "darwin":
        application = expand_home("~/Library/Application Support/pip", home)
        yield str(Path(application, _BASENAME))
        # pip goes to the directory of Linux only while the one of macOS is not there.
        if not Path(application).is_dir():
            yield expand_home(f"~/.config/pip/{_BASENAME}", home)
        return
    directory = environ.get("XDG_CONFIG_HOME", "")
    yield str(Path(directory if directory.strip() else expand_home("~/.config", home), "pip", _BASENAME))


def _values(name: str, text: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of an option that names places, its paths in full."""
    for item in [text.strip()] if name in ("cert", "index-url") else text.split():
        if name == "find-links":
            yield _find_link(item, environ)
        elif name == "index-url" and not Path(item).exists():
            yield item
        elif item:
            yield absolute_path(item, environ) if name in ("cert", "index-url") else item


def _formats(options: Mapping[str, tuple[str, str]]) -> Iterator[Statement]:
    """Yield the statements of `no-binary` and `only-binary`, which exclude one another: the later wins, as in pip."""
    found: dict[str, Statement] = {}
    for name, (text, where) in options.items():
        if name not in ("no-binary", "only-binary"):
            continue
        kind: Kind = "no-binary" if name == "no-binary" else "only-binary"
        for one in format_statements(kind, text.replace(":none:", ""), "pip", where):
            if one.value == ":all:":
                found.clear()
            found[one.value] = one
    yield from found.values()


def _long_name(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _parse(file: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        content = Path(file).read_bytes()
    except OSError:  # absent, or not ours to read: pip passes over both
        return parser
    try:
        parser.read_string(content.decode(locale.getpreferredencoding(False)), source=file)
    except UnicodeDecodeError as error:
        raise _malformed(file, content.count(b"\n", 0, error.start) + 1, f"{error.encoding} text") from error
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or getattr(error, "errors", [(1, "")])[0][0]
        raise _malformed(file, line, "`[section]`, or below one `key = value`, each only once") from error
    return parser


def _malformed(file: str, line: int, expected: str) -> UsageError:
    return UsageError(
        f"pip's configuration cannot be read: line {line} of {file} is not {expected}",
        code="pip-config-invalid",
        where=f"{file}:{line}",
        remedy="correct that line, or set PIP_CONFIG_FILE=/dev/null to go without pip's files",
    )


def _is_true(name: str, options: Mapping[str, tuple[str, str]]) -> bool:
    value = options.get(name, ("no", ""))[0]
    if value.lower() not in _TRUE | _FALSE:
        raise UsageError(
            f"pip's option {name} is {mask(value)!r}, which is no boolean",
            code="pip-config-invalid",
            where=name,
            remedy=f"set it to 1 or 0 in pip's configuration or PIP_{name.upper().replace('-', '_')}",
        )
    return value.lower() in _TRUE


def _find_link(item: str, environ: Mapping[str, str]) -> str:
    expanded = expand_home(item, environ.get("HOME", ""))
    # pip takes `~` for the home directory only where the result is there.
    if item.startswith("~") and Path(expanded).exists():
        return os.path.realpath(expanded)
    # pip would take it from its working directory, and the tools are run in another one.
    return item if "://" in item or item.startswith("file:") else os.path.abspath(item)  # noqa: PTH100
