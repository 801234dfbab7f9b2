"""What a server asks of xoscar's manager, as a model spec: the place that it names, the packages, the options."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from venvkit.errors import UsageError
from venvkit.events import ignore
from venvkit.integrations.startup import leave
from venvkit.launch.asked import Call
from venvkit.launch.host import open_services
from venvkit.launch.reading import read_call, read_data
from venvkit.settings import Settings, load_settings
from venvkit.spec.configuration.pip import pip_config_files, pip_options
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import spec_engines

if TYPE_CHECKING:
    from venvkit.launch.asked import Choices

ENGINE_VARIABLES = ("engine", "model_engine")
_SOURCES = ("index_url", "extra_index_url", "find_links", "trusted_host")
# The worker of Xinference 4.1 pins these to the host's versions, behind the packages of the model.
_HOST_PINS = frozenset({"torch", "numpy", "scipy", "scikit-learn", "pandas"})


class Place(Struct, frozen=True):
    """The place of a model's environment: `HOME/virtualenv/v4/MODEL/ENGINE/VERSION`.

    Args:
        path: The place itself, the shell.
        home: XINFERENCE_HOME.
        engine: None where the path says `default`.
    """

    path: Path
    home: Path
    model: str
    engine: str | None


class Wish(Struct, frozen=True):
    """What one installation asks for.

    Args:
        packages: Strings of the requirement language.
        options: The options of xoscar's `install_packages` that were given.
        variables: Values of `#variables#`, the engine aside.
    """

    packages: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(packages: Iterable[str], options: Mapping[str, Any]) -> Wish:
        """Return the wish of a call of `install_packages`."""
        known = {*_SOURCES, "index_strategy", "no_build_isolation", "skip_installed", "log"}
        own = {name: value for name, value in options.items() if name in known and value is not None}
        own = {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
        others = options.keys() - known - {*ENGINE_VARIABLES}
        variables = {name: str(options[name]) for name in sorted(others) if options[name] is not None}
        return Wish(tuple(packages), tuple(own.items()), tuple(variables.items()))

    def after(self, former: Wish) -> Wish:
        """Return the wish that adds this one to `former`: the options of this one hold."""
        return Wish((*former.packages, *self.packages), self.options, self.variables)


def place_of(path: Path) -> Place:
    """Return what the path of an environment says.

    Raises:
        UsageError: It is not of Xinference's form (`place-unknown`).
    """
    parents = path.parents
    if len(parents) < 5 or (parents[2].name, parents[3].name) != ("v4", "virtualenv"):
        raise UsageError(
            "this is no place of a model's environment",
            code="place-unknown",
            where=str(path),
            remedy="use XINFERENCE_HOME/virtualenv/v4/MODEL/ENGINE/VERSION",
        )
    engine = parents[0].name
    return Place(path, parents[4], parents[1].name, None if engine == "default" else engine)


def call_of(place: Place, wish: Wish, python: Path | None) -> Call:
    """Return the call of venvkit that a wish stands for.

    Args:
        python: The interpreter of the environment, as the server named it; None means the server's own.

    Raises:
        UsageError: A package or an option is malformed.
    """
    environ = own_environ(place.home)
    settings = load_settings(environ)
    options = dict(wish.options)
    spec = ModelSpec(
        place.model,
        with_wishes(wish.packages),
        inherit_pip_config=_inherits_pip_config(options, environ),
        index_url=options.get("index_url"),
        extra_index_urls=_several(options.get("extra_index_url")),
        find_links=_several(options.get("find_links")),
        trusted_hosts=_several(options.get("trusted_host")),
        index_strategy=options.get("index_strategy"),
        no_build_isolation=bool(options.get("no_build_isolation")),
    )
    choices: Choices = {
        "engine": place.engine,
        "host_python": sys.executable,
        "skip_installed": _skip_installed(options.get("skip_installed")),
        "variables": dict(wish.variables),
    }
    if python is not None and str(python) != sys.executable:
        choices["python"] = python
    return Call(_naming_engine(spec, place.engine, settings), choices, settings, environ)


def requirements_of(packages: Sequence[str], variables: Mapping[str, Any]) -> list[str]:
    """Return what packages require once placeholders and markers are done with, on this machine.

    Raises:
        UsageError: One of them is malformed.
    """
    engine = next((str(variables[name]) for name in ENGINE_VARIABLES if variables.get(name)), None)
    environ = dict(os.environ)
    settings = load_settings(environ)
    spec = _naming_engine(ModelSpec("packages", tuple(packages)), engine, settings)
    choices: Choices = {"engine": engine, "variables": dict(Wish.of((), variables).variables)}
    call = Call(spec, {**choices, "host_python": sys.executable}, settings, environ)
    return [str(one) for one in read_call(call, open_services(call, ignore, None)).request.requirements]


def own_environ(home: Path) -> dict[str, str]:
    """Return the variables of this process for a store at `home`, without what concerns only the server's start."""
    environ = {**os.environ, "XINFERENCE_HOME": str(home)}
    leave(environ)
    return environ


def with_wishes(packages: Sequence[str]) -> tuple[str, ...]:
    """Return packages with the worker's pins to the host's versions, the last of the list, as the wishes they are.

    >>> with_wishes(["six==1.0"])
    ('six==1.0',)
    """
    kept = list(packages)
    wishes: list[str] = []
    while kept and (name := _host_pin(kept[-1])):
        wishes.insert(0, f"#system_{name}#")
        kept.pop()
    return (*kept, *wishes)


def _host_pin(text: str) -> str:
    """Return the name of a distribution that is pinned to exactly what the host has; empty for anything else."""
    name, _, pinned = text.partition("==")
    if name not in _HOST_PINS:
        return ""
    try:
        return name if version(name) == pinned else ""
    except PackageNotFoundError:
        return ""


def _naming_engine(spec: ModelSpec, engine: str | None, settings: Settings) -> ModelSpec:
    """Return a spec that names its engine where the engine data does not: the worker has applied its markers already.

    The line that names it never applies.
    """
    engines = read_data(settings)[0]
    if engine is None or engines.find(engine) is not None or engine in spec_engines(spec, engines):
        return spec
    line = f'xoscar ; #engine# == "{engine}" and python_version < "3"'
    return replace(spec, packages=(*spec.packages, line))


def _inherits_pip_config(options: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Tell whether the model inherits pip's configuration.

    A server asks its pip what the files say, and adds that to the options of such a model: options without it are those
    of a model that does not inherit. Of variables it learns nothing.
    """
    if find_spec("pip") is None:
        return True
    files = pip_config_files(environ, sys.prefix)
    said = pip_options({name: text for name, text in environ.items() if not name.startswith("PIP_")}, files)
    stated = {name.replace("-", "_") for name, (_, where) in said.items() if where.endswith("[global]")} & {*_SOURCES}
    return not stated or any(options.get(name) for name in stated)


def _skip_installed(given: bool | None) -> bool | None:
    """Return what a server says of the host's distributions; None leaves it to the setting.

    Xinference switches it off for what xoscar's own manager cannot do: direct references, and builds that share a
    version.
    """
    return None if given is False and "xinference" in sys.modules else given


def _several(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if not value else (value,) if isinstance(value, str) else tuple(value)
