"""Models laid down in a store without a build: what a reading, a removal and a collection see, and no more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from venvkit.formats.receipt import Receipt, write_receipt
from venvkit.plan.values import Plan
from venvkit.proof.integrity import binary_digest, listing_digest, pyvenv_digest
from venvkit.store.change.index import facts_of, write_entry
from venvkit.store.env.child import hook_source, write_hook
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.shell.point import hold_shell, point_shell

VERSION = ".".join(map(str, sys.version_info[:3]))
BASE = Path(sys.executable).resolve()
MINOR = ".".join(map(str, sys.version_info[:2]))


def fake_environment(layout: Layout, name: str, *, size: int = 10_000) -> Receipt:
    """Make a sealed environment whose id is `name`, with one module of `size` bytes."""
    place = layout.envs / name
    site_packages = place / "lib" / f"python{MINOR}" / "site-packages"
    (site_packages / "tool").mkdir(parents=True)
    (site_packages / "tool" / "__init__.py").write_bytes(b"#" * size)
    write_hook(site_packages, hook_source((), (), (), layout.lease(name)))
    (place / "bin").mkdir()
    write_hook(site_packages, hook_source((), (), (), layout.lease(name)))
    (place / "bin" / "python").symlink_to(BASE)
    (place / "bin" / "tool-run").write_text("#!/bin/sh\n")
    (place / "pyvenv.cfg").write_text(f"home = {BASE.parent}\n")
    layout.locks.mkdir(parents=True, exist_ok=True)
    with Lease(layout.lease(name)):
        pass
    receipt = Receipt(
        schema=1, id=name, key=name.partition("-")[0] * 4, path=str(place), created="2026-01-01T00:00:00Z",
        venvkit="0", uv="", model="m", engine=None, interpreter=VERSION, implementation="cpython",
        base_python=str(BASE), host_python="", host_dirs=(), scripts=(), libraries=(),
        site_packages=str(site_packages), roots=(), repaired_roots=(), overrides=(), excludes=(), relied=(),
        plan=Plan((), ()), listing=listing_digest(site_packages), pyvenv=pyvenv_digest(place),
        binary=binary_digest(place), size=size,
    )  # fmt: skip
    write_receipt(receipt)
    return receipt


def fake_model(layout: Layout, model: str, receipt: Receipt, *, engine: str | None = None) -> Path:
    """Have a model's shell lead to an environment, and the index as well; returns the shell."""
    shell = layout.shell(model, engine, VERSION)
    with hold_shell(layout, shell):
        point_shell(layout, shell, receipt)
        facts = facts_of(layout, receipt, shell, model=model, engine=engine)
        key = f"{model}-{receipt.id}"
        layout.requests.mkdir(exist_ok=True)
        write_entry(layout, key, receipt, shell, facts=facts, deep="", watches=(), call=None, planned=0)
    return shell


def aged(path: Path, then: float) -> None:
    """Set the time of a file or folder."""
    os.utime(path, (then, then))
