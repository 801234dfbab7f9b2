"""What only the system lacks is told with the library and its package, and refuses no build."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from tests.compiler import BASE, NEEDS_COMPILER, Compiler, add
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env
from venvkit.base.reading import parse_toml
from venvkit.events import Event, Warned
from venvkit.spec.data import data_dir

pytestmark = NEEDS_COMPILER

_GONE = "int gone(void) { return 1; }\n"
_INIT = "from sees import _ext\n"
_LOADS = (
    "import ctypes, os, base\n"
    "ctypes.CDLL(os.path.join(os.path.dirname(base.__file__), 'libbase.so'), mode=ctypes.RTLD_GLOBAL)\n"
)


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path / "objects")


def _needing(compiler: Compiler, library: str, *flags: str, base: Path | None = None) -> Path:
    """Compile an extension that needs a library, which is not shipped."""
    gone = compiler.library(_GONE, library)
    return compiler.extension(base, f"-L{gone.parent}", "-Wl,--no-as-needed", f"-l:{library}", *flags)


def _build(spec: Path, host: Host, **choices: object) -> tuple[Environment, list[Warned]]:
    told: list[Warned] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event)

    return ensure_env(spec, host_python=host.python, observer=observe, **choices), told  # type: ignore[arg-type]


def _lacked(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


def _known() -> tuple[str, str]:
    """Return a library that is in our data and not on this system, and its package."""
    packages: dict[str, str] = parse_toml((data_dir() / "libraries.toml").read_bytes())["packages"]
    exact = {name: package for name, package in packages.items() if not name.endswith(".so")}
    return next((name, package) for name, package in exact.items() if _lacked(name))


@pytest.mark.parametrize("prove", ["linkage", "import"])
def test_the_library_and_its_package_are_named(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path, prove: str
) -> None:
    library, package = _known()
    add(wheelhouse, "sees", "1.0", _needing(compiler, library), init=_INIT)
    env, told = _build(write_spec("m", ["sees"]), host, prove=prove)
    assert [item.code for item in told] == ["system-library"]
    assert library in told[0].message
    assert package in told[0].message
    assert env.receipt is not None
    (finding,) = env.receipt.findings
    assert (finding.distribution, finding.missing, finding.grave) == ("sees==1.0", (library,), False)
    assert finding.remedy.endswith(f"apt-get install {package}")
    assert finding.needed_by[-1].endswith(": sees")


def test_one_that_nobody_knows_is_named_alone(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
) -> None:
    add(wheelhouse, "sees", "1.0", _needing(compiler, "libunheardof.so.7"), init=_INIT)
    _, told = _build(write_spec("m", ["sees"]), host)
    assert [item.message for item in told] == ["sees==1.0 does not import, since this system lacks libunheardof.so.7"]


def test_a_tie_that_fits_does_not_make_it_a_refusal(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
) -> None:
    library = compiler.library(BASE)
    add(wheelhouse, "base", "1.0", library)
    extension = _needing(compiler, "libunheardof.so.7", base=library)
    add(wheelhouse, "sees", "1.0", extension, init=_LOADS + _INIT, requires=("base",))
    host.install("base==1.0")
    _, told = _build(write_spec("m", ["sees"]), host)
    assert [item.code for item in told] == ["system-library"]


def test_an_object_that_nobody_loads_is_not_told(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
) -> None:
    add(wheelhouse, "sees", "1.0", _needing(compiler, "libunheardof.so.7"), init="")
    assert _build(write_spec("m", ["sees"]), host)[1] == []


def test_one_object_for_each_version_of_a_library(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
) -> None:
    """The one of the version that is there is loaded; the import of the others is not even tried."""
    five = compiler.library(_GONE, "libvid.so.5")
    fits = _needing(compiler, "libvid.so.5", "-Wl,-rpath,$ORIGIN")
    other = _needing(compiler, "libvid.so.6", "-Wl,-rpath,$ORIGIN")
    noted = home.parent / "imported"
    init = f"open({str(noted)!r}, 'a').write('x')\n{_INIT}"
    add(wheelhouse, "sees", "1.0", fits, five, other.rename(other.with_name("_ext6.so")), init=init)
    env, told = _build(write_spec("m", ["sees"]), host)
    assert told == []
    assert not noted.exists()
    assert env.run(["python", "-c", "import sees"]).returncode == 0


def test_the_driver_of_an_accelerator_is_not_told(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
) -> None:
    if not _lacked("libcuda.so.1"):
        pytest.skip("this machine has a driver")
    library = compiler.library(BASE)
    add(wheelhouse, "base", "1.0", library)
    extension = _needing(compiler, "libcuda.so.1", base=library)
    add(wheelhouse, "sees", "1.0", extension, init=_LOADS + _INIT, requires=("base",))
    host.install("base==1.0")
    assert _build(write_spec("m", ["sees"]), host)[1] == []
    assert _build(write_spec("n", ["sees"]), host, prove="import")[1] == []


def test_a_library_that_is_opened_by_its_name(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path
) -> None:
    """The wheel of soundfile for any platform has no shared object, and opens the system's library."""
    if not _lacked("libsndfile.so.1"):
        pytest.skip("this system has the library")
    wheelhouse.add("soundfile", "1.0", files={"soundfile.py": "import ctypes\nctypes.CDLL('libsndfile.so.1')\n"})
    _, told = _build(write_spec("m", ["soundfile"]), host)
    assert [item.code for item in told] == ["system-library"]
    assert "libsndfile1" in told[0].message
