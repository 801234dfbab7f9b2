"""Runs in the bench venv and measures inside one process, as a server would see it. It speaks lines of JSON."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
import traceback
from pathlib import Path


def _timed(call, *args, **kwargs):
    started = time.perf_counter()
    call(*args, **kwargs)
    return time.perf_counter() - started


def stat(path, count):
    """Return the median of `count` stats."""
    import os

    return statistics.median(_timed(os.stat, path) for _ in range(count))


def ensure(spec, count=1, **choices):
    """Return the median of `count` calls."""
    from venvkit import ensure_env

    return statistics.median(_timed(ensure_env, spec, **choices) for _ in range(count))


def audit(spec, **choices):
    """Return what a warm call does that an audit hook sees, by event, and what it opens."""
    from venvkit import ensure_env

    ensure_env(spec, **choices)
    seen, on = [], [True]

    def hook(event, args):
        if on[0]:
            seen.append((event, str(args[0]) if args else "", args[1] if event == "open" else ""))

    sys.addaudithook(hook)
    ensure_env(spec, **choices)
    on[0] = False
    return [[event, path, mode] for event, path, mode in seen]


def where(spec, **choices):
    """Return where the environment of a model lies."""
    from venvkit import ensure_env

    return str(ensure_env(spec, **choices).path)


def built(spec, **choices):
    """Return whether a call builds."""
    from venvkit import ensure_env

    return ensure_env(spec, **choices).built


def snapshot(python, cache, how):
    """Return what taking a snapshot costs: `cold`; `kept`, by another process in `cache`; `known` to this one."""
    import os

    from venvkit.base.process import Runner
    from venvkit.host import snapshot as module

    if how == "cold":
        shutil.rmtree(cache, ignore_errors=True)
    if how != "known":
        module._loaded.clear()
    return _timed(module.take_snapshot, python, runner=Runner(), cache_dir=Path(cache), environ=dict(os.environ))


def _resolutions(keep=None):
    """Have every uv process noted: its seconds, and what it was asked, kept in `keep`."""
    from venvkit.base.process import Runner

    noted = []
    real = Runner.run

    def run(self, argv, **options):
        kept = list(argv)
        if keep is not None and "--dry-run" in argv:
            folder = Path(keep, str(len(noted)))
            folder.mkdir(parents=True)
            for place, part in enumerate(argv):
                if "venvkit-" in part and Path(part).is_file():
                    kept[place] = str(shutil.copy(part, folder / f"{place}-{Path(part).name}"))
        done = real(self, argv, **options)
        noted.append({"argv": kept, "env": dict(options.get("env") or {}), "seconds": done.seconds})
        return done

    Runner.run = run
    return noted, lambda: setattr(Runner, "run", real)


def plan(spec, **choices):
    """Return what a plan costs, all of it."""
    from venvkit import plan_env

    return _timed(plan_env, spec, **choices)


def asked(spec, keep, **choices):
    """Plan once and return the uv processes that this took, with what they were asked kept in `keep`."""
    from venvkit import plan_env

    noted, undo = _resolutions(keep)
    try:
        done = plan_env(spec, **choices)
    finally:
        undo()
    return {"processes": noted, "install": len(done.plan.install), "inherit": len(done.plan.inherit)}


def clone(home, source, count):
    """Make a store of `count` environments, each of its own content, out of the one that `source` names."""
    import os

    from msgspec.structs import replace

    from venvkit.base.digest import digest
    from venvkit.formats.receipt import read_receipt, write_receipt
    from venvkit.store.change.index import write_entry
    from venvkit.store.layout import Layout
    from venvkit.store.shell.point import point_shell

    # What a thousand environments cost to write durably is not the question.
    os.fsync = lambda _: None
    first = read_receipt(Path(source))
    layout = Layout(Path(home))
    layout.prepare()
    for number in range(count):
        key = digest([first.key, number])
        place = layout.envs / f"{key[:16]}-1"
        shutil.copytree(source, place, symlinks=True, copy_function=os.link)
        receipt = replace(
            first,
            id=place.name,
            key=key,
            path=str(place),
            model=f"model-{number}",
            site_packages=first.site_packages.replace(first.path, str(place)),
        )
        (place / "venvkit.json").unlink()
        write_receipt(receipt)
        layout.lease(place.name).write_text("\n")
        shell = layout.shell(receipt.model, None, receipt.interpreter)
        point_shell(layout, shell, receipt)
        write_entry(
            layout, digest(number), receipt, shell, deep="", watches=[], model=receipt.model, engine=None, call=None
        )


def main():
    """Answer one call per line until there are no more."""
    out = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        what, values = json.loads(line)
        try:
            answer = {"value": globals()[what](**values)}
        except Exception:  # noqa: BLE001 - the bench shows it
            answer = {"error": traceback.format_exc()}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
