"""The warm path: the environment exists and nothing changed. No process, no network, no write.

A server calls it before every model load, so it imports almost nothing, and what this process was told once it keeps
in memory: the same call again is answered by comparing the environment variables and the stats of what the answer
hangs on. No file is opened for it.
"""

from __future__ import annotations

# Text paths: importing pathlib would cost more than all the rest.
# ruff: noqa: PTH109
import contextlib
import os
import time
from _thread import allocate_lock

from venvkit.base.watch import changed, times
from venvkit.launch.handle import Environment
from venvkit.store.lock.lease import share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Any

    from venvkit.base.watch import Watch

    Moment = tuple[dict[Any, Any], str]

# What the kernel that this process runs on cannot change under it.
_FOR_LIFE = "/proc/sys/kernel/"
# A file that was written this recently may be written again without its time telling, in nanoseconds.
_TICK = 1_000_000_000
_MOST = 128

_memory: dict[Hashable, _Answer] = {}
_writing = allocate_lock()


def answered_by(entry: Mapping[str, Any]) -> Environment | None:
    """Return the environment of an index entry; None unless everything that the entry depends on is as it was."""
    # The lease first: an environment that is found unchanged under it stays.
    lease = share(entry["facts"]["lease"])
    return Environment(entry["facts"], lease) if lease is not None and changed(entry["watches"]) is None else None


def question(spec: object, enable: bool | None, choices: Mapping[str, Any]) -> Hashable | None:
    """Return what tells a call from others by value; None where a value is of no plain kind and might change."""
    # The text of a path is no name.
    if isinstance(spec, dict):
        return None
    kind = "name" if isinstance(spec, str) else "path" if isinstance(spec, os.PathLike) else "value"
    asked: list[Hashable] = [kind, spec if kind == "value" else os.fspath(spec), enable]  # type: ignore[call-overload]
    for name, value in choices.items():
        if isinstance(value, (list, tuple)):
            value = (*value,)
        elif isinstance(value, dict):
            value = (*value.items(),)
        elif not (value is None or isinstance(value, (str, int))):
            return None
        asked += (name, value)
    return (*asked,)


def recall(asked: Hashable) -> Environment | None:
    """Return the environment that answered the same question in this process, when nothing has changed since."""
    try:
        answer = _memory.get(asked)
    except TypeError:  # an item of a sequence is not hashable
        return None
    lease = share(answer.facts["lease"]) if answer is not None else None
    return Environment(answer.facts, lease) if answer is not None and lease is not None and answer.holds() else None


def remember(asked: Hashable, entry: Mapping[str, Any], given: Watch | None, before: Moment | None) -> None:
    """Keep the entry that answered a question.

    Args:
        asked: The question, see `question`.
        given: The watch of the spec's file, taken before it was read; None where there is no file.
        before: The moment before anything of the answer was read, see `moment`.
    """
    watches = [*entry["watches"], *([given] if given else [])]
    if before is None or before != moment() or _may_change_unseen(given):
        return
    with _writing, contextlib.suppress(TypeError):
        last = next(reversed(_memory.values()), None)
        if last is not None and last.moment == before:
            before = last.moment  # one copy of the variables for all
        while len(_memory) >= _MOST:
            del _memory[next(iter(_memory))]
        _memory[asked] = _Answer(entry["facts"], watches, before)


def moment() -> Moment | None:
    """Return the variables, encoded as the interpreter keeps them, and the working directory.

    To decode all variables costs half of the warm path. None where the interpreter keeps them in another way.
    """
    variables = getattr(os.environ, "_data", None)
    return None if variables is None else (dict(variables), _directory())


class _Answer:
    """The facts, and all that they hang on in the form that is compared fastest."""

    __slots__ = ("_absent", "_others", "_present", "facts", "moment")

    def __init__(self, facts: Mapping[str, Any], watches: Sequence[Watch], moment: Moment) -> None:
        self.facts = facts
        self.moment = moment
        stats = [watch for watch in watches if watch[0] == "stat"]
        # An access costs a third of a failing stat or open.
        self._absent = [str(watch[1]) for watch in watches if _of_nothing(watch)]
        self._present = [(str(watch[1]), watch[2], watch[3], watch[4], watch[5]) for watch in stats if len(watch) > 2]
        rest = (watch for watch in watches if watch[0] != "stat" and not _of_nothing(watch))
        self._others = [watch for watch in rest if not _for_life(watch)]

    def holds(self) -> bool:
        """Tell whether nothing has changed."""
        variables, directory = self.moment
        if getattr(os.environ, "_data", None) != variables or _directory() != directory:
            return False
        stat, access = os.stat, os.access
        try:
            for path, mtime, size, inode, ctime in self._present:
                found = stat(path)
                if found.st_mtime_ns != mtime or found.st_ino != inode or found.st_size != size:
                    return False
                # 0 for a file with several hard links.
                if ctime and found.st_ctime_ns != ctime:
                    return False
        except (OSError, ValueError):
            return False
        for path in self._absent:
            if access(path, 0):
                return False
        return not self._others or changed(self._others) is None


def _may_change_unseen(given: Watch | None) -> bool:
    """Tell whether a file was written so recently that it may be written again without its times telling."""
    found = times(given) if given else ()
    return bool(found) and time.time_ns() - max(found) < _TICK


def _of_nothing(watch: Watch) -> bool:
    """Tell whether a watch holds as long as nothing is at its path."""
    if watch[0] == "stat":
        return len(watch) == 2
    return watch[0] in ("text", "exists") and watch[2] in (None, False)


def _for_life(watch: Watch) -> bool:
    return watch[0] == "text" and str(watch[1]).startswith(_FOR_LIFE)


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
