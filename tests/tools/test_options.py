"""Options of uv and pip that people set on a machine: heeded where they bound the plan, without harm elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.pips import share_pip
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env, plan_env
from venvkit.base.process import Runner
from venvkit.catalogue.endpoint import Endpoint
from venvkit.errors import NoSolutionError, UsageError, VenvkitError
from venvkit.launch.planning import Planned
from venvkit.spec.configuration.pip import read_pip_config
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.configuration.uv import read_uv_config
from venvkit.tools.pip.client import Pip
from venvkit.tools.uv.client import Uv

BACKENDS = ["uv", "pip"]


@pytest.fixture(autouse=True)
def _pip(home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    share_pip(tmp_path, tmp_path_factory, "mirrors", "hosts")
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # no test reaches the network


@pytest.fixture
def host(bare_host: Host) -> Host:
    return bare_host


@pytest.fixture
def spec(write_spec: WriteSpec, wheelhouse: Wheelhouse) -> Path:
    for version in ("1.0", "2.0", "3.0rc1"):
        wheelhouse.add("lib", version, requires=["dep"])
        wheelhouse.add("dep", version)
    return write_spec("m", ["lib"])


def chosen(planned: Planned) -> dict[str, str]:
    return {item.name: item.version for item in planned.plan.install}


def imported(env: Environment) -> str:
    code = "import lib, dep; print(lib.__version__, dep.__version__)"
    return env.run(["python", "-c", code], capture=True).stdout.strip()


def configure_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "pip.conf").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


def configure_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "own.toml"))


# -- what bounds the plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", ["variable", "file", "relative", "home", "nested"])
def test_pips_constraints_bound_the_plan_of_either_backend(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, form: str
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "bounds.txt").write_text("# all\ndep \\\n  < 2  # why\n", encoding="utf-8")
    (tmp_path / "bounds.txt").write_text("\ufefflib<2 --hash=sha256:00\n-c more/bounds.txt\n", encoding="utf-8")
    Path(os.environ["HOME"]).mkdir(exist_ok=True)
    Path(os.environ["HOME"], "own.txt").write_text("lib<2\ndep<2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    if form == "file":
        configure_pip(tmp_path, monkeypatch, f"[install]\nconstraint =\n  {tmp_path}/bounds.txt\n")
    else:
        named = {"relative": "bounds.txt", "home": "~/own.txt"}.get(form, f"{tmp_path}/bounds.txt")
        monkeypatch.setenv("PIP_CONSTRAINT", named)
    found = chosen(plan_env(spec, host_python=host.python, backend=backend))
    assert found == {"lib": "1.0", "dep": "1.0"}


def test_a_spec_without_pips_configuration_goes_without_its_constraints(
    write_spec: WriteSpec, spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bounds.txt").write_text("lib<2\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "bounds.txt"))
    free = write_spec("free", ["lib"], inherit_pip_config=False)
    assert chosen(plan_env(free, host_python=host.python))["lib"] == "2.0"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("UV_CONSTRAINT", "dep<2\n", {"lib": "2.0", "dep": "1.0"}),
        ("UV_OVERRIDE", "dep==1.0\n", {"lib": "2.0", "dep": "1.0"}),
        ("UV_EXCLUDE", "dep\n", {"lib": "2.0"}),
    ],
)
def test_uvs_bounds_are_part_of_the_request(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, text: str, expected: dict[str, str],
) -> None:  # fmt: skip
    """The planner knows them: what an exclude leaves out is not reported as broken."""
    (tmp_path / "bounds.txt").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "bounds.txt")
    planned = plan_env(spec, host_python=host.python)
    assert (chosen(planned), planned.plan.broken) == (expected, ())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("text", ["pre = yes", ""])
def test_pips_pre_releases(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, text: str
) -> None:
    configure_pip(tmp_path, monkeypatch, f"[global]\n{text}\n")
    found = chosen(plan_env(spec, host_python=host.python, backend=backend))
    assert found["lib"] == ("3.0rc1" if text else "2.0")


@pytest.mark.parametrize(
    ("backend", "name", "value"),
    [
        ("uv", "PIP_NO_BINARY", ":all:"),
        ("pip", "PIP_NO_BINARY", "lib"),
        ("uv", "UV_NO_BINARY", "1"),
        ("uv", "UV_NO_BINARY_PACKAGE", "other lib"),
    ],
)
def test_files_that_may_not_be_binary(
    spec: Path, host: Host, monkeypatch: pytest.MonkeyPatch, backend: str, name: str, value: str
) -> None:
    """The source has nothing but wheels of it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(NoSolutionError):
        plan_env(spec, host_python=host.python, backend=backend)


BUILT_NEVER = [
    ("PIP_ONLY_BINARY", ":all:"), ("PIP_ONLY_BINARY", "other,lib"), ("UV_NO_BUILD", "true"),
    ("UV_NO_BUILD_PACKAGE", "lib"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BUILT_NEVER)
def test_files_that_may_not_be_built(
    spec: Path, host: Host, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    levers = plan_env(spec, host_python=host.python).reading.request.levers
    assert {"lib", ":all:"} & set(levers.only_binary)


@pytest.mark.parametrize(
    ("name", "text", "code", "says"),
    [
        ("PIP_CONSTRAINT", None, "bounds-missing", "PIP_CONSTRAINT"),
        ("UV_EXCLUDE", None, "bounds-missing", "UV_EXCLUDE"),
        ("UV_BUILD_CONSTRAINT", None, "tool-file-missing", "UV_BUILD_CONSTRAINT"),
        ("PIP_CONSTRAINT", "--index-url https://x.example", "bounds-invalid", "PIP_CONSTRAINT"),
        ("PIP_CONSTRAINT", "-c https://x.example/c.txt", "bounds-invalid", "PIP_CONSTRAINT"),
        ("PIP_CONSTRAINT", "./some/folder", None, "bounds.txt:1 (PIP_CONSTRAINT)"),
        ("UV_EXCLUDE", "lib<2", None, "bounds.txt:1 (UV_EXCLUDE)"),
    ],
)
def test_a_bound_that_cannot_be_read_is_refused_by_its_name(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, text: str | None, code: str | None, says: str,
) -> None:  # fmt: skip
    if text is not None:
        (tmp_path / "bounds.txt").write_text(text, encoding="utf-8")
    monkeypatch.setenv(name, str(tmp_path / "bounds.txt"))
    with pytest.raises(VenvkitError) as caught:
        plan_env(spec, host_python=host.python)
    assert caught.value.exit_code == 2
    assert code is None or caught.value.code == code
    assert says in caught.value.where


# -- what the tools may not obey ------------------------------------------------------------------------------------

MISLEADING = (
    "user = yes", "target = {away}", "prefix = {away}", "root = {away}", "no-deps = yes", "no-dependencies = yes",
    "only-deps = yes", "dry-run = yes", "require-hashes = yes", "python = {python}", "report = {away}", "quiet = 3",
    "ignore-installed = yes", "log = {away}/x/pip.log", "src = {away}",
)  # fmt: skip


@pytest.mark.parametrize("form", ["file", pytest.param("variables", marks=pytest.mark.slow)])
def test_no_option_leads_pip_elsewhere(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    away = tmp_path / "away"
    for number, line in enumerate(MISLEADING):
        text = line.format(away=away, python=host.python)
        name, _, value = text.partition(" = ")
        with monkeypatch.context() as patch:
            patch.setenv("XINFERENCE_HOME", str(tmp_path / f"home-{number}"))
            if form == "file":
                configure_pip(tmp_path, patch, f"[install]\n{text}\n")
            else:
                patch.setenv(f"PIP_{name.upper().replace('-', '_')}", value)
            env = ensure_env(spec, host_python=host.python, backend="pip")
        assert imported(env) == "2.0 2.0", line
    assert not away.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UV_VENV_SEED", "1"),
        ("UV_VENV_RELOCATABLE", "1"),
        ("UV_PROJECT", "/nowhere"),
        ("UV_WORKING_DIR", "/nowhere"),
        ("UV_ENV_FILE", "/nowhere"),
        ("UV_LINK_MODE", "symlink"),
        ("UV_NO_INSTALLER_METADATA", "1"),
        ("UV_REQUIRE_HASHES", "0"),
        ("UV_PYTHON_PREFERENCE", "only-managed"),
    ],
)
def test_variables_of_uv_that_would_spoil_an_environment_have_no_influence(
    spec: Path, host: Host, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    env = ensure_env(spec, host_python=host.python)
    assert imported(env) == "2.0 2.0"
    (packages,) = (env.path / "lib").glob("*/site-packages")
    assert not (packages / "pip").exists()
    assert (packages / "lib-2.0.dist-info" / "INSTALLER").is_file()
    assert "relocatable" not in (env.path / "pyvenv.cfg").read_text(encoding="utf-8")
    assert not [path for path in packages.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("key", ["require-hashes = true", 'target = "{away}"', 'prefix = "{away}"', "no-deps = true"])
def test_a_uv_toml_that_would_spoil_an_environment_is_refused(
    spec: Path, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    configure_uv(tmp_path, monkeypatch, "[pip]\n" + key.format(away=tmp_path / "away"))
    with pytest.raises(UsageError) as caught:
        ensure_env(spec, host_python=host.python)
    assert (caught.value.code, caught.value.where) == ("tool-option-refused", str(tmp_path / "own.toml"))
    assert key.partition(" ")[0] in caught.value.message
    assert not (tmp_path / "away").exists()


def test_hashes_that_no_requirement_has_are_refused_by_the_variables_name(
    spec: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_REQUIRE_HASHES", "1")
    with pytest.raises(UsageError, match="UV_REQUIRE_HASHES") as caught:
        plan_env(spec, host_python=host.python)
    assert (caught.value.code, caught.value.exit_code) == ("tool-option-refused", 2)


def test_relative_paths_of_uvs_variables_keep_their_meaning(
    host: Host, write_spec: WriteSpec, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "links").mkdir()
    links = Wheelhouse(tmp_path / "links")
    links.add("linked", "1.0")
    links.add("linked", "2.0")
    (tmp_path / "uv.conf").write_text('[pip]\nresolution = "lowest"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UV_NO_CONFIG")
    monkeypatch.setenv("UV_FIND_LINKS", "links")
    monkeypatch.setenv("UV_CACHE_DIR", "own-cache")
    monkeypatch.setenv("UV_CONFIG_FILE", "uv.conf")
    planned = plan_env(write_spec("m", ["linked>0"], find_links=[]), host_python=host.python)
    assert chosen(planned) == {"linked": "1.0"}
    assert (tmp_path / "own-cache").is_dir()


# -- secrets --------------------------------------------------------------------------------------------------------


def test_no_value_shows_its_credentials(tmp_path: Path) -> None:
    address = "https://me:hidden@index.example/simple"
    environ = {
        "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "UV_INDEX": f"corp={address}",
        "UV_INDEX_OWN_USERNAME": "me", "UV_INDEX_OWN_PASSWORD": "hidden", "UV_CONFIG_FILE": str(tmp_path / "uv.toml"),
    }  # fmt: skip
    (tmp_path / "uv.toml").write_text(
        f'http-proxy = "{address}"\n[[index]]\nname = "own"\nurl = "https://own.example/simple"\n', encoding="utf-8"
    )
    sources = Sources.said("spec", index_url=address, extra_index_urls=(address,))
    config = read_uv_config(environ)
    assert "hidden" in f"{dict(config.users)} {config.proxies}", "there is something to hide"
    for value in (
        sources, Sources(optional_index_urls=(address,)), sources.statements, config,
        read_pip_config(environ, prefix=str(tmp_path)), Endpoint("http://server", ("me", "hidden")),
        Uv("uv", "1", Runner(), environ), Pip(tmp_path, Runner(), environ),
    ):  # fmt: skip
        assert "hidden" not in f"{value!r} {value}"
