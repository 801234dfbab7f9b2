"""The options that commands share, and the keywords of `ensure_env` that they become."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

_STRATEGIES = ("first-index", "unsafe-first-match", "unsafe-best-match")
_ORPHANS = ("hold-repair", "hold", "report")


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in value]
    for item, (name, equals, _) in zip(value, pairs, strict=True):
        if not name or not equals:
            raise click.BadParameter(f"{item!r} is not of the form {(param.metavar or '').lower()}", ctx, param)
    return {name: text for name, _, text in pairs}


def _folders(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """A relative folder means one of here: the installer runs in another directory."""
    return tuple(item if "://" in item else str(Path(item).absolute()) for item in value)


def _several(*names: str, help: str, metavar: str, **more: Any) -> Callable[[Command], Command]:
    return click.option(*names, multiple=True, help=f"{help} Repeatable.", metavar=metavar, **more)


_CATALOGUE_OPTIONS = (
    click.option("--type", "model_type", metavar="TYPE", help="Type of a model given by name, such as embedding."),
    _several(
        "--specs", "specs", metavar="DIR", callback=_folders, help="Folder of specs in which names are found first."
    ),
    click.option("--from-server", is_flag=True, help="Ask the running server too, for what is found nowhere else."),
)
_REQUEST_OPTIONS = (
    *_CATALOGUE_OPTIONS,
    click.option("--variant", type=click.IntRange(min=1), help="Which of several specs of one name, by its number."),
    click.option("--engine", metavar="NAME", help="Engine to launch with, such as vllm or transformers."),
    click.option("--model-format", metavar="NAME", help="Format of the model's files, such as pytorch or gptq."),
    _several(
        "-p", "--package", "packages", metavar="REQUIREMENT", help="Add a requirement; it replaces those of its name."
    ),
    _several(
        "--var", "variables", metavar="NAME=VALUE", callback=_pairs, help="Set a variable that markers may read."
    ),
    click.option("--index-url", metavar="URL", help="Index in place of the configured ones."),
    _several("--extra-index-url", "extra_index_urls", metavar="URL", help="Further index."),
    _several(
        "--find-links", "find_links", metavar="DIR|URL", callback=_folders, help="Directory or page of wheels."
    ),
    click.option("--index-strategy", type=click.Choice(_STRATEGIES), help="How several indexes are combined."),
    click.option("--host-python", metavar="PATH", help="Interpreter whose packages are the host."),
    click.option("--python", metavar="VERSION|PATH", help="Interpreter of the environment, if not the host's."),
    click.option("--upgrade", is_flag=True, help="Plan anew and prefer the newest versions to the host's."),
    click.option("--no-skip-installed", is_flag=True, help="Install all that the model reaches; inherit nothing."),
    click.option("--isolated", is_flag=True, help="Do not show the host to the environment at all."),
    click.option("--offline", is_flag=True, help="Do without the public network."),
    click.option("--accelerator", metavar="FACTS", help="Accelerator to plan for: none, or cuda=13.0,arch=sm_90."),
    _several("--constraint", "constraints", metavar="REQUIREMENT", help="Bound on whatever gets chosen."),
    _several("--override", "overrides", metavar="REQUIREMENT", help="Replaces every requirement of its name."),
    _several("--exclude", "excludes", metavar="NAME", help="Treat as if nothing required it."),
    _several("--no-inherit", "no_inherit", metavar="NAME", help="Do not use the host's copy."),
    _several("--protect", "protect", metavar="NAME", help="Host distribution that may not be broken or replaced."),
    click.option("--orphans", type=click.Choice(_ORPHANS), help="What to do about what the plan breaks on the host."),
    click.option("--backend", type=click.Choice(("uv", "pip")), help="What plans and installs; uv if not said."),
    click.option("--exclude-newer", metavar="DATE|AGE", help="Ignore what was uploaded after a date, or is younger."),
    _several("--only-binary", "only_binary", metavar="NAME", help="Take wheels of it alone; :all: for everything."),
    _several("--no-build", "no_build", metavar="NAME", help="Refuse a plan that builds it; :all: for everything."),
    click.option("--torch-backend", metavar="LINE", help="Line of torch's own indexes: auto, cpu, or such as cu130."),
    _several("--optional", "optional", metavar="NAME", help="A requirement that may be missing in the end."),
    _several("--verify", "verify", metavar="MODULE", help="Import that must succeed before a build counts."),
    _several(
        "--source", "sources", metavar="NAME=URL", callback=_pairs, help="The one index that a package comes from."
    ),
)  # fmt: skip
_NAMES = (
    "engine", "model_format", "model_type", "variant", "specs", "from_server", "packages", "variables", "index_url",
    "extra_index_urls", "find_links",
    "index_strategy", "host_python", "python", "upgrade", "isolated", "accelerator", "constraints", "overrides",
    "excludes", "no_inherit", "protect", "orphans", "backend", "exclude_newer", "only_binary", "no_build",
    "torch_backend", "optional", "verify", "sources",
)  # fmt: skip


def request_options(command: Command) -> Command:
    """Give a command the options of a request; it receives those that are given as `choices`."""

    @functools.wraps(command)
    def with_choices(**given: Any) -> Any:
        chosen = {name: value for name in _NAMES if (value := given.pop(name))}
        if given.pop("no_skip_installed"):
            chosen["skip_installed"] = False
        if given.pop("offline"):
            chosen["offline"] = True
        return command(choices=chosen, **given)

    return _decorated(with_choices, _REQUEST_OPTIONS)


def catalogue_options(command: Command) -> Command:
    """Give a command the options that say where models are looked for; it receives them as `choices`."""

    @functools.wraps(command)
    def with_choices(**given: Any) -> Any:
        chosen = {name: value for name in ("model_type", "specs", "from_server") if (value := given.pop(name))}
        return command(choices=chosen, **given)

    return _decorated(with_choices, _CATALOGUE_OPTIONS)


def enable_option(command: Command) -> Command:
    """Give a command `--enable/--disable`."""
    return click.option("--enable/--disable", default=None, help="Override XINFERENCE_ENABLE_VIRTUAL_ENV.")(command)


def json_option(command: Command) -> Command:
    """Give a command `--json`. Its value is read from the command line as a whole: usage errors honour it too."""
    return click.option("--json", is_flag=True, expose_value=False, help="Print one JSON document.")(command)


def quiet_option(command: Command) -> Command:
    """Give a command `--quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress; warnings are shown all the same.")(
        command
    )


def engine_option(command: Command) -> Command:
    """Give a command that reads the store `--engine`."""
    return click.option("--engine", metavar="NAME", help="Only the environment for this engine.")(command)


def _decorated(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
