"""Ray: a field of `runtime_env` that gives actors and tasks an environment of venvkit.

Needs `pip install venvkit[ray]` on every node, and in the environment of the driver and of every `ray start`:
RAY_RUNTIME_ENV_PLUGINS='[{"class": "venvkit.integrations.ray.VenvkitPlugin"}]'

Example:
    >>> @ray.remote(runtime_env={"venvkit": {"model": "bge-m3", "engine": "sentence_transformers"}})  # doctest: +SKIP
    ... class Embedder: ...
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray._private.runtime_env.plugin import RuntimeEnvPlugin

from venvkit.api import ensure_env_async
from venvkit.base.digest import digest
from venvkit.errors import UsageError, VenvkitError
from venvkit.events import Event, Observer, PhaseStarted, Warned
from venvkit.proof.integrity import intact
from venvkit.spec.model import ModelSpec
from venvkit.spec.options import read_choices

if TYPE_CHECKING:
    import logging

    from ray._private.runtime_env.context import RuntimeEnvContext

    from venvkit.launch.handle import Environment
    from venvkit.store.lock.lease import Lease

FIELD = "venvkit"
# Tells the process of an actor or a task which field it was started for.
_STARTED_FOR = "_VENVKIT_RAY"


class VenvkitPlugin(RuntimeEnvPlugin):
    """The plugin of Ray's runtime environment agent.

    The field is a mapping: `model` is a model's name or the path of a spec on the nodes; without it, `packages` is what
    is required. Every other key is an option of `ensure_env`.

    The agent leases an environment from `create` to `delete_uri`. Ray calls that only when its cache for this plugin is
    full: RAY_RUNTIME_ENV_VENVKIT_CACHE_SIZE_GB=0 makes it come as soon as no actor uses the environment.
    """

    name = FIELD

    def __init__(self) -> None:
        self._made: dict[str, tuple[Environment, Lease]] = {}

    @staticmethod
    def validate(runtime_env_dict: Mapping[str, Any]) -> None:
        """Check the field; see `runtime_env` for the driver's side.

        Raises:
            ValueError: It is malformed; the text names the place and the remedy.
        """
        field = runtime_env_dict.get(FIELD)
        if field is not None:
            try:
                _read(field)
            except VenvkitError as error:
                raise ValueError(f"runtime_env[{FIELD!r}]: {error}") from error

    def get_uris(self, runtime_env: Mapping[str, Any]) -> list[str]:
        """Return the URI of the field: its digest. Equal plans share an environment all the same."""
        return [_uri(runtime_env[FIELD])] if runtime_env.get(FIELD) is not None else []

    async def create(
        self,
        uri: str | None,
        runtime_env: Mapping[str, Any],
        context: RuntimeEnvContext,  # noqa: ARG002 - Ray passes it
        logger: logging.Logger,
    ) -> float:
        """Build the environment, or find it, and lease it; cancelling the task cancels the build.

        Returns:
            The bytes of the environment.

        Raises:
            RuntimeError: It cannot be built; Ray shows the text at the driver.
        """
        spec, choices = _read(runtime_env[FIELD])
        try:
            environment = await ensure_env_async(spec, observer=_logging_to(logger), **choices)
        except VenvkitError as error:
            # Ray shows the whole traceback, causes included; the reason is in the text.
            raise RuntimeError(str(error)) from None
        if uri is not None:
            self._keep(uri, environment)
        receipt = environment.receipt
        return receipt.size if receipt is not None else 0

    def modify_context(
        self,
        uris: list[str],
        runtime_env: Mapping[str, Any],  # noqa: ARG002 - Ray passes it
        context: RuntimeEnvContext,
        logger: logging.Logger,  # noqa: ARG002 - Ray passes it
    ) -> None:
        """Let a worker start from the environment, which must be there and unspoilt; nothing is built here.

        Raises:
            RuntimeError: It is not there any more.
        """
        for uri in uris:
            environment = self._made[uri][0] if uri in self._made else None
            if environment is None or not (environment.is_host or intact(environment.path)):
                where = environment.path if environment is not None else "not made by this agent"
                raise RuntimeError(
                    f"the environment of {uri} is not there any more ({where}): "
                    "repair it with `venvkit check --repair`, or change the field to have it built anew"
                )
            context.py_executable = shlex.quote(str(environment.python))
            _set_variables(context, environment)
            context.env_vars[_STARTED_FOR] = f"{uri} {environment.path}"

    def delete_uri(self, uri: str, logger: logging.Logger) -> float:
        """Release an environment that no actor uses; what no model wants any more is left to `venvkit gc`.

        Returns:
            0: nothing was deleted.
        """
        if uri in self._made:
            environment, lease = self._made.pop(uri)
            lease.close()
            logger.info("released %s", environment.path)
        return 0

    def _keep(self, uri: str, environment: Environment) -> None:
        former = self._made.get(uri)
        self._made[uri] = (environment, environment.lease())
        if former is not None:
            former[1].close()


def runtime_env(model: str | None = None, **options: Any) -> dict[str, Any]:
    """Return a `runtime_env` with the field of this plugin, checked: Ray itself checks it on a node, much later.

    Args:
        model: A model's name, or the path of a spec on the nodes; without it, `packages` must be among the options.
        options: Options of `ensure_env`.

    Raises:
        ValueError: One of them is malformed.

    Example:
        >>> runtime_env("bge-m3", engine="sentence_transformers")  # doctest: +SKIP
        {'venvkit': {'model': 'bge-m3', 'engine': 'sentence_transformers'}}
    """
    field = {FIELD: {**({} if model is None else {"model": model}), **options}}
    VenvkitPlugin.validate(field)
    return field


def check_worker() -> None:
    """Check that this process of Ray runs from the environment that its `runtime_env` asks for.

    A node whose agent does not know the plugin ignores the field, with a warning in its own log only. An actor that
    calls this in its constructor fails there instead.

    Raises:
        RuntimeError: It runs from another one.
    """
    import ray

    field = ray.get_runtime_context().runtime_env.get(FIELD)
    if field is None:
        return
    wanted, _, path = os.environ.get(_STARTED_FOR, "").partition(" ")
    if wanted != _uri(field) or os.path.realpath(sys.prefix) != os.path.realpath(path):
        raise RuntimeError(
            f"this process runs from {sys.prefix} and not from an environment of venvkit: set RAY_RUNTIME_ENV_PLUGINS "
            "before `ray start` on every node"
        )


def _read(field: object) -> tuple[ModelSpec | str, dict[str, Any]]:
    """Return the model and the options of a field.

    Raises:
        UsageError: It is malformed.
    """
    if not isinstance(field, Mapping) or not all(isinstance(key, str) for key in field):
        raise _invalid(f"wants a mapping, not {field!r}")
    choices: dict[str, Any] = {str(key): value for key, value in field.items() if key != "model"}
    read_choices(choices, os.environ)
    if "model" not in field:
        packages = choices.pop("packages", None)
        if not packages:
            raise _invalid("names neither a model nor packages")
        lines = (packages,) if isinstance(packages, str) else tuple(packages)
        # The name becomes a path: one for each set of packages.
        return ModelSpec(f"ray-{digest(lines)[:12]}", lines), choices
    if not isinstance(field["model"], str) or not field["model"]:
        raise _invalid(f"wants the name of a model or the path of a spec, not {field['model']!r}")
    return field["model"], choices


def _invalid(reason: str) -> UsageError:
    return UsageError(
        f"the field {reason}",
        code="field-invalid",
        remedy=f'write {{"{FIELD}": {{"model": "bge-m3", "engine": "sentence_transformers"}}}}, '
        f'or {{"{FIELD}": {{"packages": ["humanize"]}}}}',
    )


def _uri(field: Mapping[str, Any]) -> str:
    return f"{FIELD}://{digest(dict(field))}"


def _set_variables(context: RuntimeEnvContext, environment: Environment) -> None:
    """Give a worker the variables of its environment; what other plugins and the user set stays."""
    base = {**os.environ, **context.env_vars}
    wanted = environment.environ(base)
    context.env_vars.update({name: value for name, value in wanted.items() if base.get(name) != value})
    gone = base.keys() - wanted.keys() - context.env_vars.keys()
    context.env_vars.update(dict.fromkeys(gone, ""))


def _logging_to(logger: logging.Logger) -> Observer:
    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            logger.warning("%s", event.message)
        elif isinstance(event, PhaseStarted):
            logger.info("%s %s", event.phase, event.detail)

    return observe
