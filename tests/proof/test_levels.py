"""How far an environment is proved: an environment that was proved by less never answers a call that asks for more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler import BASE, NEEDS_COMPILER, OTHER_BASE, Compiler, add
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env
from venvkit.base.process import Completed, Runner
from venvkit.errors import ProofError
from venvkit.store.change.rollback import rollback
from venvkit.store.layout import Layout

_LOADS = (
    "import ctypes, os, base\n"
    "ctypes.CDLL(os.path.join(os.path.dirname(base.__file__), 'libbase.so'), mode=ctypes.RTLD_GLOBAL)\n"
    "from user import _ext\n"
)


def _proved(env: Environment) -> str:
    assert env.receipt is not None
    return env.receipt.proved


@pytest.fixture
def broken(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> Path:
    """A model whose only distribution installs, and does not import."""
    wheelhouse.add("dies", "1.0", files={"dies.py": "raise ImportError('no accelerator here')\n"})
    return write_spec("m", ["dies"])


@pytest.fixture
def misfit(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, tmp_path: Path) -> Path:
    """A model whose compiled distribution does not fit the host's."""
    compiler = Compiler(tmp_path / "objects")
    extension = compiler.extension(compiler.library(BASE))
    add(wheelhouse, "base", "2.0", compiler.library(OTHER_BASE))
    add(wheelhouse, "user", "1.0", extension, init=_LOADS, requires=("base",))
    host.install("base==2.0")
    return write_spec("m", ["user"])


@pytest.mark.skipif(bool(NEEDS_COMPILER[0].args[0] or NEEDS_COMPILER[1].args[0]), reason="there is no C compiler")
def test_metadata_alone_does_not_look_at_shared_objects(misfit: Path, host: Host, home: Path) -> None:
    env = ensure_env(misfit, host_python=host.python, prove="metadata")
    assert _proved(env) == "metadata"
    with pytest.raises(ProofError) as refused:
        ensure_env(misfit, host_python=host.python)
    assert "undefined symbol: base_add" in refused.value.message


def test_the_variable_asks_for_it_as_the_option_does(
    broken: Path, host: Host, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _proved(ensure_env(broken, host_python=host.python)) == "linkage"
    monkeypatch.setenv("VENVKIT_PROVE", "import")
    with pytest.raises(ProofError) as refused:
        ensure_env(broken, host_python=host.python)
    assert refused.value.code == "import-failed"
    assert "no accelerator here" in "\n".join(refused.value.details)
    assert _proved(ensure_env(broken, host_python=host.python, prove="linkage")) == "linkage"


def test_an_import_of_what_the_request_names(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path
) -> None:
    """Requirements of requirements are not imported, and neither are parts that nobody imports by themselves."""
    wheelhouse.add("dies", "1.0", files={"dies.py": "raise ImportError\n"})
    files = {"tool/__init__.py": "", "_tool_part.py": "raise ImportError\n", "tests/__init__.py": "raise ImportError\n"}
    wheelhouse.add("tool", "1.0", requires=["dies"], files=files)
    wheelhouse.add("inherited", "1.0")
    host.install("inherited")
    env = ensure_env(write_spec("m", ["tool", "inherited"]), host_python=host.python, prove="import")
    assert env.receipt is not None
    assert (env.receipt.proved, env.receipt.imports) == ("import", ("inherited", "tool"))


def test_requests_of_other_names_with_the_same_content_are_proved_for_themselves(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path
) -> None:
    wheelhouse.add("dies", "1.0", files={"dies.py": "raise ImportError\n"})
    wheelhouse.add("tool", "1.0", requires=["dies"])
    first = ensure_env(write_spec("m", ["tool"]), host_python=host.python, prove="import")
    assert first.built
    with pytest.raises(ProofError):
        ensure_env(write_spec("n", ["tool", "dies"]), host_python=host.python, prove="import")
    assert ensure_env(write_spec("o", ["tool", "dies"]), host_python=host.python).built


def test_more_answers_less_and_less_does_not_answer_more(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path
) -> None:
    wheelhouse.add("tool", "1.0")
    less = ensure_env(write_spec("m", ["tool"]), host_python=host.python, prove="metadata")
    more = ensure_env(write_spec("n", ["tool"]), host_python=host.python)
    assert (more.path != less.path, _proved(more)) == (True, "linkage")
    again = ensure_env(write_spec("o", ["tool"]), host_python=host.python, prove="metadata")
    assert (again.path, again.built) == (more.path, False)


def test_a_rollback_to_less_does_not_answer_more(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path
) -> None:
    wheelhouse.add("tool", "1.0")
    spec = write_spec("m", ["tool"])
    less = ensure_env(spec, host_python=host.python, prove="metadata")
    wheelhouse.add("tool", "2.0")
    more = ensure_env(spec, host_python=host.python, upgrade=True)
    assert more.shell is not None
    rollback(Layout(home), more.shell)
    answer = ensure_env(spec, host_python=host.python)
    assert _proved(answer) == "linkage"
    assert answer.path != less.path


@pytest.mark.parametrize("prove", ["metadata", "linkage"])
def test_a_build_of_pure_python_starts_no_process_for_the_proof_of_shared_objects(
    host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec, home: Path, monkeypatch: pytest.MonkeyPatch, prove: str
) -> None:
    """One start of the environment's interpreter, whatever was installed."""
    wheelhouse.add("base", "1.0")
    wheelhouse.add("base", "2.0")
    wheelhouse.add("tool", "1.0", requires=["base>=2"])
    host.install("base==1.0")
    started: list[str] = []
    run = Runner.run

    def counted(self: Runner, argv: list[str], **options: object) -> Completed:
        started.append(argv[0])
        return run(self, argv, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "run", counted)
    env = ensure_env(write_spec("m", ["tool"]), host_python=host.python, prove=prove)  # type: ignore[arg-type]
    assert [path for path in started if path.startswith(str(env.path))] == [str(env.path / "bin" / "python")]
