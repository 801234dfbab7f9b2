"""pip's configuration as we read it, against what the real pip makes of the same files and variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from virtualenv.seed.wheels.embed import get_embed_wheel

from venvkit.errors import UsageError
from venvkit.spec.configuration.pip import PipConfig, pip_config_files, read_pip_config

ASK_PIP = """
import json, os
from pip._internal.commands import create_command
from pip._internal.index.collector import LinkCollector
from pip._internal.models.index import PyPI
options = create_command("install").parser.get_default_values()
scope = LinkCollector.create(None, options=options).search_scope
index, *extra = scope.index_urls or [None]
print(json.dumps({
    "index_url": None if index == PyPI.simple_url else index,
    "extra_index_urls": extra,
    "find_links": [link if ":" in link else os.path.abspath(link) for link in scope.find_links],
    "trusted_hosts": options.trusted_hosts,
    "cert": options.cert,
    "no_index": bool(options.no_index),
}))
"""


@dataclass(frozen=True)
class Place:
    """A home, a machine configuration and an interpreter of their own, and the way to ask both readers."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> Path:
        return self.root / "env"

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.prefix / "bin" / "python"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.root, env=self.environ, check=False)

    def ours(self) -> PipConfig:
        return read_pip_config(self.environ, prefix=str(self.prefix))


@pytest.fixture(scope="session")
def real_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pip that venvkit itself runs: a folder to import it from."""
    wheel = get_embed_wheel("pip", "{}.{}".format(*sys.version_info))
    assert wheel is not None
    folder = tmp_path_factory.mktemp("pip")
    zipfile.ZipFile(wheel.path).extractall(folder)
    return folder


@pytest.fixture
def place(real_pip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    root = tmp_path.resolve()
    venv.create(root / "env", with_pip=False, symlinks=True)
    monkeypatch.chdir(root)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(root / "home"),
        "XDG_CONFIG_DIRS": f"{root}/xdg1{os.pathsep}{root}/xdg2",
        "PYTHONPATH": str(real_pip),
    }
    return Place(root, environ)


# Each row: files below the place, variables ({root} stands for the place).
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nothing": ({}, {}),
    "every level, the later wins": (
        {
            "xdg1/pip/pip.conf": "[global]\nindex-url = http://one.example/simple\ncert = /one.pem\n",
            "xdg2/pip/pip.conf": "[global]\nindex-url = http://two.example/simple\nfind-links = /two\n",
            "home/.pip/pip.conf": "[global]\nindex-url = http://three.example/simple\nfind-links = /three\n",
            "home/.config/pip/pip.conf": "[global]\nfind-links = /four\ntrusted-host = four.example\n",
            "env/pip.conf": "[global]\ntrusted-host = five.example\n",
        },
        {},
    ),
    "a later list replaces the earlier one": (
        {
            "xdg1/pip/pip.conf": "[global]\nextra-index-url =\n  http://a.example/simple\n  http://b.example/simple\n",
            "env/pip.conf": "[global]\nextra-index-url = http://c.example/simple http://d.example/simple\n",
        },
        {},
    ),
    "install beats global of a stronger file": (
        {
            "xdg1/pip/pip.conf": "[install]\nindex-url = http://install.example/simple\n",
            "env/pip.conf": "[global]\nindex-url = http://global.example/simple\n[download]\nno-index = 1\n",
        },
        {},
    ),
    "variables beat files": (
        {"env/pip.conf": "[install]\nindex-url = http://file.example/simple\nfind-links = /file\n"},
        {"PIP_INDEX_URL": "http://variable.example/simple", "PIP_FIND_LINKS": "/v1 /v2\n/v3"},
    ),
    "an empty variable changes nothing": (
        {"env/pip.conf": "[global]\nextra-index-url = http://file.example/simple\n"},
        {"PIP_EXTRA_INDEX_URL": ""},
    ),
    "an empty value hides a weaker file's": (
        {
            "xdg1/pip/pip.conf": "[global]\nindex-url = http://a.example/simple\nfind-links = /a\n",
            "env/pip.conf": "[global]\nindex-url =\nfind-links =\n",
        },
        {},
    ),
    "names in other spellings": (
        {"env/pip.conf": "[global]\nExtra_Index_URL = http://a.example/simple\n--trusted-host = b.example\n"},
        {"PIP_no_index": "no", "PIP_pypi_url": "http://old.example/simple"},
    ),
    "the default section reaches the named ones": (
        {"env/pip.conf": "[DEFAULT]\nindex-url = http://default.example/simple\n[global]\ncert = /c.pem\n"},
        {},
    ),
    "no interpolation": (
        {"env/pip.conf": "[global]\nindex-url = http://a.example/%(x)s/${HOME}/simple\n"},
        {},
    ),
    "no index": (
        {"env/pip.conf": "[global]\nno-index = yes\nindex-url = http://a.example/simple\nfind-links = /w\n"},
        {"PIP_EXTRA_INDEX_URL": "http://b.example/simple"},
    ),
    "a file named by variable hides the user's": (
        {
            "home/.config/pip/pip.conf": "[global]\nindex-url = http://me.example/simple\nfind-links = /u\n",
            "env/pip.conf": "[global]\nindex-url = http://site.example/simple\n",
            "named.conf": "[global]\nindex-url = http://named.example/simple\n",
        },
        {"PIP_CONFIG_FILE": "{root}/named.conf"},
    ),
    "a named file that is not there hides nothing": (
        {"home/.config/pip/pip.conf": "[global]\nindex-url = http://user.example/simple\n"},
        {"PIP_CONFIG_FILE": "{root}/absent.conf"},
    ),
    "the null device turns files off": (
        {"env/pip.conf": "[global]\nindex-url = http://site.example/simple\n"},
        {"PIP_CONFIG_FILE": os.devnull, "PIP_TRUSTED_HOST": "a.example b.example"},
    ),
    "an own configuration home": (
        {
            "home/.config/pip/pip.conf": "[global]\nindex-url = http://unread.example/simple\n",
            "own/pip/pip.conf": "[global]\nindex-url = http://own.example/simple\n",
        },
        {"XDG_CONFIG_HOME": "{root}/own"},
    ),
    "links and certificates in all forms": (
        {
            "home/wheels/.keep": "",
            "env/pip.conf": "[global]\ncert = ~/ca.pem\nfind-links =\n  wheels/x\n  ~/wheels\n  file:///srv/w\n"
            "  http://page.example/links.html\n  /absolute\n",
        },
        {},
    ),
}


@pytest.mark.skipif(os.name != "posix", reason="pip keeps its files elsewhere")
@pytest.mark.parametrize("name", CASES)
def test_we_read_what_pip_reads(place: Place, name: str) -> None:
    files, variables = CASES[name]
    for path, text in files.items():
        place.write(path, text)
    place.environ.update({key: value.format(root=place.root) for key, value in variables.items()})
    answer = place.pip("-c", ASK_PIP)
    assert answer.returncode == 0, answer.stderr
    expected = json.loads(answer.stdout)
    ours = place.ours()
    assert {key: getattr(ours.sources, key) for key in expected} == {
        key: tuple(value) if isinstance(value, list) else value for key, value in expected.items()
    }


@pytest.mark.parametrize("named", [None, "named.conf", "absent.conf"])
def test_the_candidate_files_are_pips(place: Place, named: str | None) -> None:
    place.write("named.conf", "[global]\n")
    if named:
        place.environ["PIP_CONFIG_FILE"] = str(place.root / named)
    answer = place.pip("-m", "pip", "config", "debug")
    assert answer.returncode == 0, answer.stderr
    expected = {line.partition(", exists: ")[0].strip() for line in answer.stdout.splitlines() if "exists:" in line}
    files = pip_config_files(place.environ, str(place.prefix))
    assert len(files) >= 4
    assert set(files) == expected
    assert place.ours().files == files


def test_the_null_device_leaves_no_candidate(place: Place) -> None:
    place.environ["PIP_CONFIG_FILE"] = os.devnull
    assert place.ours().files == ()


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"index-url = http://a.example\n", 1, "`[section]`"),
        (b"[global]\n\nindex-url\n", 3, "`key = value`"),
        (b"[global]\ncert = a\n[global]\n", 3, "only once"),
        (b"[global]\ncert = a\ncert = b\n", 3, "only once"),
        (b"[global]\ncert = a\nindex-url = http://\xff.example\n", 3, "text"),
    ],
)
def test_a_malformed_file_is_refused_by_file_and_line(place: Place, content: bytes, line: int, reason: str) -> None:
    path = place.prefix / "pip.conf"
    path.write_bytes(content)
    assert place.pip("-c", ASK_PIP).returncode != 0, "pip refuses it too"
    with pytest.raises(UsageError) as caught:
        place.ours()
    assert (caught.value.code, caught.value.where) == ("pip-config-invalid", f"{path}:{line}")
    assert reason in caught.value.message
    assert caught.value.remedy


def test_a_malformed_line_does_not_show_its_secret(place: Place) -> None:
    place.write("env/pip.conf", "index-url = http://me:hidden@a.example/simple\n")
    with pytest.raises(UsageError) as caught:
        place.ours()
    assert "hidden" not in str(caught.value)


def test_a_boolean_that_is_none_is_refused(place: Place) -> None:
    place.environ["PIP_NO_INDEX"] = "perhaps"
    assert place.pip("-c", ASK_PIP).returncode != 0, "pip refuses it too"
    with pytest.raises(UsageError, match="no-index") as caught:
        place.ours()
    assert caught.value.code == "pip-config-invalid"


def test_a_file_that_cannot_be_opened_is_passed_over(place: Place) -> None:
    without = place.ours()
    (place.prefix / "pip.conf").mkdir()
    assert place.pip("-c", ASK_PIP).returncode == 0, "pip passes over it too"
    assert place.ours() == without


def test_the_environment_of_the_caller_alone_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place.ours()
    monkeypatch.setenv("PIP_INDEX_URL", "http://process.example/simple")
    monkeypatch.setenv("HOME", str(place.root / "other"))
    place.write("other/.config/pip/pip.conf", "[global]\nindex-url = http://other.example/simple\n")
    assert place.ours() == before


@pytest.mark.skipif(sys.platform != "darwin", reason="the directories of macOS")
def test_macos_reads_application_support(place: Place) -> None:
    place.write("home/Library/Application Support/pip/pip.conf", "[global]\nindex-url = http://mac.example/simple\n")
    assert place.ours().sources.index_url == "http://mac.example/simple"


def test_each_option_tells_where_it_comes_from(place: Place) -> None:
    place.write("home/.pip/pip.conf", "[global]\nindex-url = http://weak.example\ncert = /weak.pem\n")
    place.write("home/.config/pip/pip.conf", "[global]\nindex-url = http://user.example\n")
    place.write("env/pip.conf", "[install]\ntrusted-host = a.example b.example\n[global]\nfind-links = /env\n")
    place.environ["PIP_FIND_LINKS"] = "/variable"
    place.environ["PIP_PYPI_URL"] = ""
    sources = place.ours().sources
    assert {one.kind: one.where for one in sources.statements} == {
        "index": f"{place.root}/home/.config/pip/pip.conf [global]",
        "cert": f"{place.root}/home/.pip/pip.conf [global]",
        "trusted-host": f"{place.prefix}/pip.conf [install]",
        "find-links": "PIP_FIND_LINKS",
    }
    assert (sources.index_url, sources.cert, sources.trusted_hosts) == (
        "http://user.example", "/weak.pem", ("a.example", "b.example"),
    )  # fmt: skip
    said = {(one.kind, one.value): one.where for one in sources.statements}
    assert said["trusted-host", "b.example"] == f"{place.prefix}/pip.conf [install]"
    assert said["find-links", "/variable"] == "PIP_FIND_LINKS"
    assert {one.by for one in sources.statements} == {"pip"}


@pytest.mark.parametrize(
    ("variables", "strategy"),
    [
        ({"PIP_EXTRA_INDEX_URL": "http://b.example"}, "unsafe-best-match"),
        ({"PIP_INDEX_URL": "http://a.example"}, None),
        ({"PIP_EXTRA_INDEX_URL": "http://b.example", "UV_INDEX_STRATEGY": "first-index"}, None),
        ({"PIP_EXTRA_INDEX_URL": "http://b.example", "XDG_CONFIG_HOME": "{root}/own"}, None),
        ({"PIP_EXTRA_INDEX_URL": "http://b.example", "PIP_NO_INDEX": "1"}, None),
    ],
)
def test_several_indexes_of_pips_are_combined_its_way_unless_uv_is_told_otherwise(
    place: Place, variables: dict[str, str], strategy: str | None
) -> None:
    place.write("own/uv/uv.toml", 'index-strategy = "unsafe-first-match"\n')
    place.environ.update({name: value.format(root=place.root) for name, value in variables.items()})
    sources = place.ours().sources
    assert (sources.index_strategy, sources.no_index) == (strategy, "PIP_NO_INDEX" in variables)
