"""The options that commands share; those of a request are the rows of the table of options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from venvkit.events import Observer, Warned
from venvkit.settings import load_settings
from venvkit.spec.options import OPTIONS, Option

Command = Callable[..., Any]

# What `venvkit models` takes of the first section: where models are looked for.
_CATALOGUE = tuple(option for option in OPTIONS if option.name in ("model_type", "specs", "from_server"))


class RequestCommand(click.Command):
    """A command with the options of a request; its help lists them in the sections of the table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then a section for each of the table's."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        titles = {option.name: option.section for option in OPTIONS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                sections.setdefault(titles.get(param.name or "", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def request_options(command: Command) -> Command:
    """Give a command the options of a request; it receives those that are given as `choices`."""
    return _with_choices(command, OPTIONS)


def catalogue_options(command: Command) -> Command:
    """Give a command the options that say where models are looked for; it receives them as `choices`."""
    return _with_choices(command, _CATALOGUE)


def _with_choices(command: Command, options: tuple[Option, ...]) -> Command:
    @functools.wraps(command)
    def with_choices(**given: Any) -> Any:
        chosen = {one.name: _chosen(one, value) for one in options if (value := given.pop(one.name))}
        return command(choices=chosen, **given)

    decorated: Command = with_choices
    for option in reversed(options):
        decorated = _decorator(option)(decorated)
    return decorated


def _chosen(option: Option, value: Any) -> Any:
    return not option.spelled.startswith("--no-") if option.form == "flag" else value


def _decorator(option: Option) -> Callable[[Command], Command]:
    more: dict[str, Any] = {"help": f"{option.meaning} Repeatable." if option.several else option.meaning}
    if option.form == "flag":
        more["is_flag"] = True
    elif option.words:
        more["type"] = click.Choice(option.words)
    else:
        more |= {"metavar": option.metavar, "multiple": option.several}
    if option.form == "number":
        more["type"] = click.IntRange(min=1)
    if option.form == "pairs":
        more["callback"] = _pairs
    return click.option(*option.names, option.name, **more)


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in value]
    for item, (name, equals, _) in zip(value, pairs, strict=True):
        if not name or not equals:
            raise click.BadParameter(f"{item!r} is not of the form {(param.metavar or '').lower()}", ctx, param)
    return {name: text for name, _, text in pairs}


def enable_option(command: Command) -> Command:
    """Give a command `--enable/--disable`."""
    return click.option("--enable/--disable", default=None, help="Override XINFERENCE_ENABLE_VIRTUAL_ENV.")(command)


def warn_disabled(enable: bool | None, observer: Observer) -> None:
    """Warn where environments are switched off, by the option or the settings: a plan is made all the same."""
    if not (load_settings().enable if enable is None else enable):
        observer(Warned("disabled", "environments are switched off: build would hand out the host's interpreter"))


def json_option(command: Command) -> Command:
    """Give a command `--json`. Its value is read from the command line as a whole: usage errors honour it too."""
    return click.option("--json", is_flag=True, expose_value=False, help="Print one JSON document.")(command)


def quiet_option(command: Command) -> Command:
    """Give a command `--quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress; warnings are shown all the same.")(
        command
    )


def place_options(command: Command) -> Command:
    """Give a command that reads the store `--engine` and `--python`."""
    python = click.option(
        "--python", metavar="VERSION|PATH", help="Only the environment of this interpreter: 3.11, 3.11.7 or a path."
    )
    return click.option("--engine", metavar="NAME", help="Only the environment for this engine.")(python(command))
