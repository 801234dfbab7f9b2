"""What an environment carries so that its interpreter sees the host behind it, and leases itself.

The hook is a module in the environment's site-packages and one `.pth` line that imports it at start-up. Its `.pth`
sorts last: the child's own `.pth` lines come first, and so do its editable installs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from venvkit.formats.pointer import HOOK, PINNED, POINTER, PROOF

# It must not fail and costs 1-2 ms at every start of every process: few lines, few imports.
_TEMPLATE = '''\
"""Shows this environment's interpreter the host's packages behind its own. Written by venvkit; do not edit."""

import os
import site
import sys

SITE_DIRS = {site_dirs}
PLAIN_DIRS = {plain_dirs}
ORDER = {order}
OWN = os.path.dirname(os.path.abspath(__file__))
LEASE = {lease}
lease = None


def see_host():
    """Put the host's directories, in the host's order, behind everything that is the child's own.

    A host `.pth` may insert at the front of sys.path, and a `.pth` of another tool in the model's shell may have
    brought a host directory already: both end up behind the child.
    """
    host = set(map(os.path.normcase, ORDER))
    own = [path for path in sys.path if os.path.normcase(path) not in host]
    sys.path[:] = own
    for path in SITE_DIRS:
        site.addsitedir(path)
    sys.path.extend(path for path in PLAIN_DIRS if path not in sys.path)
    brought = [path for path in sys.path if path not in own]
    place = {{path: number for number, path in enumerate(ORDER)}}
    brought.sort(key=lambda path: place.get(path, len(place)))
    sys.path[:] = own + brought


def take_lease():
    """Hold a shared lock for the life of this process: what runs is neither collected nor removed.

    A collection that looks at the environment is waited for, up to ten seconds. The lease file is mapped, because a
    mapping holds the lock when the process closes all its descriptors.
    """
    import fcntl
    import mmap
    import time

    try:
        descriptor = os.open(LEASE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if not os.path.exists(__file__):
            return
        descriptor = os.open(LEASE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.write(descriptor, b"\\n")
    end, pause = time.monotonic() + 10.0, 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
    global lease
    lease = descriptor
    lease = mmap.mmap(descriptor, 1, prot=mmap.PROT_READ)
    os.close(descriptor)  # the mapping has a copy


def touch():
    """Note, at most hourly, that the environment is used now: at the start and the end of a process."""
    try:
        import time

        if {proof!r} not in os.environ and time.time() - os.stat(LEASE).st_mtime > 3600:
            os.utime(LEASE)
    except Exception:
        pass


def pin():
    """Tell processes that are started through the same shell which environment this one has."""
    own = os.path.dirname(os.path.abspath(__file__))
    if not own.startswith(sys.prefix + os.sep):
        os.environ[{pinned!r}] = sys.prefix + "\\n" + own


class Behind:
    """A finder that a host `.pth` put in front of the path finder: it does not hide what the environment has."""

    def __init__(self, finder, path_finder):
        self.finder, self.path_finder, self.known = finder, path_finder, {{}}

    def find_spec(self, name, path=None, target=None):
        found = self.finder.find_spec(name, path, target)
        if found is None or (found.origin or "").startswith(OWN + os.sep) or not self.owns(name.partition(".")[0]):
            return found
        return None

    def owns(self, head):
        if head not in self.known:
            spec = self.path_finder.find_spec(head, [OWN])
            self.known[head] = spec is not None and spec.origin is not None
        return self.known[head]

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def __eq__(self, other):
        return other is self or other is self.finder

    def __hash__(self):
        return hash(self.finder)


def stand_behind(before):
    """Wrap the finders that the host's start-up files put in front of the path finder."""
    paths = [item for item in before if getattr(item, "__name__", "") == "PathFinder"]
    if paths and paths[0] in sys.meta_path:
        for number in range(sys.meta_path.index(paths[0])):
            finder = sys.meta_path[number]
            if not any(finder is item for item in before) and hasattr(finder, "find_spec"):
                sys.meta_path[number] = Behind(finder, paths[0])


if ORDER:
    finders = list(sys.meta_path)
    see_host()
    stand_behind(finders)
pin()
try:
    take_lease()
except Exception:
    pass
if not os.path.exists(__file__):
    sys.stderr.write("venvkit: the environment " + OWN + " was removed while this process started\\n")
    sys.stderr.flush()
    os._exit(7)
touch()
try:
    import atexit

    atexit.register(touch)
except Exception:
    pass
'''


def hook_source(
    site_dirs: Sequence[str], plain_dirs: Sequence[str], order: Sequence[str], lease: Path, hiding: str = ""
) -> str:
    """Return the hook's source.

    Args:
        site_dirs: Host directories whose `.pth` files are processed, as the host does.
        plain_dirs: Host directories that are only on its path (PYTHONPATH, lines of `.pth` files).
        order: All of them, in the host's order; empty for an environment that does not see the host.
        lease: The environment's lease file.
        hiding: Further code, see `hiding_source`; empty where nothing is hidden.
    """
    return (
        _TEMPLATE.format(
            site_dirs=_literal(site_dirs),
            plain_dirs=_literal(plain_dirs),
            order=_literal(order),
            lease=ascii(str(lease)),
            pinned=PINNED,
            proof=PROOF,
        )
        + hiding
    )


def _literal(paths: Sequence[str]) -> str:
    # ASCII literals survive any locale that the child starts in.
    return "[" + ", ".join(ascii(path) for path in paths) + "]"


def write_hook(site_packages: Path, source: str) -> None:
    """Put the hook and the line that imports it into an environment under construction."""
    (site_packages / f"{HOOK}.py").write_text(source, encoding="utf-8")
    (site_packages / POINTER).write_text(f"import {HOOK}\n", encoding="utf-8")
