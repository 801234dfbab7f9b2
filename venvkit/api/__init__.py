"""The three calls of the library. The warm path ends here; everything else is imported when it is needed."""

from __future__ import annotations

import os
import sys

from venvkit.formats.entry import read_entry
from venvkit.launch.asked import Call
from venvkit.launch.given import Given, is_path
from venvkit.launch.handle import Environment
from venvkit.launch.warm import answered_by, moment, question, recall, remember
from venvkit.settings import load_settings
from venvkit.spec.options import read_choices

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from typing import Any

    from typing_extensions import Unpack

    from venvkit.events import Observer
    from venvkit.launch.asked import Choices
    from venvkit.launch.planning import Planned
    from venvkit.spec.model import ModelSpec


def ensure_env(
    spec: ModelSpec | dict[str, Any] | str | os.PathLike[str],
    *,
    enable: bool | None = None,
    observer: Observer | None = None,
    cancel: threading.Event | None = None,
    **choices: Unpack[Choices],
) -> Environment:
    """Return the environment of a model, building it when it is not there.

    Args:
        spec: A `ModelSpec`, the dict of a spec, the path of a JSON or TOML file that holds one, or a model's name: it
            is looked for in the folders `specs`, below XINFERENCE_HOME, in the host's `xinference`, among venvkit's
            examples and, with `from_server`, at XINFERENCE_ENDPOINT; `model_type` and `variant` tell several of one
            name apart.
        enable: Overrides XINFERENCE_ENABLE_VIRTUAL_ENV; False returns the host and touches nothing on disk.
        observer: Receives progress events, on the thread that builds.
        cancel: Set it to stop; the build leaves nothing behind.
        choices: The options of a call, listed in docs/cli.md; a sequence may be one string, and a relative path
            starts at the working directory.

    Raises:
        VenvkitError: Of the class that says why; see `venvkit.errors`.

    Example:
        >>> env = ensure_env("bge.json", engine="sentence_transformers")  # doctest: +SKIP
        >>> subprocess.Popen([env.python, "serve.py"], env=env.environ())  # doctest: +SKIP
    """
    asked = question(spec, enable, choices)
    if asked is not None and (found := recall(asked)) is not None:
        return found
    before = moment()
    environ = dict(os.environ)
    settings = load_settings(environ)
    if not (settings.enable if enable is None else enable):
        return _host(spec, read_choices(choices, environ), settings.host_python)
    call = Call(spec, choices, settings, environ)
    key = call.key()
    entry = None if call.choices["upgrade"] else read_entry(f"{settings.home}/virtualenv/requests/{key}.json")
    if entry is not None and (found := answered_by(entry)) is not None:
        if asked is not None:
            moving = settings.home_watch
            known = {**entry, "watches": [*entry["watches"], moving]} if moving else entry
            remember(asked, known, call.given.watch, before)
        return found
    from venvkit.launch.ensure import ensure

    return ensure(call, key, observer, cancel)


async def ensure_env_async(
    spec: ModelSpec | dict[str, Any] | str | os.PathLike[str],
    *,
    enable: bool | None = None,
    observer: Observer | None = None,
    **choices: Unpack[Choices],
) -> Environment:
    """`ensure_env` for an event loop: it runs on a thread, and cancelling the task cancels the build.

    Raises:
        VenvkitError: As `ensure_env`.
    """
    from venvkit.launch.threads import call_in_thread

    return await call_in_thread(
        lambda cancel: ensure_env(spec, enable=enable, observer=observer, cancel=cancel, **choices)
    )


def plan_env(
    spec: ModelSpec | dict[str, Any] | str | os.PathLike[str],
    *,
    observer: Observer | None = None,
    cancel: threading.Event | None = None,
    **choices: Unpack[Choices],
) -> Planned:
    """Decide what `ensure_env` would build, and why; nothing is built or written below XINFERENCE_HOME.

    Takes the arguments of `ensure_env`.

    Raises:
        VenvkitError: As `ensure_env`.
    """
    from venvkit.launch.ensure import plan_call

    environ = dict(os.environ)
    return plan_call(Call(spec, choices, load_settings(environ), environ), observer, cancel)


def _host(
    spec: ModelSpec | dict[str, Any] | str | os.PathLike[str],
    choices: Mapping[str, Any],
    setting: str | None,
) -> Environment:
    """The host's own interpreter, for when environments are switched off."""
    from venvkit.host.probe import find_host_python

    python = find_host_python(choices.get("host_python"), setting)
    from pathlib import Path

    if isinstance(spec, (str, os.PathLike)):
        text = os.fspath(spec)
        name = Path(text).stem if is_path(text) else text
    else:
        name = Given(spec).value.name  # type: ignore[union-attr]
    return Environment(
        {
            "model": name,
            "engine": choices.get("engine"),
            "version": ".".join(map(str, sys.version_info[:3])) if python == sys.executable else "",
            "key": "",
            "python": python,
            "path": str(Path(python).parent.parent),
        },
        None,
    )
