from __future__ import annotations

from pathlib import Path

import pytest

from venvkit.host.contents import files, import_names, scripts
from venvkit.host.distribution import Distribution, scan

from .conftest import PutDistribution


def only(site_dir: Path) -> Distribution:
    (found,), broken = scan([str(site_dir)])
    assert not broken
    return found


def record(*paths: str) -> dict[str, str]:
    return {"RECORD": "".join(f"{path},sha256=x,1\n" for path in paths)}


def test_files_are_those_of_the_record(tmp_path: Path, put: PutDistribution) -> None:
    put(tmp_path, "demo", "1.0", extra_files={"RECORD": '"with,comma.py",,\n\n../../../bin/demo,,\n'})
    assert files(only(tmp_path)) == ("with,comma.py", "../../../bin/demo")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (("demo/__init__.py", "demo/sub/__init__.py", "other.py"), {"demo", "other"}),
        (("_native.cpython-311-x86_64-linux-gnu.so", "fast.abi3.so", "win.pyd"), {"_native", "fast", "win"}),
        (("nvidia/cublas/__init__.py", "nvidia/cublas/lib/libcublas.so.12"), {"nvidia"}),
        (("libs/libx.so.12", "share/data.json", "../../../bin/demo.py"), set()),
        (("demo-stubs/__init__.pyi", "demo.pth", "__pycache__/demo.cpython-311.pyc"), set()),
        (("demo-1.0.dist-info/licenses/setup.py", "demo-1.0.data/scripts/x.py"), set()),
        (("/absolute/demo.py",), set()),
    ],
)
def test_import_names_of_a_record(
    tmp_path: Path, put: PutDistribution, paths: tuple[str, ...], names: set[str]
) -> None:
    put(tmp_path, "meta", "1.0", module="unrelated", extra_files=record(*paths))
    assert import_names(only(tmp_path)) == names


def test_import_names_of_an_editable_are_those_its_installer_noted(tmp_path: Path, put: PutDistribution) -> None:
    editable = {"direct_url.json": '{"url": "file:///x", "dir_info": {"editable": true}}'}
    finder = record("__editable___demo_finder.py", "__editable__.demo-1.0.pth")
    info = put(tmp_path, "my-demo", "1.0", extra_files={**editable, **finder})
    assert import_names(only(tmp_path)) == {"my_demo"}
    (info / "top_level.txt").write_text("demo\n_demo_native\n")
    assert import_names(only(tmp_path)) == {"demo", "_demo_native"}


def test_without_any_record_the_module_of_that_name_counts(tmp_path: Path, put: PutDistribution) -> None:
    (put(tmp_path, "my-demo", "1.0", module="my_demo") / "RECORD").unlink()
    assert files(only(tmp_path)) == ()
    assert import_names(only(tmp_path)) == {"my_demo"}
    (tmp_path / "my_demo.py").unlink()
    assert import_names(only(tmp_path)) == set()


def test_files_beside_an_egg_info(tmp_path: Path) -> None:
    info = tmp_path / "demo.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: demo\nVersion: 1.0\n")
    (info / "installed-files.txt").write_text("../demo/__init__.py\nPKG-INFO\n../../../bin/demo\n")
    found = only(tmp_path)
    assert files(found) == ("demo/__init__.py", "demo.egg-info/PKG-INFO", "../../bin/demo")
    assert import_names(found) == {"demo"}


def test_console_scripts_keep_their_case_and_lose_their_extras(tmp_path: Path, put: PutDistribution) -> None:
    text = """
[console_scripts]
Demo-Run = demo.cli:main
demo%x = demo:App.run [fast, slow]

[gui_scripts]
window = demo:window
"""
    put(tmp_path, "demo", "1.0", extra_files={"entry_points.txt": text})
    assert scripts(only(tmp_path)) == (("Demo-Run", "demo.cli:main"), ("demo%x", "demo:App.run"))


@pytest.mark.parametrize("text", [None, "", "[gui_scripts]\na = b:c\n", "no section\n"])
def test_no_console_scripts(tmp_path: Path, put: PutDistribution, text: str | None) -> None:
    put(tmp_path, "demo", "1.0", extra_files={} if text is None else {"entry_points.txt": text})
    assert scripts(only(tmp_path)) == ()


def test_the_names_of_real_packages() -> None:
    import packaging

    found, _ = scan([str(Path(packaging.__file__).parents[1])])
    by_name = {item.name: item for item in found}
    assert import_names(by_name["packaging"]) == {"packaging"}
    assert import_names(by_name["pytest"]) >= {"pytest", "_pytest"}
    assert dict(scripts(by_name["pytest"])).keys() == {"pytest", "py.test"}
    assert "packaging/version.py" in files(by_name["packaging"])
