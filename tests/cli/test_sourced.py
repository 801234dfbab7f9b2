"""The page on sources: what it says against what uv does, and who it says named what."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import readings
from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.servers import forget_network
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import plan_env
from venvkit.cli.outcome import Outcome, document
from venvkit.cli.page.plain import plain_text
from venvkit.cli.views.sources import Sourced
from venvkit.errors import NoSolutionError
from venvkit.launch.reading import Reading
from venvkit.spec.configuration.account import account

NAMES = "abcdefgh"


@pytest.fixture(autouse=True)
def _clean_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_network(monkeypatch)


class Noted(list[str]):
    """The requests of one index, noted among those of the others in the order in which they come."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order
        super().__init__()

    def append(self, path: str) -> None:
        self.order.append(self.name)
        super().append(path)


@pytest.fixture
def order() -> list[str]:
    return []


@pytest.fixture
def urls(wheelhouse: Wheelhouse, order: list[str]) -> Iterator[dict[str, str]]:
    """Eight indexes that note who is asked first."""
    servers = [HttpIndex(wheelhouse, requests=Noted(name, order)).start() for name in NAMES]
    yield {name: server.url for name, server in zip(NAMES, servers, strict=True)}
    for server in servers:
        server.stop()


@pytest.fixture
def uv_config(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write uv's configuration of the user and of the machine."""

    def write(user: str, machine: str) -> None:
        monkeypatch.delenv("UV_NO_CONFIG")
        monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "machine"))
        for folder, text in ((Path(os.environ["HOME"], ".config"), user), (tmp_path / "machine", machine)):
            (folder / "uv").mkdir(parents=True)
            (folder / "uv" / "uv.toml").write_text(text, encoding="utf-8")

    return write


def opened(spec: Path, host: Host, **choices: Any) -> Reading:
    return readings.opened(spec, host_python=host.python, **choices)[0]


def page(reading: Reading) -> str:
    return plain_text(Sourced.of(reading).blocks())


def data(reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document("plan", Outcome(Sourced.of(reading))))["data"]
    return found


# Spec, pip's configuration, variables, uv.toml of the user and of the machine.
ORDERS: dict[str, tuple[dict[str, Any], str, dict[str, str], str, str]] = {
    "the operator's variables": (
        {},
        "",
        {"UV_INDEX": "{a} corp={b}", "UV_EXTRA_INDEX_URL": "{c}", "UV_INDEX_URL": "{e}", "UV_DEFAULT_INDEX": "{d}"},
        "",
        "",
    ),
    "the operator's files": (
        {},
        "",
        {},
        'index-url = "{h}"\nextra-index-url = ["{e}"]\n[[index]]\nurl = "{a}"\n'
        '[[index]]\nurl = "{f}"\nname = "x"\nexplicit = true\n[pip]\nextra-index-url = ["{c}"]\n',
        'extra-index-url = ["{g}"]\n[[index]]\nurl = "{b}"\n[[index]]\nurl = "{d}"\ndefault = true\n',
    ),
    "variables before files": (
        {},
        "",
        {"UV_INDEX": "{a}", "UV_DEFAULT_INDEX": "{b}"},
        '[[index]]\nurl = "{c}"\n[[index]]\nurl = "{a}"\n[[index]]\nurl = "{d}"\ndefault = true\n',
        "",
    ),
    "the spec's index in place of the operator's variables": (
        {"index_url": "{a}", "extra_index_url": ["{b}", "{c}"]},
        "index-url = {d}\nextra-index-url = {e}",
        {"UV_INDEX": "{f}", "UV_DEFAULT_INDEX": "{g}"},
        '[[index]]\nurl = "{h}"\n',
        "",
    ),
    "the spec's further index beside the operator's": (
        {"extra_index_url": "{a}"},
        "index-url = {d}\nextra-index-url = {e}",
        {"UV_INDEX": "{f}", "UV_DEFAULT_INDEX": "{g}"},
        "",
        "",
    ),
    "pip's": ({}, "index-url = {d}\nextra-index-url = {e} {f}", {"UV_INDEX": "{b}"}, "", ""),
    "nothing of pip's": (
        {"inherit_pip_config": False},
        "index-url = {d}\nextra-index-url = {e}",
        {"UV_DEFAULT_INDEX": "{b}"},
        "",
        "",
    ),
    "no index, says uv": ({"index_url": "{a}"}, "", {"UV_INDEX": "{b}"}, "no-index = true", ""),
}


@pytest.mark.parametrize("name", ORDERS)
def test_indexes_are_listed_as_uv_asks_them(
    host: Host, urls: dict[str, str], order: list[str], write_spec: WriteSpec, tmp_path: Path,
    uv_config: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    spec, pip, variables, user, machine = ORDERS[name]

    def fill(text: Any) -> Any:
        for key, url in urls.items():
            text = [fill(one) for one in text] if isinstance(text, list) else text
            text = text.replace(f"{{{key}}}", url) if isinstance(text, str) else text
        return text

    monkeypatch.delenv("UV_DEFAULT_INDEX")
    # One after the other, or the order would be a matter of chance.
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, fill(value))
    (tmp_path / "pip.conf").write_text(f"[global]\n{fill(pip)}\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    uv_config(fill(user), fill(machine))
    path = write_spec("m", ["absent"], find_links=[], **{key: fill(value) for key, value in spec.items()})
    with pytest.raises(NoSolutionError):
        plan_env(path, host_python=host.python)
    known = {url: key for key, url in urls.items()}
    listed = [known[one["value"]] for one in data(opened(path, host))["indexes"]]
    assert listed == list(dict.fromkeys(order))


def test_who_named_what(
    host: Host, write_spec: WriteSpec, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://pip.example/simple\ncert = /nowhere/ca.pem\n"
        "[install]\ntrusted-host = pip.example\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://me:secret@pip.example/more")
    monkeypatch.setenv("UV_FIND_LINKS", "/operators/wheels")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ca.pem")
    spec = write_spec("m", ["tool"], trusted_host="spec.example")
    reading = opened(spec, host, find_links=["/callers/wheels"], sources={"tool": "https://tool.example/simple"})
    found = data(reading)
    assert [(one["kind"], one["value"], one["by"], one["where"]) for one in found["indexes"]] == [
        ("package-index", "https://tool.example/simple", "caller", "--source"),
        ("extra-index", "https://****@pip.example/more", "pip", "PIP_EXTRA_INDEX_URL"),
        ("index", "https://pip.example/simple", "pip", f"{config} [global]"),
    ]
    assert [(one["value"], one["by"]) for one in found["find_links"]] == [
        ("/callers/wheels", "caller"),
        (wheelhouse.url, "spec"),
        ("/operators/wheels", "uv"),
    ]
    assert [(one["value"], one["where"]) for one in found["trusted_hosts"]] == [
        ("spec.example", f"virtualenv.trusted_host in {spec}"),
        ("pip.example", f"{config} [install]"),
    ]
    assert (found["index_strategy"]["value"], found["index_strategy"]["by"]) == ("unsafe-best-match", "pip")
    reach = {one["name"]: one for one in found["reach"]}
    assert reach["HTTPS_PROXY"]["value"] == "http://****@proxy.example:3128"
    assert reach["cert"] == {
        "name": "cert", "value": "/nowhere/ca.pem", "where": f"pip: {config} [global]", "note": "there is no such file",
    }  # fmt: skip
    assert "SSL_CERT_FILE" in reach["REQUESTS_CA_BUNDLE"]["note"]
    assert [(one["value"], one["by"], one["dropped"]) for one in found["dropped"]] == [
        (os.environ["UV_DEFAULT_INDEX"], "uv", "the request names its own index")
    ]
    shown = page(reading)
    for text in ("option --source", "pip: PIP_EXTRA_INDEX_URL", "uv: UV_FIND_LINKS", "not in force", "as pip combines"):
        assert text in shown
    assert "secret" not in shown


ENGINE = """
[engines.mine]
packages = ["tool"]
extra_index_urls = ["https://mine.example/cu130", "https://mine.example/cu128", "https://mine.example/all"]
optional_index_urls = ["https://mine.example/all"]
index_strategy = "unsafe-best-match"
[[engines.mine.cuda_indexes]]
cuda = ">=13"
index_url = "https://mine.example/kernels13"
packages = ["kernels"]
[[engines.mine.cuda_indexes]]
cuda = ">=12,<13"
index_url = "https://mine.example/kernels12"
packages = ["kernels"]
[host_indexes.tool]
packages = ["tool"]
indexes = {cu128 = "https://host.example/cu128"}
"""


@pytest.fixture
def engine(host: Host, wheelhouse: Wheelhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheelhouse.add("tool", "1.0+cu128")
    host.install("tool")
    file = tmp_path / "engines.toml"
    file.write_text(ENGINE, encoding="utf-8")
    monkeypatch.setenv("VENVKIT_ENGINES", str(file))
    return file


def indexes(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["value"].rpartition("/")[2], one["by"], one["where"]) for one in found["indexes"][:-1]]


def dropped(found: dict[str, Any]) -> dict[str, str]:
    return {one["value"].rpartition("/")[2]: one["dropped"] for one in found["dropped"]}


@pytest.mark.parametrize(
    ("facts", "kept", "left_out"),
    [
        (
            "cuda=12.8,arch=sm_90",
            ["kernels12", "cu128", "cu128", "all"],
            {
                "kernels13": "for CUDA >=13; this machine has CUDA 12.8",
                "cu130": "for cu130; this machine has CUDA 12.8",
            },
        ),
        (
            "none",
            ["cu128", "all"],
            {
                "kernels13": "for CUDA >=13; this machine has no CUDA",
                "kernels12": "for CUDA >=12,<13; this machine has no CUDA",
                "cu130": "for cu130; this machine has no CUDA",
                "cu128": "for cu128; this machine has no CUDA",
            },
        ),
    ],
)
def test_an_engines_indexes_by_the_machine(
    host: Host, engine: Path, write_spec: WriteSpec, facts: str, kept: list[str], left_out: dict[str, str]
) -> None:
    spec = write_spec("m", ["#system_tool#"], find_links=[])
    found = data(opened(spec, host, engine="mine", accelerator=facts))
    assert [name for name, _, _ in indexes(found)] == kept
    assert ("cu128", "host", "tool==1.0+cu128") in indexes(found)
    assert ("all", "engine", f"mine in {engine}") in indexes(found)
    assert dropped(found) == left_out
    optional = {one["value"].rpartition("/")[2]: one["optional"] for one in found["indexes"]}
    assert (optional["all"], optional["cu128"]) == (True, "12.8" not in facts)
    strategy = found["index_strategy"]
    assert (strategy["value"], strategy["by"], strategy["where"]) == (
        "unsafe-best-match",
        "engine",
        f"mine in {engine}",
    )


def test_others_in_the_place_of_an_engines_indexes(host: Host, engine: Path, write_spec: WriteSpec) -> None:
    spec = write_spec("m", ["#system_tool#"], find_links=[], extra_index_url="https://spec.example/simple")
    found = data(opened(spec, host, engine="mine", index_strategy="first-index", accelerator="none"))
    assert indexes(found) == [("simple", "spec", f"virtualenv.extra_index_url in {spec}")]
    why = "the spec names further indexes"
    assert {name: text for name, text in dropped(found).items() if not name.startswith("kernels")} == {
        "cu128": why, "cu130": why, "all": why, "unsafe-best-match": "the caller says otherwise",
    }  # fmt: skip
    shown = page(opened(spec, host, engine="mine", index_strategy="first-index", accelerator="none"))
    assert "first-index (option --index-strategy)" in shown


def test_a_strategy_that_has_nothing_to_combine(host: Host, engine: Path, write_spec: WriteSpec) -> None:
    spec = write_spec("m", ["tool"], find_links=[], index_url="https://spec.example/simple")
    engine.write_text('[engines.mine]\nindex_strategy = "unsafe-best-match"\n', encoding="utf-8")
    found = data(opened(spec, host, engine="mine"))
    assert (found["index_strategy"]["value"], found["index_strategy"]["by"]) == ("first-index", "installer")
    assert dropped(found) == {
        "unsafe-best-match": "there are no further indexes to combine",
        os.environ["UV_DEFAULT_INDEX"].rpartition("/")[2]: "the request names its own index",
    }


def test_an_index_that_a_plan_had_to_do_without(host: Host, engine: Path, write_spec: WriteSpec) -> None:
    gone = "http://127.0.0.1:9/all"
    engine.write_text(
        f'[engines.mine]\nextra_index_urls = ["{gone}"]\noptional_index_urls = ["{gone}"]\n', encoding="utf-8"
    )
    planned = plan_env(write_spec("m", ["tool", "more"]), engine="mine", host_python=host.python, optional="more")
    found = account(planned.recipe.sources, planned.reading.call.environ, "uv")
    assert [(one.value, one.dropped) for one in found if one.dropped] == [
        (gone, "it cannot be reached, and is optional")
    ]


def test_an_installer_that_is_left_to_itself(
    host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    spec = write_spec("m", ["tool"], find_links=[])
    for backend, strategy in (("uv", "first-index"), ("pip", "unsafe-best-match")):
        found = data(opened(spec, host, backend=backend))
        assert [(one["value"], one["by"]) for one in found["indexes"]] == [("", "installer")]
        assert (found["backend"], found["index_strategy"]["value"]) == (backend, strategy)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert data(opened(spec, host))["indexes"] == []
    assert "no index is asked" in page(opened(spec, host, offline=True))


def test_the_operators_own_trust_before_pips(
    host: Host, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", "/pip/ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "/own/ca.pem")
    reach = {one["name"]: one for one in data(opened(write_spec("m", ["tool"]), host))["reach"]}
    assert reach["cert"]["note"] == "the operator's own variables say whom to trust"
    assert reach["SSL_CERT_FILE"]["note"] == "there is no such file"
