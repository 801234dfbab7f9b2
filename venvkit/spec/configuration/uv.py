"""uv's own configuration as far as it names sources: UV_* variables, then the uv.toml of the user and of the machine.

uv reads it by itself. It is read here for the account of sources, for the reads of a source that are ours, and for what
becomes part of the request. The order is the one in which uv 0.13 was seen to ask its indexes; what uv would refuse it
refuses in its own words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from msgspec import Struct, field
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.mask import mask
from venvkit.base.reading import parse_toml, read_regular
from venvkit.settings.tooloptions import tool_options
from venvkit.spec.configuration.bounds import BoundKind, Bounds, format_statements, read_bounds
from venvkit.spec.configuration.paths import absolute_path, named_index, named_paths, refused
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.statements import SPEAKERS, Kind, Statement, settled, without

_Tables: TypeAlias = tuple[tuple[str, dict[str, Any]], ...]
TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
# Variable, what it is about, and what stands between several values.
_VARIABLES: tuple[tuple[str, Kind, str | None], ...] = (
    ("UV_INDEX", "extra-index", " "),
    ("UV_EXTRA_INDEX_URL", "extra-index", " "),
    ("UV_DEFAULT_INDEX", "index", None),
    ("UV_INDEX_URL", "index", None),
    ("UV_FIND_LINKS", "find-links", ","),
    ("UV_INDEX_STRATEGY", "index-strategy", None),
    ("UV_INSECURE_HOST", "trusted-host", " "),
    ("SSL_CERT_FILE", "cert", None),
    ("SSL_CERT_DIR", "cert", None),
)
# Variables that become part of the request. `uv pip` itself reads the first three. The others are for `uv sync`, and
# hold here as well, since whoever sets them means every install.
_BOUNDS: tuple[tuple[str, BoundKind], ...] = (
    ("UV_CONSTRAINT", "constraint"),
    ("UV_OVERRIDE", "override"),
    ("UV_EXCLUDE", "exclude"),
)
_FORMATS: tuple[tuple[str, Kind], ...] = (("UV_NO_BUILD", "only-binary"), ("UV_NO_BINARY", "no-binary"))
_PLACES = ("index", "extra-index", "find-links")
# Kinds of statements by the keys of a uv.toml, in the order in which uv asks.
_SOURCES: dict[Kind, str] = {
    "extra-index": "extra-index-url",
    "index": "index-url",
    "find-links": "find-links",
    "index-strategy": "index-strategy",
}
_SYSTEM_CERTS = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")


class UvConfig(Struct, frozen=True):
    """The sources in uv's own configuration.

    Args:
        statements: What it names, the strongest first and in the order in which uv asks.
        system_certs: Where it is said that the machine's own certificate authorities count; empty for nowhere.
        proxies: The proxies of a uv.toml by their key there; they win over the variables.
        no_index: The file that says that no index is to be asked; empty where none does.
        no_sources: The files that have uv overlook the index that a package is tied to, each with the packages,
            or None for all.
        users: Addresses that variables (`UV_INDEX_NAME_USERNAME`) give a user, each with the address as it is then.
        refused: Files and their keys that would have uv install elsewhere, or answer another question.
    """

    statements: tuple[Statement, ...] = ()
    system_certs: str = ""
    proxies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_index: str = ""
    no_sources: tuple[tuple[str, frozenset[NormalizedName] | None], ...] = ()
    users: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        hidden = dict.fromkeys(self.users, "****")
        shown = (f"{name}={hidden if name == 'users' else getattr(self, name)!r}" for name in self.__struct_fields__)
        return mask(f"UvConfig({', '.join(shown)})")

    @property
    def own_trust(self) -> bool:
        """Whether the operator said which certificate authorities uv is to trust."""
        return bool(self.system_certs) or any(one.kind == "cert" for one in self.statements)


def uv_config_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return every file that uv would read now if it were there, the strongest first.

    A machine may have several places for one file; uv reads the first that is there.
    """
    if named := environ.get("UV_CONFIG_FILE"):
        return (absolute_path(named, environ),)
    if environ.get("UV_NO_CONFIG", "").lower() in TRUE:
        return ()
    base = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '')}/.config"
    user = f"{base}/uv/uv.toml"
    if environ.get("UV_NO_SYSTEM_CONFIG", "").lower() in TRUE:
        return (user,)
    folders = filter(None, environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep))
    return (user, *(f"{folder}/uv/uv.toml" for folder in folders), "/etc/uv/uv.toml")


def read_uv_config(environ: Mapping[str, str]) -> UvConfig:
    """Return the configuration that uv, run in `environ`, reads from its variables and files."""
    files = tuple(_files(environ))
    system = next((name for name in _SYSTEM_CERTS if environ.get(name, "").lower() in TRUE), "")
    proxies: dict[str, tuple[str, ...]] = {}
    no_index = ""
    for path, table in files:
        if not system and any(table.get(key) is True for key in ("system-certs", "native-tls")):
            system = path
        for key in ("http-proxy", "https-proxy", "no-proxy"):
            if key not in proxies and (found := _texts(table.get(key))):
                proxies[key] = found
        no_index = no_index or (path if True in (table.get("no-index"), _pip(table).get("no-index")) else "")
    users = dict(_users(files, environ))
    return UvConfig(
        (*_of_variables(environ), *_of_files(files)),
        system,
        proxies,
        no_index,
        tuple(_no_sources(files)),
        users,
        tuple((path, key) for path, table in files for key in tool_options("uv-pip") if _pip(table).get(key)),
    )


def check_uv_config(config: UvConfig) -> None:
    """Raise `UsageError` (`tool-option-refused`) where a uv.toml would have uv install elsewhere or something else."""
    for path, key in config.refused:
        raise refused(f"`{key}` of [pip]", path)


def uv_bounds(environ: Mapping[str, str]) -> Bounds:
    """Return the bounds of uv's variables, which become part of the request: uv does not see these variables.

    Raises:
        UsageError: A file is missing or cannot be read.
        SpecError: A line of a file, or a name, is malformed.
    """
    named = ((kind, path, name) for name, kind in _BOUNDS for path in named_paths(name, environ.get(name, ""), environ))
    bounds = read_bounds(((kind, path, "uv", name) for kind, path, name in named), environ)
    formats = [
        one
        for name, kind in _FORMATS
        for one in (
            *format_statements(kind, environ.get(f"{name}_PACKAGE", ""), "uv", f"{name}_PACKAGE"),
            *format_statements(kind, "", "uv", name, every=environ.get(name, "").lower() in TRUE),
        )
    ]
    return Bounds((*bounds.statements, *formats), bounds.files)


def in_force(sources: Sources, environ: Mapping[str, str]) -> tuple[Statement, ...]:
    """Return the whole account of sources as uv follows it in `environ`: the request's, then uv's own.

    The further indexes that are in force stand in the order in which they are asked, before the index itself.
    """
    config = read_uv_config(environ)
    theirs = config.statements
    variables = tuple(one for one in theirs if one.where.startswith("UV_"))
    if sources.index_url:
        variables = without(variables, ("index", "extra-index"), "the request names its own index")
    files = tuple(one for one in theirs if not one.where.startswith(("UV_", "SSL_")))
    trust = tuple(one for one in theirs if one.kind == "cert")
    said = sources.statements
    if config.own_trust:
        where = config.system_certs or trust[0].where
        said = without(said, ("cert",), f"{where} says whom to trust")
    everything = settled((*trust, *said, *variables, *files))
    nobody = config.no_index or (SPEAKERS["pip"] if sources.no_index else "")
    return without(everything, ("index", "extra-index"), f"{nobody} says to ask no index") if nobody else everything


def trusted_bundle(sources: Sources, environ: Mapping[str, str]) -> str | None:
    """Return the certificate authorities that the request brings along, unless the operator told uv whom to trust."""
    return sources.cert if sources.cert and not read_uv_config(environ).own_trust else None


def _files(environ: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files that are there: the user's, and the first of the machine's."""
    for path in (files := uv_config_files(environ)):
        try:
            yield path, parse_toml(read_regular(path))
        except (OSError, ValueError):  # not there, or not to be read: then uv says so
            continue
        if path != files[0]:
            return


def _no_sources(files: _Tables) -> Iterator[tuple[str, frozenset[NormalizedName] | None]]:
    for path, table in files:
        for part in (table, _pip(table)):
            if part.get("no-sources") is True:
                yield path, None
            if names := _texts(part.get("no-sources-package")):
                yield path, frozenset(map(canonicalize_name, names))


def _users(files: _Tables, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the addresses of indexes whose name variables give a user, without and with it."""
    said = " ".join(environ.get(name, "") for name in ("UV_INDEX", "UV_DEFAULT_INDEX")).split()
    named = [found for found in map(named_index, said) if found[0]]
    named += [
        (index["name"], index["url"]) for _, table in files for index in _indexes(table) if _texts(index.get("name"))
    ]
    for name, address in named:
        variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
        user, password = (environ.get(f"{variable}_{part}", "") for part in ("USERNAME", "PASSWORD"))
        scheme, slashes, rest = address.partition("://")
        if (user or password) and slashes and "@" not in rest.partition("/")[0]:
            yield address, f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _of_variables(environ: Mapping[str, str]) -> Iterator[Statement]:
    for name, kind, separator in _VARIABLES:
        text = environ.get(name, "").strip()
        for value in text.split(separator) if separator else [text]:
            if value.strip():
                address = named_index(value.strip())[1]
                yield Statement(kind, absolute_path(address, environ) if kind in _PLACES else address, "uv", name)


def _of_files(files: _Tables) -> Iterator[Statement]:
    """Yield the sources of the files: of indexes those of the form `[[index]]` first, then the options of `[pip]`."""
    for kind in _SOURCES:
        for path, table in files:
            for index in _indexes(table):
                if kind == ("index" if index.get("default") else "" if index.get("explicit") else "extra-index"):
                    yield Statement(kind, index["url"], "uv", path)
        key = _SOURCES[kind]
        for path, table in (*((path, _pip(table)) for path, table in files), *files):
            yield from (Statement(kind, value, "uv", path) for value in _texts(table.get(key)))
    for path, table in files:
        yield from (Statement("trusted-host", value, "uv", path) for value in _texts(table.get("allow-insecure-host")))


def _pip(table: dict[str, Any]) -> dict[str, Any]:
    found = table.get("pip")
    return found if isinstance(found, dict) else {}


def _indexes(table: dict[str, Any]) -> list[dict[str, Any]]:
    found = table.get("index")
    listed = found if isinstance(found, list) else []
    return [index for index in listed if isinstance(index, dict) and isinstance(index.get("url"), str)]


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
