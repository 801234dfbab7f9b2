"""Linkage over real shared objects, compiled on the spot and unpacked from wheels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests import compiler as compiling
from tests.compiler import BASE as _BASE
from tests.compiler import NEEDS_COMPILER
from tests.wheelhouse import Wheelhouse
from venvkit.host.distribution import scan
from venvkit.proof.linkage import Linkage, Suspect

pytestmark = NEEDS_COMPILER


class Compiler(compiling.Compiler):
    """Puts what it compiles into distributions that are unpacked below `site`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "objects")
        self.site = folder / "site"
        self.site.mkdir()
        self._house = Wheelhouse(folder / "wheels")

    def distribution(self, name: str, version: str, **files: Path) -> None:
        shutil.unpack_archive(compiling.add(self._house, name, version, *files.values()), self.site, "zip")

    def linkage(self) -> Linkage:
        return Linkage(scan([str(self.site)])[0], sys.executable)

    def suspects(self, *new: str) -> tuple[Suspect, ...]:
        return self.linkage().suspects(new)


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path)


def test_a_fitting_pair_has_no_suspect_and_is_tied(compiler: Compiler) -> None:
    base = compiler.library(_BASE)
    compiler.distribution("base", "1.0", lib=base)
    compiler.distribution("user", "1.0", ext=compiler.extension(base))
    assert compiler.suspects("base", "user") == ()
    assert compiler.linkage().ties() == {"user": frozenset({"base"})}


def test_another_build_of_the_library_misses_exactly_the_symbol_that_it_lost(compiler: Compiler) -> None:
    extension = compiler.extension(compiler.library(_BASE))
    compiler.distribution("base", "2.0", lib=compiler.library("int base_other(void) { return 1; }\n"))
    compiler.distribution("user", "1.0", ext=extension)
    expected = Suspect("user==1.0", "user/_ext.so", (), ("base_add",), 1, ("base==2.0",))
    assert compiler.suspects("base") == (expected,)
    assert compiler.suspects("user") == (expected,)


def test_a_tie_with_nothing_new_is_not_looked_at(compiler: Compiler) -> None:
    extension = compiler.extension(compiler.library(_BASE))
    compiler.distribution("base", "2.0", lib=compiler.library("int base_other(void) { return 1; }\n"))
    compiler.distribution("user", "1.0", ext=extension)
    compiler.distribution("alone", "1.0", ext=compiler.extension(None))
    assert compiler.suspects() == ()
    assert compiler.suspects("alone") == ()


def test_a_library_that_is_nowhere_is_named(compiler: Compiler) -> None:
    base = compiler.library(_BASE)
    gone = compiler.library("int gone(void) { return 1; }\n", "libgone_cuda.so")
    linked = compiler.extension(base, f"-L{gone.parent}", "-Wl,--no-as-needed", "-lgone_cuda")
    compiler.distribution("base", "1.0", lib=base)
    compiler.distribution("user", "1.0", ext=linked)
    (suspect,) = compiler.suspects("user")
    assert (suspect.libraries, suspect.symbols) == (("libgone_cuda.so",), ())
    assert compiler.linkage().lost_libraries(["user"]) == {"user==1.0": ("libgone_cuda.so",)}


def test_the_driver_is_never_missed(compiler: Compiler) -> None:
    base = compiler.library(_BASE)
    driver = compiler.library("int cuInit(void) { return 1; }\n", "libcuda.so.1")
    extension = compiler.extension(
        base, f"-L{driver.parent}", "-l:libcuda.so.1", call="int cuInit(void); base_add(cuInit(), 1);"
    )
    compiler.distribution("base", "1.0", lib=base)
    compiler.distribution("user", "1.0", ext=extension)
    assert compiler.suspects("user") == ()
    assert compiler.linkage().lost_libraries(["user"]) == {}


def test_a_private_copy_beside_the_object_is_no_tie(compiler: Compiler) -> None:
    """An rpath of `$ORIGIN` leads to the distribution's own library, whoever else has one of that name."""
    base = compiler.library(_BASE)
    extension = compiler.extension(base, "-Wl,-rpath,$ORIGIN")
    compiler.distribution("base", "2.0", lib=compiler.library("int base_other(void) { return 1; }\n"))
    compiler.distribution("user", "1.0", ext=extension, lib=base)
    assert compiler.linkage().ties() == {}
    assert compiler.suspects("base", "user") == ()


def test_another_version_of_a_symbol_does_not_do(compiler: Compiler) -> None:
    script = compiler.folder / "map"
    script.write_text("BASE_1 { base_add; };\n")
    extension = compiler.extension(compiler.library(_BASE, "libbase.so", f"-Wl,--version-script={script}"))
    script.write_text("BASE_2 { base_add; };\n")
    compiler.distribution("base", "2.0", lib=compiler.library(_BASE, "libbase.so", f"-Wl,--version-script={script}"))
    compiler.distribution("user", "1.0", ext=extension)
    (suspect,) = compiler.suspects("base")
    assert suspect.symbols == ("base_add@BASE_1",)


def test_a_damaged_object_is_left_alone(compiler: Compiler) -> None:
    base = compiler.library(_BASE)
    compiler.distribution("base", "1.0", lib=base)
    compiler.distribution("user", "1.0", ext=compiler.extension(base))
    (compiler.site / "user" / "_ext.so").write_bytes(b"\x7fELF" + b"\xff" * 200)
    assert compiler.suspects("user") == ()
