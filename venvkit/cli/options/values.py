"""Values of options that need more than click's own types."""

from __future__ import annotations

import re

import click

from venvkit.settings.kinds import BYTES

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of an age such as `30d`, for an option."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", value.strip().lower())
    if match is None:
        raise click.BadParameter(f"{value!r} is no age such as 30d, 12h or 2w")
    return float(match[1]) * _SECONDS[match[2]]


def size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Return the bytes of a size such as `50GB`, for an option."""
    if value is None:
        return None
    try:
        return int(BYTES.parse(value.strip()))  # type: ignore[arg-type]  # its parse gives a whole number
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no size; accepted: {BYTES.accepts}") from error


def variable_names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    """Return names of variables without the signs around them, for an option."""
    for name in value:
        if "=" in name or not name.strip("#"):
            raise click.BadParameter(f"{name!r} is not the name of a variable; its value does not matter", ctx, param)
    return frozenset(name.strip("#") for name in value)
