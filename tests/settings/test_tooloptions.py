"""The table of the outside tools' options: complete for the real uv and pip, and read as TOML reads it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin
from virtualenv.seed.wheels.embed import get_embed_wheel

from venvkit.settings import tooloptions
from venvkit.settings.tooloptions import UNKNOWN, tool_option, tool_options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = Path(__file__).parents[2] / "specs" / "tools.toml"
FIELDS = {"use", "key", "path", "text", "never"}


def known(token: str, names: set[str]) -> bool:
    """Tell whether a token of the binary is a name of the table, with whatever string the linker put behind it.

    A name that goes on with `_` is another name: `UV_CACHE_DIR_MODE` is not `UV_CACHE_DIR`.
    """
    exact = {name for name in names if not name.endswith("*")}
    beginnings = tuple(name[:-1] for name in names if name.endswith("*"))
    longest = max((name for name in exact if token.startswith(name)), key=len, default=None)
    return token.startswith(beginnings) or (longest is not None and not token[len(longest) :].startswith("_"))


def names_in(binary: bytes) -> set[str]:
    """Return what looks like a variable of uv's: strings without an end mark follow one another in the binary."""
    found = b"\n".join(re.findall(rb"UV_[A-Z][A-Z0-9_]+", binary)).decode()
    tokens = {part for line in found.splitlines() for part in re.findall(r"UV_(?:(?!UV_)[A-Z0-9_])+", line)}
    # Machine code compares eight bytes at once: seven or eight letters of a name, then the next instruction (`H`).
    return {token for token in tokens if not re.fullmatch(r"UV_[A-Z_]{5}H", token)}


def test_every_variable_of_the_real_uv_is_in_the_table() -> None:
    names = set(tool_options("uv"))
    tokens = names_in(Path(os.fsdecode(find_uv_bin())).read_bytes())
    assert len(tokens) > 100
    assert [token for token in sorted(tokens) if not known(token, names)] == []


def test_every_documented_variable_of_uvs_commands_is_in_the_table() -> None:
    names = set(tool_options("uv"))
    for command in (["pip", "install"], ["pip", "compile"], ["venv"], ["cache", "dir"], ["python", "find"]):
        text = subprocess.run([find_uv_bin(), "help", *command], capture_output=True, text=True, timeout=60).stdout
        documented = set(re.findall(r"\bUV_[A-Z][A-Z0-9_]*", text))
        assert len(documented) > 5
        assert [name for name in documented if not known(name, names)] == []


@pytest.mark.parametrize("name", ["UV_CACHE_DIR_MODE", "UV_CHAIN", "UV_NO_BINARY_EVER"])
def test_a_new_variable_would_be_noticed(name: str) -> None:
    assert not known(name, set(tool_options("uv")))
    assert name in names_in(b"\0UV_CACHE_DIR" + name.encode() + b"UV_INDEX\0")


LONG_OPTIONS = """
from pip._internal.commands import create_command
parser = create_command("install").parser
print(*(name for option in parser.option_list_all for name in option._long_opts))
"""


def test_every_option_of_the_real_pip_is_in_the_table(tmp_path: Path) -> None:
    wheel = get_embed_wheel("pip", "{}.{}".format(*sys.version_info))
    assert wheel is not None
    zipfile.ZipFile(wheel.path).extractall(tmp_path)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "COLUMNS": "200"}
    ask = [sys.executable, "-c", LONG_OPTIONS]
    options = subprocess.run(ask, capture_output=True, text=True, check=True, env=environ).stdout.split()
    assert len(options) > 80
    assert {option.removeprefix("--") for option in options} - set(tool_options("pip")) == set()


def test_the_rows_are_read_as_toml_reads_them() -> None:
    tables = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    for table, rows in tables.items():
        read = tool_options(table)
        assert list(read) == list(rows)
        for name, row in rows.items():
            assert row.keys() <= FIELDS, name
            ours = read[name]
            assert (ours.use, ours.key, ours.text, ours.never) == (
                row["use"], row.get("key", True), row.get("text", False), row.get("never", ""),
            ), name  # fmt: skip
            assert ours.path == bool(row.get("path")), name
            assert ours.path or not ours.text, name


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("UV_CACHE_DIR", "pass"),
        ("UV_VENV_SEED", "drop"),
        ("UV_VENV_SOMETHING_NEW", "drop"),
        ("UV_INDEX_CORP_USERNAME", "pass"),
        ("UV_INDEX_STRATEGY", "pass"),
        ("UV_NO_INSTALL_PROJECT", "drop"),
        ("UV_REQUIRE_HASHES", "refuse"),
        ("PIP_NO_DEPS", "drop"),
        ("PIP_no_Deps", "drop"),
        ("PIP_CONSTRAINT", "translate"),
        ("SSL_CERT_FILE", "pass"),
    ],
)
def test_the_row_of_a_variable(name: str, use: str) -> None:
    found = tool_option(name)
    assert found is not None
    assert found.use == use


def test_a_variable_of_a_newer_tool_is_passed_on_and_counts() -> None:
    assert tool_option("UV_BRAND_NEW") is UNKNOWN is tool_option("PIP_BRAND_NEW")
    assert (UNKNOWN.use, UNKNOWN.key) == ("pass", True)
    assert tool_option("HOME") is None


def test_without_its_data_the_installation_is_incomplete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tooloptions, "_tables", {})
    monkeypatch.setattr(tooloptions, "_PLACES", (str(tmp_path / "tools.toml"),))
    with pytest.raises(Exception, match="data folder") as caught:
        tool_options("uv")
    assert getattr(caught.value, "code", "") == "data-missing"
