"""`venvkit lint`: the page, the envelope, the exit status, and what it reads of this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Process, document
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.spec.data import data_dir


def write(path: Path, packages: list[str], **block: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {"model_name": path.stem, "virtualenv": {"packages": packages, **block}}
    path.write_text(json.dumps([table], indent=2), encoding="utf-8")
    return path


def test_the_shipped_specs(invoke: Invoke) -> None:
    done = invoke("lint", "--offline", data_dir() / "models")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "6 specs, no findings\n", "")


def test_a_page_is_read_like_a_compilers(process: Process, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", ["numpy<1,>2", 'six ; python_version >= "3.6"'])
    done = process("lint", "--offline", path)
    assert done.returncode == 2
    place = f"{path}[0]: virtualenv.packages"
    assert done.stdout.splitlines() == [
        f"{place}[0] (line 6): error[specifier-empty]: no version satisfies `numpy<1,>2`",
        "  remedy  correct the bounds",
        "",
        f'{place}[1] (line 7): warning[marker-true]: the marker `python_version >= "3.6"` is always true',
        "  remedy  remove the marker, or correct it",
        "",
        "1 spec: 1 error, 1 warning",
    ]
    assert done.stderr.splitlines() == [
        "error[lint-failed]: 1 spec: 1 error, 1 warning",
        f"  where: {path}[0]",
        "  remedy: correct what is named",
    ]


def test_the_envelope(invoke: Invoke, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", ["-r x", "six"])
    write(tmp_path / "b.json", ["six"])
    done = invoke("lint", "--offline", tmp_path, "--json")
    assert done.exit_code == 2
    found = document(done.stdout)
    assert found["data"] == {
        "specs": 2,
        "errors": 1,
        "warnings": 0,
        "findings": [
            {
                "code": "requirement-option",
                "severity": "error",
                "file": str(path),
                "index": 0,
                "place": "virtualenv.packages[0]",
                "line": 6,
                "what": "`-r x` starts with `-`: options are not accepted among packages",
                "remedy": "use the fields index_url, extra_index_url, find_links or constraints instead",
            }
        ],
    }
    assert (found["error"]["code"], found["error"]["where"]) == ("lint-failed", f"{path}[0]")
    assert document(invoke("lint", "--offline", tmp_path / "b.json", "--json").stdout)["data"]["findings"] == []


def test_many_faulty_specs_are_named_in_short(invoke: Invoke, tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / f"{number}.json", ["numpy<1,>2"])
    error = document(invoke("lint", "--offline", tmp_path, "--json").stdout)["error"]
    assert error["where"].endswith(f"{tmp_path / '2.json'}[0] and 2 more")
    assert error["message"] == "5 specs: 5 errors, 0 warnings"


def test_strictness(invoke: Invoke, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", ['six ; #engine# == "flag"'])
    assert invoke("lint", "--offline", path).exit_code == 0
    done = invoke("lint", "--offline", path, "--strict", "--json")
    assert done.exit_code == 2
    assert [one["severity"] for one in document(done.stdout)["data"]["findings"]] == ["error"]


def test_variables_are_declared_by_name(invoke: Invoke, tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", ['six ; #size# > "7" and #model_src# == "modelscope"', 'tqdm ; #colour# == "x"'])
    assert invoke("lint", "--offline", path).exit_code == 2
    assert invoke("lint", "--offline", path, "--var", "size", "--var", "#colour#").exit_code == 0
    for wrong in ("size=7", "##"):
        done = invoke("lint", "--offline", path, "--var", wrong, "--json")
        assert (done.exit_code, document(done.stdout)["error"]["code"]) == (2, "usage")


def test_a_users_engine_data_is_found_as_everywhere(
    invoke: Invoke, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.json", ['#flag_dependencies# ; #engine# == "flag"', "#mine_dependencies#"])
    data = '[engines.{}]\npackages = ["six"]\n'
    (home / "venvkit").mkdir(parents=True)
    (home / "venvkit" / "engines.toml").write_text(data.format("flag"), encoding="utf-8")
    assert [one["place"] for one in _findings(invoke, path)] == ["virtualenv.packages[1]"]
    (tmp_path / "mine.toml").write_text(data.format("mine"), encoding="utf-8")
    monkeypatch.setenv("VENVKIT_ENGINES", str(tmp_path / "mine.toml"))
    assert _findings(invoke, path) == []
    (tmp_path / "mine.toml").write_text("[engines.mine]\npackage = []\n", encoding="utf-8")
    done = invoke("lint", "--offline", path, "--json")
    assert (done.exit_code, document(done.stdout)["error"]["code"]) == (2, "engines-invalid")


def test_releases_are_looked_for_where_this_machine_is_configured(
    invoke: Invoke,
    tmp_path: Path,
    wheelhouse: Wheelhouse,
    index: HttpIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheelhouse.add("tool", "1.0")
    path = write(tmp_path / "a.json", ["tool==1.0", "tool==2.0 ; has_cuda"])
    places = [f"virtualenv.packages[{number}]" for number in (0, 1)]
    assert [one["place"] for one in _findings(invoke, path, "-q")] == places
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    done = invoke("lint", path, "--json")
    (found,) = document(done.stdout)["data"]["findings"]
    assert (found["code"], found["place"]) == ("release-missing", places[1])
    assert done.stderr == "asking the sources about 2 requirements\n"
    index.requests.clear()
    assert invoke("lint", path, "--offline").exit_code == 0
    assert index.requests == []
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    done = invoke("lint", path, "--strict")
    assert done.exit_code == 0
    assert "warning[not-checked]" in done.stdout
    assert "secret" not in done.output


def test_a_machine_without_uv(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("uv.find_uv_bin", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    (found,) = _findings(invoke, write(tmp_path / "a.json", ["six"]), "-q")
    assert (found["code"], found["what"]) == (
        "not-checked",
        "could not be looked for everywhere: `six` (uv was not found)",
    )


def test_nothing_to_lint_is_a_usage_error(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("lint", "--json")
    assert (done.exit_code, document(done.stdout)["error"]["code"]) == (2, "usage")
    done = invoke("lint", tmp_path / "none.json", "--json")
    assert done.exit_code == 2
    assert [one["code"] for one in document(done.stdout)["data"]["findings"]] == ["spec-not-found"]


def _findings(invoke: Invoke, path: Path, *args: str) -> list[dict[str, object]]:
    found = document(invoke("lint", *(args or ("--offline",)), path, "--json").stdout)["data"]["findings"]
    assert isinstance(found, list)
    return found
