"""What becomes of a plan when one of its indexes fails it: optional or needed, silent or refusing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteSpec
from tests.hosts import Host
from tests.servers import forget_network
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env, plan_env
from venvkit.errors import SourceError
from venvkit.events import Event, Warned
from venvkit.launch.planning import Planned

BEST, FIRST = "unsafe-best-match", "first-index"
# How an index fails, by what it is told to do, or by an address where there is none.
FAILURES: dict[str, int | str] = {
    "its name is unknown": "http://nowhere.invalid/simple",
    "the connection is refused": "http://127.0.0.1:9/simple",
    "it does not answer in time": "hang",
    "500": 500,
    "502": 502,
    "410": 410,
}
REFUSALS: dict[str, int | str] = {"401": 401, "403": 403}


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpIndex]:
    """The engine's further index, which has nothing that is asked for."""
    house = Wheelhouse(tmp_path / "second")
    house.add("other", "1.0")
    forget_network(monkeypatch)
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("XINFERENCE_DOWNLOAD_MAX_ATTEMPTS", "1")
    server = HttpIndex(house).start()
    yield server
    server.hang_on = ""
    server.stop()


Plan = Callable[..., tuple[Planned, list[str]]]


@pytest.fixture
def plan(
    host: Host, wheelhouse: Wheelhouse, index: HttpIndex, second: HttpIndex, write_spec: WriteSpec, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Plan:  # fmt: skip
    """Plan `tool`, which the first index has, with the further index of an engine of one's own."""
    wheelhouse.add("tool", "1.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("VENVKIT_ENGINES", str(tmp_path / "engines.toml"))

    def run(fails: int | str, *, optional: bool, strategy: str = "", head: str = "", **choices: object):
        second.fail_with = fails if isinstance(fails, int) else 0
        second.hang_on = "/tool/" if fails == "hang" else ""
        url = fails if isinstance(fails, str) and "://" in fails else second.url
        lines = [head.format(url=second.url), "[engines.mine]", f'extra_index_urls = ["{url}"]']
        lines += [f'optional_index_urls = ["{url}"]'] if optional else []
        lines += [f'index_strategy = "{strategy}"'] if strategy else []
        (tmp_path / "engines.toml").write_text("\n".join(lines), encoding="utf-8")
        events: list[Event] = []
        spec = write_spec("m", ["tool"], find_links=[])
        planned = plan_env(spec, engine="mine", host_python=host.python, observer=events.append, **choices)  # type: ignore[arg-type]
        return planned, [event.code for event in events if isinstance(event, Warned)]

    return run


@pytest.mark.parametrize("strategy", ["", BEST])
@pytest.mark.parametrize("fails", FAILURES)
def test_an_optional_index_that_does_not_answer_is_left_out_with_a_warning(
    plan: Plan, fails: str, strategy: str
) -> None:
    planned, warned = plan(FAILURES[fails], optional=True, strategy=strategy)
    assert [str(item.name) for item in planned.plan.install] == ["tool"]
    assert warned == ["index-unreachable"]
    assert planned.recipe.sources.extra_index_urls == planned.recipe.sources.optional_index_urls == ()


@pytest.mark.parametrize("fails", FAILURES)
def test_a_needed_index_that_does_not_answer_ends_the_plan(plan: Plan, fails: str) -> None:
    with pytest.raises(SourceError) as caught:
        plan(FAILURES[fails], optional=False)
    assert (caught.value.code, caught.value.exit_code) == ("source-unreachable", 4)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("strategy", ["", BEST, "unsafe-first-match"])
@pytest.mark.parametrize("fails", REFUSALS)
def test_a_refusal_ends_the_plan_whoever_refuses(plan: Plan, fails: str, strategy: str, optional: bool) -> None:
    """Also where uv itself would pass over it: what the index has could be the better choice."""
    with pytest.raises(SourceError) as caught:
        plan(REFUSALS[fails], optional=optional, strategy=strategy)
    assert (caught.value.code, caught.value.exit_code) == ("source-refused", 4)
    assert fails in str(caught.value)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("strategy", ["", BEST])
def test_an_index_that_lacks_the_project_is_no_failure(plan: Plan, strategy: str, optional: bool) -> None:
    planned, warned = plan(404, optional=optional, strategy=strategy)
    assert ([str(item.name) for item in planned.plan.install], warned) == (["tool"], [])
    assert planned.recipe.sources.extra_index_urls != ()


def test_a_public_store_that_says_403_lacks_the_project(plan: Plan) -> None:
    planned, warned = plan(403, optional=True, strategy=BEST, head='public_indexes = ["{url}"]')
    assert ([str(item.name) for item in planned.plan.install], warned) == (["tool"], [])
    with pytest.raises(SourceError, match="401"):
        plan(401, optional=True, strategy=BEST, head='public_indexes = ["{url}"]')


def test_an_optional_index_that_would_be_needed_after_all_is_named(plan: Plan) -> None:
    with pytest.raises(SourceError) as caught:
        plan("http://127.0.0.1:9/simple", optional=True, packages=["only-there"])
    assert caught.value.code == "source-unreachable"
    assert any("only-there" in line for line in caught.value.details)


def test_a_build_goes_on_without_what_its_plan_left_out(plan: Plan, host: Host, write_spec: WriteSpec) -> None:
    plan("http://127.0.0.1:9/simple", optional=True)
    env = ensure_env(write_spec("m", ["tool"], find_links=[]), engine="mine", host_python=host.python)
    assert env.run(["python", "-c", "import tool; print(tool.__version__)"], capture=True).stdout == "1.0\n"


def test_credentials_that_uv_finds_by_itself_are_no_refusal(
    plan: Plan, second: HttpIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv asks without them first, is refused, and asks again."""
    second.user = "me:secret"
    url = second.url.replace("me:secret@", "")
    with pytest.raises(SourceError) as caught:
        plan(url, optional=True, strategy=BEST)
    assert caught.value.code == "source-refused"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    planned, warned = plan(url, optional=True, strategy=BEST)
    assert ([str(item.name) for item in planned.plan.install], warned) == (["tool"], [])
    assert planned.recipe.sources.extra_index_urls == (url,)


# -- strategies ----------------------------------------------------------------------------------------------------


def chosen(planned: Planned) -> str:
    (tool,) = planned.plan.install
    return tool.version


def test_the_first_index_that_has_a_project_decides_unless_the_data_says_otherwise(
    plan: Plan, second: HttpIndex, wheelhouse: Wheelhouse
) -> None:
    """An index that everybody may fill cannot slip in a higher version of what the first one has."""
    second.wheelhouse.add("tool", "0.9")
    found, _ = plan("", optional=True)
    assert (chosen(found), found.recipe.sources.index_strategy) == ("0.9", None)
    assert chosen(plan("", optional=True, strategy=BEST)[0]) == "1.0"
    assert chosen(plan("", optional=True, strategy=BEST, index_strategy=FIRST)[0]) == "0.9"


def test_several_indexes_of_pips_are_combined_as_pip_combines_them(
    host: Host, index: HttpIndex, second: HttpIndex, wheelhouse: Wheelhouse, write_spec: WriteSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wheelhouse.add("tool", "1.0")
    second.wheelhouse.add("tool", "0.9")
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", second.url)
    spec = write_spec("m", ["tool"], find_links=[])
    assert chosen(plan_env(spec, host_python=host.python)) == "1.0"
    monkeypatch.setenv("UV_INDEX_STRATEGY", FIRST)
    assert chosen(plan_env(spec, host_python=host.python)) == "0.9"
