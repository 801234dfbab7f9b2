"""The start proof: the environment's interpreter starts, sees the host behind it, and finds what was installed."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from venvkit.base.process import Runner
from venvkit.base.turns import waiting
from venvkit.errors import MachineError, ProofError
from venvkit.formats.pointer import HOOK, POINTER
from venvkit.host.contents import import_names
from venvkit.host.distribution import Distribution
from venvkit.proof.processes import NEUTRAL_CWD, proof_environ

# Waits for a line with the names on standard input, finds them without an import, and answers on a descriptor of its
# own: a package may print when an interpreter ends. `os._exit` leaves out what packages do then.
_ANSWER = f"""\
import importlib, importlib.util, json, os, sys
names = json.loads(sys.stdin.readline() or "[]")
importlib.invalidate_caches()
found = {{}}
for name in names:
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        spec = None
    places = list(spec.submodule_search_locations or []) if spec else []
    found[name] = (spec.origin if spec and spec.has_location else None) or (places[0] if places else None)
hook = sys.modules.get({HOOK!r})
answer = {{
    "hook": getattr(hook, "__file__", None), "leased": getattr(hook, "lease", None) is not None,
    "origins": found,
}}
with os.fdopen(int(sys.argv[1]), "w") as out:
    json.dump(answer, out)
os._exit(0)
"""
# Modules that the start of an interpreter imports, where there are any.
_STARTUP = frozenset(f"{name}{end}" for name in ("sitecustomize", "usercustomize") for end in ("", ".py", ".pyc"))
_POLL_S = 0.05


class Started(Struct, frozen=True):
    """What a started interpreter says.

    Args:
        hook: The file of the start-up hook that ran; None when none did.
        leased: The hook holds the environment's lease.
        origins: For each name that was asked for, the file or folder that an import would take; None for nothing.
    """

    hook: str | None
    leased: bool
    origins: dict[str, str | None]


class Starter:
    """The environment's interpreter, started to answer once.

    It is started while the distributions are still put in place, since its start takes as long as its answer: what it
    sees is settled at its start, but for what `starts_otherwise` looks for.

    Args:
        python: The interpreter of an environment, or of a shell that leads to it.
        runner: Its time limit is that of the answer.
        folders: Library folders that the environment's processes need on the loader's path.
    """

    def __init__(self, python: Path, runner: Runner, folders: Sequence[str] = ()) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._runner = runner
        self._stop = threading.Event()
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` ends it
        self._read, self._write = os.pipe()
        self._pool = ThreadPoolExecutor(1)
        argv = [str(python), "-c", _ANSWER, str(self._answer.fileno())]
        # `answer` and `close` end it: an install that runs beside it may take as long as it likes.
        alone = replace(runner, cancel=self._stop, timeout=float("inf"))
        self._running = self._pool.submit(
            alone.run,
            argv,
            env=proof_environ(folders),
            cwd=NEUTRAL_CWD,
            stdin=self._read,
            keep_fds=(self._answer.fileno(),),
        )

    def ask(self, names: Iterable[str]) -> None:
        """Tell it the top-level names to look for, and let it answer."""
        os.write(self._write, f"{json.dumps(sorted(names))}\n".encode())
        self._hang_up()

    def answer(self) -> Started:
        """Return the answer, at the latest after the runner's time limit.

        Raises:
            ProofError: The interpreter does not start, or ends without an answer (`child-broken`).
            MachineError: It does not answer in time (`timeout`).
            CancelledError: The caller's cancel event is set.
        """
        deadline = time.monotonic() + self._runner.timeout
        while not self._running.done():
            self._runner.check_cancel()
            if time.monotonic() > deadline:
                raise MachineError(
                    f"the environment's interpreter did not answer within {self._runner.timeout:.0f} s of its start",
                    code="timeout",
                    remedy="a start-up file (.pth, sitecustomize) of an installed package may hang; exclude it",
                )
            with waiting():
                time.sleep(_POLL_S / 5)
        done = self._running.result()
        self._answer.seek(0)
        try:
            return msgspec.json.decode(self._answer.read(), type=Started)
        except msgspec.MsgspecError as error:
            raise ProofError(
                "the environment's interpreter does not start",
                code="child-broken",
                details=done.tail() or (f"it ended with status {done.status} and without an answer",),
            ) from error

    def close(self) -> None:
        """End it, asked or not."""
        self._hang_up()
        self._stop.set()
        self._pool.shutdown()
        self._answer.close()
        if self._read >= 0:
            os.close(self._read)
            self._read = -1

    def _hang_up(self) -> None:
        if self._write >= 0:
            os.close(self._write)
            self._write = -1


def starts_otherwise(site_packages: Path) -> bool:
    """Tell whether something was installed that an interpreter reads at its start: then it must be started anew."""
    names = set(os.listdir(site_packages))  # noqa: PTH208
    return any(name.endswith(".pth") and name != POINTER for name in names) or bool(names & _STARTUP)


def expected_names(installed: Iterable[Distribution]) -> dict[str, Distribution]:
    """Return the top-level names of installed distributions, each with the one that must bring it."""
    return {name: item for item in installed for name in import_names(item)}


def verify_start(
    started: Started,
    owners: Mapping[str, Distribution],
    *,
    site_packages: Path,
    prefix: Path,
    shadowed: Collection[str],
) -> None:
    """Compare what a started interpreter says with what the plan says.

    Args:
        owners: The names that must come from their distributions, see `expected_names`.
        prefix: The environment's folder.
        shadowed: Names of installed distributions that replace a host distribution.

    Raises:
        ProofError: The hook did not run (`hook-missing`), or the child would import another copy (`shadow-hidden`).
    """
    if started.hook is None or Path(started.hook).parent != site_packages:
        raise ProofError(
            "the environment's start-up hook does not run",
            code="hook-missing",
            where=started.hook or str(site_packages),
            remedy="an installed package replaces venvkit's start-up files; exclude it, or report it to its authors",
        )
    elsewhere = {
        name: origin
        for name, origin in started.origins.items()
        if origin is not None and _is_elsewhere(origin, owners[name], prefix)
    }
    for name, origin in elsewhere.items():
        owner = owners[name]
        # Many wheels carry a stray `tests` or `docs`: one that the host has too is told as a conflict over files.
        if owner.name in shadowed or _is_main(name, owner, owners, elsewhere):
            raise ProofError(
                f"the child would import {name} from {origin}, not from {owner.name}=={owner.version}",
                code="shadow-hidden",
                where=origin,
                remedy="remove what is in front: a start-up file of the host, or what was installed into the shell",
            )


def _is_elsewhere(origin: str, owner: Distribution, prefix: Path) -> bool:
    """Tell whether an import takes neither the environment's copy nor, of an inherited distribution, the host's."""
    if owner.editable or origin.startswith((f"{prefix}/", f"{owner.site_dir}/")):
        return False
    # Several folders have a part in a namespace package of the host.
    return owner.site_dir.startswith(f"{prefix}/") or not Path(origin).is_dir()


def _is_main(name: str, owner: Distribution, owners: Mapping[str, Distribution], elsewhere: Collection[str]) -> bool:
    """Tell whether a distribution cannot be used without a name: it bears it, or all of its names are elsewhere."""
    if name.lower().replace("_", "-") == owner.name:
        return True
    return all(other in elsewhere for other, item in owners.items() if item is owner)
