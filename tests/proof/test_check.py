"""`check` runs the proofs of a build again, through the shell that models are started with."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.compiler import BASE, NEEDS_COMPILER, OTHER_BASE, Compiler, add
from tests.conftest import WriteSpec
from tests.hosts import Host, uv
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env
from venvkit.formats.finding import Finding
from venvkit.launch.examine import Examiner, Verdict
from venvkit.settings import load_settings
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import entries


def _check(home: Path, *, quick: bool = False) -> Verdict:
    layout = Layout(home)
    (verdict,) = Examiner(layout, load_settings(), threading.Event(), quick=quick).examine(entries(layout))
    return verdict


def _findings(home: Path, *, quick: bool = False) -> list[tuple[str, str]]:
    return [(item.kind, item.distribution) for item in _check(home, quick=quick).findings]


@pytest.fixture
def env(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Environment:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"], files={"tool.py": "value = 1\n"})
    wheelhouse.add("tool", "2.0", requires=["base"])
    host.install("base")
    return ensure_env(write_spec("m", ["tool==1.0"]), host_python=host.python, verify=["tool:value"])


def test_what_was_built_is_proved_and_a_check_is_no_use_of_it(env: Environment, home: Path) -> None:
    env.release()
    lease = Layout(home).lease(env.path.name)
    os.utime(lease, (1e9, 1e9))
    assert _check(home) == Verdict("m", "default", env.version, True, ())
    assert lease.stat().st_mtime == 1e9


@pytest.mark.parametrize("name", ["tool==2.0", "base==1.0"], ids=["an installed one", "an inherited one"])
def test_a_copy_in_the_shell_is_found(env: Environment, home: Path, wheelhouse: Wheelhouse, name: str) -> None:
    assert env.shell is not None
    python = str(env.shell / "bin" / "python")
    uv("pip", "install", "-q", "--no-index", "--no-deps", "--find-links", wheelhouse.url, "--python", python, name)
    (finding,) = _check(home).findings
    assert (finding.kind, finding.distribution) == ("shell-changed", name)


def test_a_start_that_hangs_ends_at_the_time_limit(
    env: Environment, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert env.shell is not None
    (site,) = env.shell.glob("lib/python*/site-packages")
    (site / "hangs.pth").write_text("import time; time.sleep(600)\n")
    monkeypatch.setenv("VENVKIT_TIMEOUT", "2")
    began = time.monotonic()
    assert _findings(home) == [("start", "")]
    assert time.monotonic() - began < 30


def test_what_the_build_imported_is_imported_again(env: Environment, home: Path) -> None:
    (site,) = env.path.glob("lib/python*/site-packages")
    module = site / "tool.py"
    module.unlink()  # it may be one file with the cache's
    module.write_text("waste = 1\n")
    found = _check(home).findings
    assert [item.kind for item in found] == ["file-changed", "import-failed"]
    assert "AttributeError" in found[1].found


def test_quick_compares_sizes_alone(env: Environment, home: Path) -> None:
    (site,) = env.path.glob("lib/python*/site-packages")
    module = site / "tool.py"
    module.unlink()
    module.write_text("value = 2\n")
    assert _findings(home, quick=True) == []
    assert _findings(home) == [("file-changed", "tool==1.0")]
    module.write_text("value = 22\n")
    assert _findings(home, quick=True) == [("file-changed", "tool==1.0")]


class TestLinkage:
    """Shared objects of a view that changed below an environment."""

    pytestmark = NEEDS_COMPILER

    @pytest.fixture
    def compiler(self, tmp_path: Path) -> Compiler:
        return Compiler(tmp_path / "objects")

    def test_files_of_the_host_that_do_not_fit_any_more(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
    ) -> None:
        """Another build of the same version: no metadata tells."""
        library = compiler.library(BASE)
        add(wheelhouse, "base", "1.0", library)
        loads = "import ctypes, os, base\n" + (
            "ctypes.CDLL(os.path.join(os.path.dirname(base.__file__), 'libbase.so'), mode=ctypes.RTLD_GLOBAL)\n"
            "from user import _ext\n"
        )
        add(wheelhouse, "user", "1.0", compiler.extension(library), init=loads, requires=("base",))
        host.install("base==1.0")
        ensure_env(write_spec("m", ["user"]), host_python=host.python)
        assert _findings(home) == []
        installed = host.site_packages / "base" / "libbase.so"
        installed.unlink()
        installed.write_bytes(compiler.library(OTHER_BASE).read_bytes())
        record = host.site_packages / "base-1.0.dist-info" / "RECORD"
        content = record.read_text()
        record.unlink()
        record.write_text(content.replace("base/libbase.so,sha256=", "base/libbase.so,sha256=x"))
        (found,) = _check(home).findings
        assert (found.kind, found.distribution, found.missing) == ("unfit", "user==1.0", ("base_add",))
        assert "base==1.0" in found.remedy

    def test_what_the_system_lacks_is_told_and_disproves_nothing(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, home: Path
    ) -> None:
        gone = compiler.library("int gone(void) { return 1; }\n", "libunheardof.so.7")
        extension = compiler.extension(None, f"-L{gone.parent}", "-Wl,--no-as-needed", "-l:libunheardof.so.7")
        add(wheelhouse, "sees", "1.0", extension, init="from sees import _ext\n")
        env = ensure_env(write_spec("m", ["sees"]), host_python=host.python)
        verdict = _check(home)
        assert verdict.ok
        assert env.receipt is not None
        (told,) = env.receipt.findings
        assert verdict.findings == (told,)
        assert isinstance(told, Finding)
