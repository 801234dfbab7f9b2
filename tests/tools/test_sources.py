"""Where packages come from in the end: pip's configuration, uv's own, certificates and proxies, all of them real."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.servers import Authority, Proxy, TlsIndex, forget_network
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import SourceError, VenvkitError
from venvkit.launch.planning import Planned
from venvkit.spec.configuration.sources import Sources
from venvkit.tools.metadata import MetadataReader
from venvkit.tools.pylock import LockedFile


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    return Authority(tmp_path_factory.mktemp("authority")).make()


@pytest.fixture(autouse=True)
def _clean_network(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_network(monkeypatch)
    # The names of the indexes are the same in every test.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))


@pytest.fixture
def stocked(wheelhouse: Wheelhouse) -> Wheelhouse:
    wheelhouse.add("base", "1.0")
    wheelhouse.add("tool", "1.0", requires=["base"])
    return wheelhouse


@pytest.fixture
def secure(stocked: Wheelhouse, authority: Authority) -> Iterator[TlsIndex]:
    server = TlsIndex(stocked, authority=authority).start()
    yield server
    server.stop()


@pytest.fixture
def plain(stocked: Wheelhouse) -> Iterator[HttpIndex]:
    server = HttpIndex(stocked).start()
    yield server
    server.stop()


def write_pip_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\n{text}\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


def write_uv_config(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv("UV_NO_CONFIG")
    path = Path(os.environ["HOME"], ".config", "uv", "uv.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def check_read(planned: Planned) -> None:
    """uv reached the index, and so did our own read of the wheel's metadata, which alone knows who asks for `base`."""
    reasons = {item.name: item.reason[-1] for item in planned.plan.install}
    assert reasons == {"tool": "virtualenv.packages[0]: tool", "base": "tool==1.0 requires base"}


# -- certificates --------------------------------------------------------------------------------------------------

# What pip's file says, the variables, and whether the index is believed.
TRUST: dict[str, tuple[str, dict[str, str], bool]] = {
    "nobody vouches for it": ("", {}, False),
    "pip's file": ("cert = {ca}", {}, True),
    "pip's variable": ("", {"PIP_CERT": "{ca}"}, True),
    "pip's file, which is not there": ("cert = {folder}/gone.pem", {}, False),
    "SSL_CERT_FILE": ("", {"SSL_CERT_FILE": "{ca}"}, True),
    "SSL_CERT_DIR": ("", {"SSL_CERT_DIR": "{folder}"}, True),
    "the operator's own bundle before pip's": ("cert = {ca}", {"SSL_CERT_FILE": "{other}"}, False),
    "the operator's own choice before pip's": ("cert = {ca}", {"UV_SYSTEM_CERTS": "1"}, False),
    "a trusted host": ("trusted-host = 127.0.0.1", {}, True),
    "a trusted host and port": ("trusted-host = 127.0.0.1:{port}", {}, True),
    "a trusted host, but another port": ("trusted-host = 127.0.0.1:1", {}, False),
    "uv's trusted host": ("", {"UV_INSECURE_HOST": "127.0.0.1:{port}"}, True),
}


@pytest.mark.parametrize("name", TRUST)
def test_whom_to_trust(
    host: Host, secure: TlsIndex, authority: Authority, write_spec: WriteSpec, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    text, variables, works = TRUST[name]
    other = shutil.copy(authority.folder / "index.pem", tmp_path / "other.pem")
    facts = {"ca": authority.bundle, "folder": authority.folder, "port": secure.port, "other": other}
    write_pip_config(tmp_path, monkeypatch, text.format(**facts))
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(**facts))
    spec = write_spec("m", ["tool"], index_url=secure.url, find_links=[])
    if works:
        check_read(plan_env(spec, host_python=host.python))
        return
    with pytest.raises(SourceError) as caught:
        plan_env(spec, host_python=host.python)
    assert (caught.value.code, caught.value.exit_code) == ("source-unreachable", 4)
    assert "SSL_CERT_FILE" in caught.value.remedy


def test_a_spec_without_pips_configuration_goes_without_its_certificate(
    host: Host, secure: TlsIndex, authority: Authority, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", str(authority.bundle))
    spec = write_spec("m", ["tool"], index_url=secure.url, find_links=[], inherit_pip_config=False)
    with pytest.raises(SourceError):
        plan_env(spec, host_python=host.python)


def test_a_build_by_pips_index_and_certificate(
    host: Host, secure: TlsIndex, authority: Authority, write_spec: WriteSpec, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_pip_config(tmp_path, monkeypatch, f"index-url = {secure.url}\ncert = {authority.bundle}")
    spec = write_spec("m", ["tool"], find_links=[])
    env = ensure_env(spec, host_python=host.python)
    assert env.run(["python", "-c", "import tool, base; print(base.__version__)"], capture=True).stdout == "1.0\n"
    # It decides how a source is reached and not what is found there: another bundle is no other environment.
    moved = shutil.copy(authority.bundle, tmp_path / "moved.pem")
    write_pip_config(tmp_path, monkeypatch, f"index-url = {secure.url}\ncert = {moved}")
    again = ensure_env(spec, host_python=host.python)
    assert (again.built, again.path) == (False, env.path)


def test_a_password_goes_to_its_own_origin_alone(
    stocked: Wheelhouse, plain: HttpIndex, authority: Authority, tmp_path: Path
) -> None:
    """The same host on another port, and the same host and port by another scheme, are somebody else's."""
    plain.user = "me:secret"
    name = "tool-1.0-py3-none-any.whl"

    def read(user: str) -> object:
        sources = Sources.said("spec", index_url=plain.url.replace("http://me:secret@", user))
        files = plain.url.replace("me:secret@", "").replace("/simple", f"/files/{name}")
        file = LockedFile("tool", "1.0", "wheel", files, None, None)  # type: ignore[arg-type]
        (found,) = MetadataReader(tmp_path / user.replace("/", "_"), sources).read([file]).values()
        return found

    assert read("http://me:secret@") == (("base",), ())
    assert read("https://me:secret@") is None
    assert read("http://") is None


def test_a_password_of_a_netrc_file(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.user = "me:secret"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    url = plain.url.replace("me:secret@", "")
    spec = write_spec("m", ["tool"], index_url=url, find_links=[])
    with pytest.raises(SourceError, match="401"):
        plan_env(spec, host_python=host.python)
    monkeypatch.setenv("NETRC", str(netrc))
    check_read(plan_env(spec, host_python=host.python))


# -- proxies -------------------------------------------------------------------------------------------------------

# Variables, uv.toml, and whether the index is found: no name server knows it, so only the proxy leads there.
BY_PROXY: dict[str, tuple[dict[str, str], str, bool]] = {
    "upper case": ({"HTTP_PROXY": "{proxy}"}, "", True),
    "lower case": ({"http_proxy": "{proxy}"}, "", True),
    "one for all": ({"ALL_PROXY": "{proxy}"}, "", True),
    "upper case first": ({"HTTP_PROXY": "{proxy}", "http_proxy": "http://127.0.0.1:9"}, "", True),
    "the particular one first": ({"HTTP_PROXY": "{proxy}", "ALL_PROXY": "http://127.0.0.1:9"}, "", True),
    "uv's own": ({}, 'http-proxy = "{proxy}"', True),
    "uv's own first": ({"HTTP_PROXY": "http://127.0.0.1:9"}, 'http-proxy = "{proxy}"', True),
    "an exception of another": ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "dex.test,10.0.0.0/8"}, "", True),
    "the other scheme's": ({"HTTPS_PROXY": "{proxy}"}, "", False),
    "an exception": ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "a.example, .test"}, "", False),
    "nothing but exceptions": ({"HTTP_PROXY": "{proxy}", "NO_PROXY": "*"}, "", False),
}


@pytest.mark.parametrize("name", BY_PROXY)
def test_proxies(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variables, text, works = BY_PROXY[name]
    proxy = Proxy(int(plain.url.split(":")[2].split("/")[0])).start()
    try:
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value.format(proxy=proxy.url))
        if text:
            write_uv_config(monkeypatch, text.format(proxy=proxy.url))
        spec = write_spec("m", ["tool"], index_url="http://index.test/simple", find_links=[])
        if works:
            check_read(plan_env(spec, host_python=host.python))
            assert "http://index.test/simple/tool/" in proxy.asked
        else:
            with pytest.raises(SourceError):
                plan_env(spec, host_python=host.python)
            assert proxy.asked == []
    finally:
        proxy.stop()


@pytest.mark.parametrize("excepted", ["127.0.0.0/8", " a.example, 127.0.0.1"])
def test_what_is_excepted_is_asked_itself(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", excepted)
    check_read(plan_env(write_spec("m", ["tool"], index_url=plain.url, find_links=[]), host_python=host.python))


@pytest.mark.parametrize("trust", ["SSL_CERT_FILE", "UV_INSECURE_HOST"])
def test_an_index_over_https_behind_a_proxy(
    host: Host, secure: TlsIndex, authority: Authority, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch,
    trust: str,
) -> None:  # fmt: skip
    proxy = Proxy(secure.port).start()
    try:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv(trust, str(authority.bundle) if trust == "SSL_CERT_FILE" else "index.test")
        spec = write_spec("m", ["tool"], index_url="https://index.test/simple", find_links=[])
        check_read(plan_env(spec, host_python=host.python))
        assert set(proxy.asked) == {"index.test:443"}
    finally:
        proxy.stop()


def test_a_proxy_of_a_kind_that_our_reads_cannot_use_fails_none(host: Host, plain: HttpIndex, tmp_path: Path) -> None:
    file = LockedFile("tool", "1.0", "wheel", plain.url.replace("simple", "files/x.whl"), None, None)  # type: ignore[arg-type]
    reader = MetadataReader(tmp_path / "kept", Sources(), environ={"ALL_PROXY": "carrier-pigeon://coop"})
    assert reader.read([file]) == {file: None}
    assert plain.requests == []


# -- uv's own configuration, and pip's ------------------------------------------------------------------------------


def test_uvs_variables_and_files_stay_in_force(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra, links = Wheelhouse(tmp_path / "extra"), Wheelhouse(tmp_path / "links")
    extra.add("further", "1.0")
    links.add("linked", "1.0")
    further = HttpIndex(extra).start()
    try:
        monkeypatch.setenv("UV_DEFAULT_INDEX", plain.url)
        monkeypatch.setenv("UV_FIND_LINKS", links.url)
        write_uv_config(monkeypatch, f'[[index]]\nurl = "{further.url}"\n')
        planned = plan_env(write_spec("m", ["tool", "further", "linked"], find_links=[]), host_python=host.python)
        assert {item.name for item in planned.plan.install} == {"tool", "base", "further", "linked"}
        monkeypatch.setenv("UV_RESOLUTION", "lowest-direct")
        plain.wheelhouse.add("tool", "0.5")
        lowest = plan_env(write_spec("n", ["tool>0"], find_links=[]), host_python=host.python)
        assert [item.version for item in lowest.plan.install] == ["0.5"]
    finally:
        further.stop()


def test_a_change_of_uvs_configuration_leads_to_a_new_plan(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Wheelhouse(tmp_path / "other")
    other.add("base", "1.0")
    other.add("tool", "2.0", requires=["base"])
    second = HttpIndex(other).start()
    try:
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        write_uv_config(monkeypatch, f'index-url = "{plain.url}"\n')
        spec = write_spec("m", ["tool"], find_links=[])
        first = ensure_env(spec, host_python=host.python)
        assert not ensure_env(spec, host_python=host.python).built
        config = Path(os.environ["HOME"], ".config", "uv", "uv.toml")
        config.write_text(f'index-url = "{second.url}"\n', encoding="utf-8")
        moved = ensure_env(spec, host_python=host.python)
        assert moved.path != first.path
        assert moved.run(["python", "-c", "import tool; print(tool.__version__)"], capture=True).stdout == "2.0\n"
    finally:
        second.stop()


PROJECT = '[project]\nname = "evil"\nversion = "0"\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.toml", 'extra-index-url = ["{evil}"]'),
        ("pyproject.toml", PROJECT + '[tool.uv]\nextra-index-url = ["{evil}"]'),
        ("pyproject.toml", '[tool.uv.workspace]\nmembers = ["*"]\n[[tool.uv.index]]\nurl = "{evil}"'),
    ],
    ids=["uv.toml", "project", "workspace"],
)
def test_what_lies_about_in_the_folder_of_temporary_files_decides_nothing(
    host: Host, plain: HttpIndex, write_spec: WriteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, text: str,
) -> None:  # fmt: skip
    """Everybody on a machine may write there, and uv reads its configuration from all folders above its own."""
    evil = HttpIndex(plain.wheelhouse).start()
    try:
        shared = tmp_path / "shared"
        shared.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(shared))
        (shared / name).write_text(text.format(evil=evil.url), encoding="utf-8")
        monkeypatch.delenv("UV_NO_CONFIG")
        monkeypatch.setenv("UV_DEFAULT_INDEX", plain.url)
        planned = plan_env(write_spec("m", ["tool"], find_links=[]), host_python=host.python)
        assert {item.name for item in planned.plan.install} == {"tool", "base"}
        assert evil.requests == []
    finally:
        evil.stop()


def test_pips_no_index_is_heeded_until_somebody_names_an_index(
    host: Host, plain: HttpIndex, stocked: Wheelhouse, write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", plain.url)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(VenvkitError) as caught:
        plan_env(write_spec("m", ["tool"], find_links=[]), host_python=host.python)
    assert caught.value.exit_code == 3
    assert plain.requests == []
    monkeypatch.setenv("PIP_FIND_LINKS", str(stocked.path))
    found = plan_env(write_spec("m", ["tool"], find_links=[]), host_python=host.python)
    assert {item.name for item in found.plan.install} == {"tool", "base"}
    assert plain.requests == []
    named = write_spec("n", ["tool"], find_links=[], index_url=plain.url)
    plan_env(named, host_python=host.python)
    assert plain.requests
