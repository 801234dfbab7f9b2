"""One owner per file: what is found after a real install, and what is no conflict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.wheelhouse import Wheelhouse
from venvkit import Environment, ensure_env
from venvkit.cli.app import cli
from venvkit.errors import ProofError
from venvkit.events import Event, Warned
from venvkit.proof.ownership import Conflict

Build = Callable[..., Environment]
_SPREAD = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


@pytest.fixture
def build(host: Host, write_spec: WriteSpec) -> Build:
    def build(packages: Sequence[str], **choices: object) -> Environment:
        return ensure_env(write_spec("m", packages), host_python=host.python, **choices)

    return build


def conflicts(env: Environment) -> tuple[Conflict, ...]:
    assert env.receipt is not None
    return env.receipt.conflicts


def imports(env: Environment, module: str) -> bool:
    return env.run(["python", "-c", f"import {module}"], capture=True).returncode == 0


def test_two_of_the_environment_that_own_one_file(wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("onnxruntime", "1.0", files={"onnxruntime/__init__.py": "gpu = 0\n", "onnxruntime/cpu.py": ""})
    wheelhouse.add("onnxruntime-gpu", "1.0", files={"onnxruntime/__init__.py": "gpu = 1\n"})
    wheelhouse.add("tool", "1.0", requires=["onnxruntime"])
    seen: list[Event] = []
    env = build(["tool", "onnxruntime-gpu"], observer=seen.append)
    expected = Conflict(
        "onnxruntime==1.0", "onnxruntime-gpu==1.0", "onnxruntime/__init__.py", "same-file", "--exclude onnxruntime"
    )
    assert conflicts(env) == (expected,)
    warned = [event.message for event in seen if isinstance(event, Warned) and event.code == "conflict"]
    assert warned == [str(expected)]
    assert "onnxruntime==1.0 and onnxruntime-gpu==1.0 both own onnxruntime/__init__.py" in warned[0]
    settled = build(["tool", "onnxruntime-gpu"], excludes=["onnxruntime"])
    assert conflicts(settled) == ()


@pytest.mark.parametrize(
    ("packages", "spare"),
    [
        (["tool", "aaa"], "zzz-fork"),  # what the request names itself is wanted
        (["tool", "zzz-fork"], "aaa"),
        (["tool"], "aaa"),  # nobody wants either: the plain name goes
        (["aaa", "zzz-fork"], "aaa"),
    ],
)
def test_the_remedy_keeps_what_is_wanted(wheelhouse: Wheelhouse, build: Build, packages: list[str], spare: str) -> None:
    wheelhouse.add("aaa", "1.0", files={"kernel.py": "a = 1\n"})
    wheelhouse.add("zzz-fork", "1.0", files={"kernel.py": "z = 1\n"})
    wheelhouse.add("tool", "1.0", requires=["aaa", "zzz-fork"])
    (found,) = conflicts(build(packages))
    assert (found.path, found.remedy) == ("kernel.py", f"--exclude {spare}")


def test_equal_contents_and_other_files_are_no_conflict(wheelhouse: Wheelhouse, build: Build) -> None:
    common = {"pkg/__init__.py": "x = 1\n", "LICENSE.md": "", "pkg.libs/one.so": "", "pkg/data.txt": ""}
    wheelhouse.add("one", "1.0", files={**common, "pkg/one.py": "", "LICENSE.md": "of one"})
    wheelhouse.add("two", "1.0", files={**common, "pkg/two.py": "", "pkg/data.txt": "2", "pkg.libs/one.so": "2"})
    env = build(["one", "two"])
    assert conflicts(env) == ()
    assert imports(env, "pkg.one, pkg.two")


@pytest.mark.parametrize("init", [{}, {"ns/__init__.py": _SPREAD}, {"ns/__init__.py": _SPREAD + "# mine\n"}])
def test_a_namespace_package_is_shared(host: Host, wheelhouse: Wheelhouse, build: Build, init: dict[str, str]) -> None:
    wheelhouse.add("ns-host", "1.0", files={"ns/host.py": "", **({"ns/__init__.py": _SPREAD} if init else {})})
    wheelhouse.add("ns-one", "1.0", files={"ns/one/__init__.py": "", **init})
    wheelhouse.add("ns-two", "1.0", files={"ns/two/__init__.py": "", **init})
    host.install("ns-host")
    env = build(["ns-one", "ns-two"])
    assert conflicts(env) == ()
    assert imports(env, "ns.one, ns.two, ns.host")


def test_what_nobody_imports_is_no_conflict(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    """Tests that were packed by mistake, and the empty packages beside shared libraries."""
    init = {"libs/__init__.py": ""}
    wheelhouse.add("one", "1.0", files={"tests/__init__.py": "1", **init, "libs/one/__init__.py": ""})
    wheelhouse.add("two", "1.0", files={"tests/__init__.py": "2"})
    wheelhouse.add(
        "far", "1.0", files={"tests/test_far.py": "", **init, "libs/far/__init__.py": "", "libs/far.so.9": ""}
    )
    host.install("far")
    assert conflicts(build(["one", "two"])) == ()


def test_a_file_that_hides_the_hosts(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("opencv-python", "4.0", files={"cv2/__init__.py": "window = True\n"})
    wheelhouse.add("opencv-python-headless", "5.0", files={"cv2/__init__.py": "window = False\n"})
    host.install("opencv-python")
    assert conflicts(build(["opencv-python-headless"])) == (
        Conflict(
            "opencv-python-headless==5.0", "opencv-python==4.0", "cv2/__init__.py", "same-file",
            "--exclude opencv-python-headless",
        ),
    )  # fmt: skip


def test_a_module_of_the_host_that_the_environments_package_hides(
    host: Host, wheelhouse: Wheelhouse, build: Build
) -> None:
    wheelhouse.add("pkg", "1.0", files={"pkg/__init__.py": ""})
    wheelhouse.add("pkg", "2.0", files={"pkg/__init__.py": "two = 2\n"})
    wheelhouse.add("pkg-plugin", "1.0", requires=["pkg"], files={"pkg/plugin.py": ""})
    host.install("pkg==1.0", "pkg-plugin")
    env = build(["pkg>=2"])
    (found,) = conflicts(env)
    assert (found.first, found.second, found.path, found.kind) == (
        "pkg==2.0", "pkg-plugin==1.0", "pkg/plugin.py", "split",
    )  # fmt: skip
    assert not imports(env, "pkg.plugin")
    assert "--no-inherit pkg-plugin" in found.remedy
    settled = build(["pkg>=2", "pkg-plugin"], no_inherit=["pkg-plugin"])
    assert conflicts(settled) == ()
    assert imports(settled, "pkg.plugin")


def test_a_distribution_of_which_nothing_can_be_imported_is_refused(
    host: Host, wheelhouse: Wheelhouse, build: Build
) -> None:
    wheelhouse.add("pkg", "1.0", files={"pkg/__init__.py": "", "pkg/deep/__init__.py": ""})
    wheelhouse.add("pkg-plugin", "1.0", requires=["pkg"], files={"pkg/deep/plugin.py": ""})
    host.install("pkg")
    with pytest.raises(ProofError) as refused:
        build(["pkg-plugin"])
    assert refused.value.code == "shadow-hidden"
    assert "pkg-plugin==1.0" in refused.value.message


def test_equal_inits_do_not_join_what_lies_behind_them(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("part-host", "1.0", files={"parts/__init__.py": "", "parts/far.py": ""})
    wheelhouse.add("part-near", "1.0", files={"parts/__init__.py": "", "parts/near.py": ""})
    host.install("part-host")
    env = build(["part-near"])
    assert [(item.path, item.kind) for item in conflicts(env)] == [("parts/far.py", "split")]
    assert not imports(env, "parts.far")
    assert imports(env, "parts.near")


def test_what_replaces_its_own_older_self_is_no_conflict(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("pkg", "1.0", files={"pkg/__init__.py": "", "pkg/gone.py": ""})
    wheelhouse.add("pkg", "2.0", files={"pkg/__init__.py": "two = 2\n"})
    host.install("pkg==1.0")
    assert conflicts(build(["pkg>=2"])) == ()


def test_a_host_that_is_not_seen_takes_no_part(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("mine", "1.0", files={"mod.py": "1\n"})
    wheelhouse.add("theirs", "1.0", files={"mod.py": "2\n"})
    host.install("theirs")
    assert len(conflicts(build(["mine"]))) == 1
    assert conflicts(build(["mine"], isolated=True)) == ()


def test_a_host_without_digests_is_compared_by_its_files(host: Host, wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("mine", "1.0", files={"mod.py": "same = 1\n", "other.py": "1\n"})
    for name, files in {"equal": {"mod.py": "same = 1\n"}, "differs": {"other.py": "2\n"}}.items():
        info = host.site_packages / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
        for path, text in files.items():
            (host.site_packages / path).write_text(text)
    assert [(item.second, item.path) for item in conflicts(build(["mine"]))] == [("differs==1.0", "other.py")]


def test_build_and_show_report_them(host: Host, wheelhouse: Wheelhouse, write_spec: WriteSpec) -> None:
    wheelhouse.add("kern", "1.0", files={"kern/__init__.py": "1\n"})
    wheelhouse.add("kern-fork", "1.0", files={"kern/__init__.py": "2\n"})
    spec = str(write_spec("m", ["kern", "kern-fork"]))
    expected = [
        {
            "first": "kern==1.0", "second": "kern-fork==1.0", "path": "kern/__init__.py",
            "kind": "same-file", "remedy": "--exclude kern",
        }
    ]  # fmt: skip
    for command in (["build", spec, "--host-python", host.python], ["show", "m"]):
        done = CliRunner().invoke(cli, [*command, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["data"]["conflicts"] == expected
    text = CliRunner().invoke(cli, ["show", "m"]).stdout
    assert "kern/__init__.py" in text
    assert "--exclude kern" in text


def test_a_receipt_of_before_is_still_read(wheelhouse: Wheelhouse, build: Build) -> None:
    wheelhouse.add("tool", "1.0")
    env = build(["tool"])
    path = Path(env.path, "venvkit.json")
    content = json.loads(path.read_text())
    assert content.pop("conflicts") == []
    path.write_text(json.dumps(content))
    assert conflicts(env) == ()
