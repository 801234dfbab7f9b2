"""`python -m venvkit`, and the `venvkit` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line and end the process with its exit status."""
    from venvkit.cli.app import cli

    cli.main(prog_name="venvkit")


if __name__ == "__main__":
    main()
