"""The group of commands, and the one place where a command's end becomes output and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, cast

import click

from venvkit.base.version import __version__
from venvkit.cli.session import Session, open_closed_streams
from venvkit.cli.signals import interruptible

# Command -> its module in `venvkit.cli.commands`, imported when the command runs, and its line in the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "build": ("build", "Build a model's environment, or find the one that is there."),
    "plan": ("plan", "Show what would be installed and inherited, and why; build nothing."),
    "why": ("why", "Explain one distribution: what asks for it, and why it was not inherited."),
    "diff": ("diff", "Show what differs between two plans or environments."),
    "run": ("run", "Run a command in a model's environment, built when it is missing."),
    "xinference": ("xinference", "Run an Xinference command whose models get environments of venvkit."),
    "list": ("listing", "List the models of the store."),
    "show": ("show", "Show one environment: what is in it and why, its host, its paths."),
    "check": ("check", "Prove environments again, against the host and the files as they are now."),
    "remove": ("remove", "Remove environments that nobody uses."),
    "history": ("history", "Show the environments that a model had."),
    "rollback": ("rollback", "Put a former environment of a model in force again."),
    "gc": ("gc", "Remove what no model wants any more, and what dead processes left."),
    "models": ("models", "List the models that can be named, and where their specs lie."),
    "engines": ("engines", "List the engines, what each brings, and the file that says so."),
    "lint": ("lint", "Look specs over for faults and for what can never apply."),
    "config": ("config", "List all variables, their values, and where these come from."),
}


class App(click.Group):
    """A group whose commands are imported when they run, and that ends each of them in one way."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        import importlib

        module = importlib.import_module(f"venvkit.cli.commands.{COMMANDS[cmd_name][0]}")
        return cast(click.Command, module.command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; an unknown one is answered with the nearest."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"there is no command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands' lines without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> None:
        """Run a command line to its end, and end the process with its exit status."""
        argv = list(sys.argv[1:] if args is None else args)
        session = Session(argv)
        open_closed_streams()
        ended: object
        with interruptible():
            try:
                ended = super().main(argv, prog_name, standalone_mode=False, obj=session, **extra)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, the contract holds
                ended = error
            if ended is None or isinstance(ended, int):  # help, version, or the status of what `run` ran
                sys.exit(ended)
            from venvkit.cli.ending import finish

            sys.exit(finish(session, ended))


def _keep_traceback(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).traceback = True


@click.group(
    name="venvkit",
    cls=App,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="venvkit %(version)s")
@click.option("--traceback", is_flag=True, expose_value=False, callback=_keep_traceback, help="Show errors in full.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Per-model Python environments: the host's packages plus exactly what the model still needs."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
