"""An assembly without uv: the store's crash points do not depend on who unpacks the wheels."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from venvkit.store.env.recipe import Recipe


class UnzippingAssembly:
    """Makes a venv by hand and unzips wheels into it; see `venvkit.store.env.assembly.Assembly`."""

    def __init__(self, *_: object) -> None:
        """Take what the real assembly takes, and need none of it."""

    def folders(self, place: Path) -> tuple[Path, ...]:
        return (place,)

    def create(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> Path:
        base = Path(recipe.interpreter.base_python)
        minor = recipe.interpreter.minor
        site_packages = place / "lib" / f"python{minor}" / "site-packages"
        site_packages.mkdir(parents=True)
        (place / "bin").mkdir()
        (place / "bin" / "python").symlink_to(base)
        for name in ("python3", f"python{minor}"):
            (place / "bin" / name).symlink_to("python")
        (place / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        return site_packages

    def install(self, place: Path, recipe: Recipe, *, keep_fds: Sequence[int]) -> None:
        (site_packages,) = (place / "lib").glob("*/site-packages")
        for pin in recipe.plan.install:
            with zipfile.ZipFile(unquote(urlsplit(pin.description.url).path)) as wheel:
                wheel.extractall(site_packages)
        for entry_points in site_packages.glob("*.dist-info/entry_points.txt"):
            parser = ConfigParser()
            parser.read(entry_points)
            for name, target in parser.items("console_scripts"):
                module, _, call = target.partition(":")
                script = place / "bin" / name
                script.write_text(f"#!{place}/bin/python\nfrom {module} import {call}\n{call}()\n")
                script.chmod(0o755)
