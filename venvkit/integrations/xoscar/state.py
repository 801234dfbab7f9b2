"""What the last installation at a place was for: whether the server's note that all is done may be believed.

That note holds neither the host nor the plan, and while it matches, the server asks for nothing.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.digest import digest
from venvkit.base.version import __version__
from venvkit.formats.entry import read_entry
from venvkit.integrations.xoscar.request import own_environ
from venvkit.launch.asked import Call
from venvkit.launch.warm import answered_by
from venvkit.settings import Settings, key_environ, key_settings, load_settings
from venvkit.store.layout import Layout

_FILE = ".venvkit-xoscar.json"


class State(Struct, frozen=True):
    """The last installation at a place.

    Args:
        request: The key of its request.
        surroundings: Digest of the variables and settings that decide a result.
        bare: Nothing was asked for.
    """

    request: str
    surroundings: str
    bare: bool


def state_of(call: Call, key: str, *, bare: bool) -> State:
    """Return the state after the installation of a call."""
    return State(key, _surroundings(call.environ, call.settings), bare)


def read_state(shell: Path) -> State | None:
    """Return the state of a place, or None."""
    return cachefile.load(shell / _FILE, State)


def write_state(shell: Path, state: State) -> None:
    """Keep the state of a place."""
    if read_state(shell) != state:
        cachefile.store(shell / _FILE, state)


def is_current(layout: Layout, shell: Path, state: State | None) -> bool:
    """Tell whether a place is complete, and nothing has changed that its plan followed from."""
    if state is None:
        return False
    environ = own_environ(layout.home)
    entry = read_entry(str(layout.request(state.request)))
    if entry is None or entry["facts"]["shell"] != str(shell) or answered_by(entry) is None:
        return False
    return state.surroundings == _surroundings(environ, load_settings(environ))


def _surroundings(environ: dict[str, str], settings: Settings) -> str:
    return digest([__version__, key_environ(environ), key_settings(settings)])
