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
from venvkit.errors import UsageError
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import Kind, Statement
from venvkit.spec.configuration.uv import read_uv_config

_SECTIONS = ("global", "install")
_BASENAME = "pip.conf"
_TRUE = frozenset(("y", "yes", "t", "true", "on", "1"))
_FALSE = frozenset(("n", "no", "f", "false", "off", "0"))
# pip takes the best version over all of its indexes. A list of indexes that was written for pip keeps that meaning:
# with uv's own strategy the first index that has an old version of a project hides all the others.
_STRATEGY = "unsafe-best-match"


class PipConfig(Struct, frozen=True):
    """Where pip would look for distributions.

    Args:
        index_url: The index in place of pip's built-in one; None for the built-in one, or for none at all.
        extra_index_urls: Further indexes.
        find_links: Directories (absolute) and pages (URLs) that list files.
        trusted_hosts: Hosts, with or without a port, whose certificates are not checked.
        cert: A bundle of certificate authorities, an absolute path.
        no_index: Whether indexes are ignored; `index_url` and `extra_index_urls` are empty then.
        files: Every file that pip would read, whether it is there or not, weakest first.
        origins: Option by long name (`index-url`), and the file's section or the variable that it comes from.
    """

    index_url: str | None
    extra_index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    trusted_hosts: tuple[str, ...]
    cert: str | None
    no_index: bool
    files: tuple[str, ...]
    origins: tuple[tuple[str, str], ...] = ()

    def sources(self, environ: Mapping[str, str]) -> Sources:
        """Return the sources that a request inherits from this, each with the file or variable that names it.

        Args:
            environ: The environment that uv would run in; a strategy that is chosen for uv there is kept.
        """
        origins = dict(self.origins)
        lists: tuple[tuple[Kind, str, tuple[str | None, ...]], ...] = (
            ("extra-index", "extra-index-url", self.extra_index_urls),
            ("index", "index-url", (self.index_url,)),
            ("find-links", "find-links", self.find_links),
            ("trusted-host", "trusted-host", self.trusted_hosts),
            ("cert", "cert", (self.cert,)),
        )
        said = [
            Statement(kind, value, "pip", origins.get(option, ""))
            for kind, option, values in lists
            for value in values
            if value
        ]
        own = any(one.kind == "index-strategy" for one in read_uv_config(environ).statements)
        strategy = _STRATEGY if self.extra_index_urls and not own else None
        if strategy is not None:
            said.append(Statement("index-strategy", strategy, "pip", "as pip combines its several indexes"))
        return Sources(
            index_url=self.index_url,
            extra_index_urls=self.extra_index_urls,
            find_links=self.find_links,
            trusted_hosts=self.trusted_hosts,
            index_strategy=strategy,
            no_index=self.no_index,
            cert=self.cert,
            statements=tuple(said),
        )


def read_pip_config(environ: Mapping[str, str], *, prefix: str) -> PipConfig:
    """Return what pip, run by the interpreter of `prefix`, would take from its files and variables.

    Args:
        environ: The environment that pip would run in.
        prefix: `sys.prefix` of that interpreter.

    Raises:
        UsageError: A file, or a boolean in it or in a variable, is malformed (`pip-config-invalid`).
    """
    files = pip_config_files(environ, prefix)
    found = _options(environ, files)
    options = {name: value for name, (value, _) in found.items()}
    no_index = "no-index" in options and _is_true("no-index", options["no-index"])
    index_url = options.get("index-url", "").strip()
    cert = options.get("cert", "").strip()
    return PipConfig(
        index_url=None if no_index or not index_url else index_url,
        extra_index_urls=() if no_index else tuple(options.get("extra-index-url", "").split()),
        find_links=tuple(_find_link(item, environ) for item in options.get("find-links", "").split()),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        cert=os.path.abspath(_expand(cert, environ)) if cert else None,  # noqa: PTH100
        no_index=no_index,
        files=files,
        origins=tuple((name, where) for name, (_, where) in found.items()),
    )


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


def _machine_files(environ: Mapping[str, str]) -> Iterator[str]:
    if sys.platform == "darwin":
        yield f"/Library/Application Support/pip/{_BASENAME}"
        return
    directories = environ.get("XDG_CONFIG_DIRS", "")
    for directory in (directories if directories.strip() else "/etc/xdg").split(os.pathsep):
        yield str(Path(_expand(directory, environ), "pip", _BASENAME))
    yield f"/etc/{_BASENAME}"


def _user_files(environ: Mapping[str, str]) -> Iterator[str]:
    yield _expand(f"~/.pip/{_BASENAME}", environ)
    if sys.platform == "darwin":
        application = _expand("~/Library/Application Support/pip", environ)
        yield str(Path(application, _BASENAME))
        # pip goes to the directory of Linux only while the one of macOS is not there.
        if not Path(application).is_dir():
            yield _expand(f"~/.config/pip/{_BASENAME}", environ)
        return
    directory = environ.get("XDG_CONFIG_HOME", "")
    yield str(Path(directory if directory.strip() else _expand("~/.config", environ), "pip", _BASENAME))


def _options(environ: Mapping[str, str], files: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return the non-empty options of `pip install` by long name, with their places, all levels over one another."""
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


# pip keeps this old name of the option.
_ALIASES = {"pypi-url": "index-url"}


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
        line = content.count(b"\n", 0, error.start) + 1
        raise _malformed(file, line, f"is not {error.encoding} text") from error
    except configparser.Error as error:
        raise _malformed(file, _line_of(error), _reason(error)) from error
    return parser


def _line_of(error: configparser.Error) -> int:
    line = getattr(error, "lineno", None)
    if isinstance(line, int):
        return line
    return error.errors[0][0] if isinstance(error, configparser.ParsingError) else 1


def _reason(error: configparser.Error) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "stands before the first `[section]`"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"opens section [{error.section}] again"
    if isinstance(error, configparser.DuplicateOptionError):
        return f"sets {error.option} again in [{error.section}]"
    return "is neither `[section]` nor `key = value`"


def _malformed(file: str, line: int, reason: str) -> UsageError:
    return UsageError(
        f"pip's configuration cannot be read: line {line} of {file} {mask(reason)}",
        code="pip-config-invalid",
        where=f"{file}:{line}",
        remedy="correct that line, or set PIP_CONFIG_FILE=/dev/null to go without pip's files",
    )


def _is_true(name: str, value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise UsageError(
            f"pip's option {name} is {mask(value)!r}, which is no boolean",
            code="pip-config-invalid",
            where=name,
            remedy=f"set it to 1 or 0 in pip's configuration or PIP_{name.upper().replace('-', '_')}",
        )
    return value.lower() in _TRUE


def _find_link(item: str, environ: Mapping[str, str]) -> str:
    expanded = _expand(item, environ)
    # pip takes `~` for the home directory only where the result is there.
    if item.startswith("~") and Path(expanded).exists():
        return os.path.realpath(expanded)
    if "://" in item or item.startswith("file:"):
        return item
    # pip would take it from its working directory, and uv is run in another one.
    return os.path.abspath(item)  # noqa: PTH100


def _expand(path: str, environ: Mapping[str, str]) -> str:
    """Return `path` with a leading `~` expanded, by HOME of the given environment where it has one."""
    if path == "~" or path.startswith("~/"):
        return environ.get("HOME", os.path.expanduser("~")).rstrip("/") + path[1:]  # noqa: PTH111
    return os.path.expanduser(path)  # noqa: PTH111
