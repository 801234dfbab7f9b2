"""What a build proves before it seals: real wheels with compiled objects, real interpreters."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.compiler import BASE, NEEDS_COMPILER, OTHER_BASE, Compiler, add
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.base.process import Runner
from venvkit.errors import MachineError, ProofError
from venvkit.events import Event, Warned
from venvkit.host.snapshot import take_snapshot
from venvkit.proof.check import check_receipt

_LOADS = (
    "import ctypes, os, base\n"
    "ctypes.CDLL(os.path.join(os.path.dirname(base.__file__), 'libbase.so'), mode=ctypes.RTLD_GLOBAL)\n"
    "from user import _ext\n"
)


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path / "objects")


def _build(spec: Path, host: Host) -> tuple[Environment, list[str]]:
    told: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.code)

    return ensure_env(spec, host_python=host.python, observer=observe), told


def _nothing_left(home: Path) -> bool:
    return not [path for path in (home / "virtualenv" / "envs").glob("*") if path.is_dir()]


def add_misfit(wheelhouse: Wheelhouse, compiler: Compiler) -> None:
    """Add `base` 2.0, and a `user` 1.0 that was built for another one and does not load beside it."""
    add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
    add(wheelhouse, "user", "1.0", compiler.extension(compiler.library(BASE)), init=_LOADS, requires=("base",))


class TestLinkage:
    """Distributions that do not fit each other, though their metadata says so."""

    pytestmark = NEEDS_COMPILER

    def test_a_build_that_dies_at_its_import_is_refused_with_the_symbol(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        add_misfit(wheelhouse, compiler)
        host.install("base==2.0")
        with pytest.raises(ProofError) as refused:
            _build(write_spec("m", ["user"]), host)
        error = refused.value
        assert (error.code, error.exit_code) == ("proof-failed", 3)
        assert "base_add" in "\n".join(error.details)
        assert "base==2.0" in "\n".join(error.details)
        assert "undefined symbol" in error.message
        assert _nothing_left(home)

    def test_the_build_that_fits_is_sealed(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        library = compiler.library(BASE)
        add(wheelhouse, "base", "1.0", library)
        add(wheelhouse, "user", "1.0", compiler.extension(library), init=_LOADS, requires=("base",))
        host.install("base==1.0")
        env, told = _build(write_spec("m", ["user"]), host)
        assert told == []
        assert env.run(["python", "-c", "import user"]).returncode == 0

    def test_a_suspect_that_imports_is_none(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        """A wheel with one object for each version of a library loads the one that fits."""
        library = compiler.library(BASE)
        other = compiler.extension(compiler.library("int base_add(int a, int b) { return a; }\n", "libother.so"))
        add(wheelhouse, "base", "1.0", library)
        add(wheelhouse, "user", "1.0", other.rename(other.with_name("_ext_other.so")), compiler.extension(library),
            init=_LOADS, requires=("base",))  # fmt: skip
        host.install("base==1.0")
        env, told = _build(write_spec("m", ["user"]), host)
        assert told == []
        assert env.run(["python", "-c", "import user"]).returncode == 0

    def test_what_was_imported_once_is_not_imported_again(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler, tmp_path: Path
    ) -> None:
        extension = compiler.extension(compiler.library(BASE))
        add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
        noted = tmp_path / "imported"
        note = f"open({str(noted)!r}, 'a').write('x')\n"
        add(wheelhouse, "user", "1.0", extension, init=note + _LOADS, requires=("base",))
        host.install("base==2.0")
        for _ in range(2):
            with pytest.raises(ProofError):
                _build(write_spec("m", ["user"]), host)
        assert noted.read_text() == "x"

    def test_a_host_distribution_that_nobody_needs_is_hidden(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        library = compiler.library(BASE)
        add(wheelhouse, "base", "1.0", library)
        add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
        add(wheelhouse, "user", "1.0", compiler.extension(library), init=_LOADS)
        soft = "try:\n    import user\n    found = True\nexcept ModuleNotFoundError:\n    found = False\n"
        wheelhouse.add("model", "1.0", requires=["base>=2"], files={"model.py": soft})
        host.install("base==1.0", "user")
        env, told = _build(write_spec("m", ["model"]), host)
        assert told == ["hidden"]
        receipt = env.receipt
        assert receipt is not None
        assert [(item.name, item.version) for item in receipt.hidden] == [("user", "1.0")]
        code = "import model, importlib.util as u; print(model.found, u.find_spec('user'))"
        assert env.run(["python", "-c", code], capture=True).stdout.split() == ["False", "None"]
        assert host.run("import user; print('still whole')") == "still whole"


class TestLearned:
    """What a proof has shown is a bound of the next plan."""

    pytestmark = NEEDS_COMPILER

    def test_a_version_that_did_not_load_is_not_chosen_again(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        add_misfit(wheelhouse, compiler)
        add(wheelhouse, "user", "0.9", compiler.extension(None), init="from user import _ext\n", requires=("base",))
        host.install("base==2.0")
        spec = write_spec("m", ["user"])
        with pytest.raises(ProofError):
            _build(spec, host)
        env, _ = _build(spec, host)
        code = "import user, importlib.metadata as m; print(m.version('user'))"
        assert env.run(["python", "-c", code], capture=True).stdout == "0.9\n"
        with pytest.raises(ProofError):
            _build(write_spec("n", ["user==1.0"]), host)
        host.uninstall("base")
        add(wheelhouse, "base", "2.1", compiler.library(BASE))
        env, _ = _build(spec, host)
        assert env.run(["python", "-c", code], capture=True).stdout == "1.0\n"

    def test_a_repair_that_does_not_load_is_taken_back(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        library = compiler.library(BASE)
        add(wheelhouse, "base", "1.0", library)
        add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
        add(wheelhouse, "user", "1.0", compiler.extension(library), init=_LOADS)
        host.install("base==1.0", "user")
        add(wheelhouse, "user", "2.0", compiler.extension(library), init=_LOADS)
        env, told = _build(write_spec("m", ["base>=2"]), host)
        assert "hidden" in told
        code = "import importlib.util as u, importlib.metadata as m; print(u.find_spec('user'), m.version('base'))"
        assert env.run(["python", "-c", code], capture=True).stdout == "None 2.0\n"


class TestHost:
    """What the objects of the host tell before a plan."""

    pytestmark = NEEDS_COMPILER

    def test_what_does_not_fit_the_host_itself_is_told_once_and_hidden(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        add_misfit(wheelhouse, compiler)
        wheelhouse.add("needs-user", "1.0", requires=["user"])
        soft = "try:\n    import user\n    found = True\nexcept ModuleNotFoundError:\n    found = False\n"
        wheelhouse.add("model", "1.0", files={"model.py": soft})
        wheelhouse.add("second", "1.0")
        host.install("base==2.0", "needs-user")
        before = host.file_hashes()
        env, told = _build(write_spec("m", ["model"]), host)
        assert told == ["host-unfit", "hidden", "hidden"]
        assert env.run(["python", "-c", "import model; print(model.found)"], capture=True).stdout == "False\n"
        receipt = env.receipt
        assert receipt is not None
        assert [item.name for item in receipt.hidden] == ["needs-user", "user"]
        assert "undefined symbol: base_add" in receipt.hidden[1].reason
        assert _build(write_spec("n", ["second"]), host)[1] == ["hidden", "hidden"]
        assert host.file_hashes() == before

    def test_a_request_for_what_does_not_fit_the_host_gets_one_that_fits(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        other = compiler.library(OTHER_BASE)
        add(wheelhouse, "base", "2.0", other)
        add(wheelhouse, "user", "1.0", compiler.extension(compiler.library(BASE)), init=_LOADS, requires=("base",))
        host.install("base==2.0", "user")
        add(wheelhouse, "user", "1.1", compiler.extension(None), init="from user import _ext\n", requires=("base",))
        env, told = _build(write_spec("m", ["user"]), host)
        assert told == ["host-unfit"]
        assert env.run(["python", "-c", "import user"]).returncode == 0

    def test_a_tie_of_shared_objects_holds_what_they_were_linked_to(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, compiler: Compiler
    ) -> None:
        """The metadata of `user` says nothing of `base`."""
        library = compiler.library(BASE)
        add(wheelhouse, "base", "1.0", library)
        add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
        add(wheelhouse, "user", "1.0", compiler.extension(library), init=_LOADS)
        wheelhouse.add("model", "2.0", requires=["base>=2"])
        wheelhouse.add("model", "1.0", requires=["base"])
        host.install("base==1.0", "user")
        planned = plan_env(write_spec("m", ["model"]), host_python=host.python)
        assert [str(item.version) for item in planned.plan.install] == ["1.0"]
        assert planned.plan.broken == planned.plan.hidden == ()
        forced = plan_env(write_spec("n", ["model>=2"]), host_python=host.python)
        assert [(item.name, item.reason) for item in forced.plan.hidden] == [
            (
                "user",
                "user==1.0 requires base==1.0, found 2.0; not repaired: there is no other version than the host's 1.0",
            )
        ]


class TestPlanned:
    """Metadata tells before the install what would be broken."""

    def test_what_the_plan_hides_is_not_seen_and_the_server_is_not_replaced(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        wheelhouse.add("click", "8.1")
        wheelhouse.add("click", "8.4")
        wheelhouse.add("xinference", "1.5", requires=["click"])
        wheelhouse.add("xinference", "4.1", requires=["click<8.2"])
        wheelhouse.add("tool", "1.0", requires=["click<8.2"])
        wheelhouse.add("user", "1.0", requires=["tool"])
        wheelhouse.add("hub", "2.0", requires=["click>=8.4"])
        host.install("click==8.1", "xinference==4.1", "user")
        env, told = _build(write_spec("m", ["hub"]), host)
        assert sorted(told) == ["broken", "hidden", "hidden"]
        receipt = env.receipt
        assert receipt is not None
        assert [str(item) for item in receipt.plan.broken] == ["xinference==4.1 requires click<8.2, found 8.4"]
        assert [item.name for item in receipt.hidden] == ["tool", "user"]
        assert [item.name for item in receipt.relied] == ["xinference"]
        code = (
            "import importlib.util as u, importlib.metadata as m\n"
            "print(u.find_spec('tool'), u.find_spec('user'), m.version('xinference'), m.version('click'))\n"
            "print(sorted(item.name for item in m.distributions() if item.name in ('tool', 'user', 'hub')))"
        )
        lines = env.run(["python", "-c", code], capture=True).stdout.splitlines()
        assert lines == ["None None 4.1 8.4", "['hub']"]
        assert host.run("import tool, user; print('still there')") == "still there"
        seen = take_snapshot(host.python, runner=Runner(), cache_dir=tmp_path, environ=os.environ)
        assert check_receipt(env.path, receipt, seen) == ()


class TestStart:
    """The environment's interpreter is started before it is handed out."""

    def test_a_wheel_that_replaces_the_hook_is_refused(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
    ) -> None:
        for number, name in enumerate(("zzzz_venvkit.pth", "_venvkit_child.py")):
            wheelhouse.add(f"bad{number}", "1.0", files={f"bad{number}.py": "", name: "import os\n"})
            with pytest.raises(ProofError) as refused:
                _build(write_spec(f"m{number}", [f"bad{number}"]), host)
            assert refused.value.code == "hook-replaced"
        assert _nothing_left(home)

    def test_an_interpreter_that_ends_at_its_start_is_refused(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
    ) -> None:
        wheelhouse.add("ends", "1.0", files={"ends.py": "", "ends.pth": "import os; os._exit(0)\n"})
        with pytest.raises(ProofError) as refused:
            _build(write_spec("m", ["ends"]), host)
        assert refused.value.code == "child-broken"
        assert _nothing_left(home)

    def test_one_that_hangs_ends_at_the_time_limit(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheelhouse.add("hangs", "1.0", files={"hangs.py": "", "hangs.pth": "import time; time.sleep(1000)\n"})
        monkeypatch.setenv("VENVKIT_TIMEOUT", "3")
        began = time.monotonic()
        with pytest.raises(MachineError) as refused:
            _build(write_spec("m", ["hangs"]), host)
        assert refused.value.code == "timeout"
        assert time.monotonic() - began < 30
        assert _nothing_left(home)

    def test_one_that_prints_at_its_end_is_sealed(
        self, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec
    ) -> None:
        line = "import atexit; atexit.register(print, 'bye'); print('hello')\n"
        wheelhouse.add("talks", "1.0", files={"talks.py": "", "talks.pth": line})
        env, _ = _build(write_spec("m", ["talks"]), host)
        assert env.built

    def test_another_copy_in_front_of_a_new_distribution_is_refused(
        self, home: Path, host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        extra = tmp_path / "extra"
        extra.mkdir()
        (extra / "fresh.py").write_text("flavour = 'other copy'\n")
        lines = f"import sys\nsys.path.insert(0, {os.fspath(extra)!r})\n"
        (host.site_packages / "sitecustomize.py").write_text(lines)
        wheelhouse.add("fresh", "1.0")
        with pytest.raises(ProofError) as refused:
            _build(write_spec("m", ["fresh"]), host)
        assert refused.value.code == "shadow-hidden"
        assert _nothing_left(home)
