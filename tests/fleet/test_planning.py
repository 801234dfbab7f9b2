"""Planning a fleet: what becomes one request, what becomes of each, and what a second run still does."""

from __future__ import annotations

import io
import os
import tarfile
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fleet.conftest import Fleet, by_name
from tests.fleet.shelf import Shelf
from tests.hosts import Host, make_host
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit import ensure_env
from venvkit.base import cachefile
from venvkit.errors import UsageError
from venvkit.fleet.expand import Wanted
from venvkit.fleet.report import planned_groups, reason, totals, unplanned_groups
from venvkit.fleet.stored import compare
from venvkit.fleet.values import Answer
from venvkit.store.layout import Layout


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "venvkit" / "fleet").glob("*.json"))


def make_older(tmp_path: Path, seconds: int) -> None:
    for path in kept(tmp_path):
        answer = cachefile.load(path, Answer, checked=True)
        assert answer is not None
        cachefile.store(path, replace(answer, made=answer.made - seconds), checked=True)


def test_every_launch_has_an_answer(whole: Shelf, fleet: Fleet, host: Host) -> None:
    survey = fleet.plan()
    statuses = {(row.model.name, row.engine): row.answer.status for row in (*survey.rows, *survey.expansion.faulty)}
    assert statuses == {
        ("plain", None): "planned",
        ("both", None): "planned",
        ("both-too", None): "planned",
        ("custom", None): "planned",
        ("engines", "vllm"): "planned",
        ("engines", "transformers"): "planned",
        ("impossible", None): "no-solution",
        ("impossible-too", None): "no-solution",
        ("breaking", None): "broken",
        ("variable", None): "faulty",
        ("faulty", None): "faulty",
    }
    assert [fault.partition(":")[0] for fault in survey.expansion.faults] == [str(whole.folder / "broken.json")]
    assert survey.expansion.elsewhere == (("mlx", 1),)
    assert (survey.python, survey.unfinished) == (host.python, 0)
    plain = by_name(survey, "plain").answer.plan
    assert plain is not None
    assert [(item.name, item.version, item.builds) for item in plain.install] == [("tool", "2.0", False)]
    assert [(item.name, item.version) for item in plain.inherit] == [("base", "1.0")]
    assert plain.download_bytes == (whole.wheelhouse.path / "tool-2.0-py3-none-any.whl").stat().st_size
    broken = by_name(survey, "breaking").answer.plan
    assert broken is not None
    assert broken.broken == ("server==1.0 requires base<2, found 3.0",)
    assert by_name(survey, "custom").model.type == "embedding"
    assert reason(by_name(survey, "variable")).startswith("virtualenv.packages[0]: ")


def test_equal_requests_are_planned_once(whole: Shelf, fleet: Fleet, resolves: list[tuple[str, ...]]) -> None:
    survey = fleet.plan()
    request = {(row.model.name, row.engine): row.request for row in survey.rows if row.request}
    assert request["plain", None] == request["custom", None] == request["engines", "transformers"]
    assert request["both", None] == request["both-too", None]
    assert request["impossible", None] == request["impossible-too", None]
    sums = totals(survey, time.time())
    assert (sums.specs, sums.launches, sums.requests, sums.environments) == (11, 10, 5, 4)
    assert sums.download_bytes == sum(group.plan.download_bytes for group in planned_groups(survey.rows) if group.plan)
    # A request that takes a second question (what no wheel is needed for, what breaks) is still one request.
    roots = {next(arg for arg in argv if arg.endswith("requirements.txt")) for argv in resolves if "--dry-run" in argv}
    assert len(roots) >= 5
    assert [step.done for step in fleet.steps if step.stage == "plan"] == [0, 1, 2, 3, 4, 5]


def test_launches_without_a_plan_are_grouped_by_their_reason(whole: Shelf, fleet: Fleet) -> None:
    groups = unplanned_groups(fleet.plan().rows)
    (group,) = [group for group in groups if group.status == "no-solution"]
    assert group.models == ("impossible", "impossible-too")
    assert reason(group.rows[0]) == "Because only tool==2.0 is available and you require tool>=9"


def test_a_second_run_resolves_nothing(whole: Shelf, fleet: Fleet, resolves: list[tuple[str, ...]]) -> None:
    first = fleet.plan()
    assert resolves
    resolves.clear()
    second = fleet.plan()
    assert resolves == []
    assert [(row.model, row.engine, row.answer.plan) for row in second.rows] == [
        (row.model, row.engine, row.answer.plan) for row in first.rows
    ]
    assert all(row.cached for row in second.rows if row.request)
    sums = totals(second, time.time() + 3600)
    assert sums.cached == 5
    assert 3600 <= sums.oldest < 3700
    assert not any(row.cached for row in fleet.plan(refresh=True).rows)
    assert resolves


@pytest.mark.parametrize("change", ["host", "wheels", "policy", "spoilt", "old"])
def test_what_a_plan_follows_from_is_looked_at_again(
    shelf: Shelf, fleet: Fleet, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    fleet.plan()
    assert all(row.cached for row in fleet.plan().rows)
    (path,) = kept(tmp_path)
    if change == "host":
        host.install("extra")
    elif change == "wheels":
        shelf.wheelhouse.add("tool", "3.0")
    elif change == "policy":
        monkeypatch.setenv("VENVKIT_ORPHANS", "report")
    elif change == "spoilt":
        path.write_text("{", encoding="utf-8")
    else:
        make_older(tmp_path, 86400)
    (row,) = fleet.plan().rows
    assert not row.cached
    assert row.answer.plan is not None
    assert row.answer.plan.install[0].version == ("3.0" if change == "wheels" else "2.0")


def test_an_unreachable_source_is_asked_again_soon(
    shelf: Shelf, fleet: Fleet, index: HttpIndex, tmp_path: Path
) -> None:
    shelf.put("away.json", ("away", ["tool"]), index_url=index.url)
    shelf.put("plain.json", ("plain", ["tool"]))
    index.stop()
    survey = fleet.plan()
    away = by_name(survey, "away")
    assert away.answer.status == "source-unreachable"
    assert index.url in reason(away)
    assert by_name(fleet.plan(), "away").cached
    make_older(tmp_path, 700)
    again = fleet.plan()
    assert not by_name(again, "away").cached
    assert by_name(again, "plain").cached


def test_a_plan_without_an_index_that_may_be_missing_is_a_makeshift(
    shelf: Shelf, fleet: Fleet, index: HttpIndex, home: Path, tmp_path: Path
) -> None:
    shelf.put("some.json", ("some", ['tool ; #engine# == "far"']))
    data = home / "venvkit" / "engines.toml"
    data.parent.mkdir(parents=True)
    data.write_text(
        f'[engines.far]\nextra_index_urls = ["{index.url}"]\noptional_index_urls = ["{index.url}"]\n', encoding="utf-8"
    )
    index.stop()
    (row,) = fleet.plan().rows
    assert (row.answer.status, row.answer.makeshift) == ("planned", True)
    assert any("cannot be reached and is optional" in warning for warning in row.answer.warnings)
    make_older(tmp_path, 700)
    assert not fleet.plan().rows[0].cached


def test_a_refusal_is_told_apart(shelf: Shelf, fleet: Fleet, index: HttpIndex, tmp_path: Path) -> None:
    index.user = "me:secret-word"
    url = index.url.replace("secret-word", "wrong-word")
    shelf.put("closed.json", ("closed", ["secret-tool"]), index_url=url)
    row = by_name(fleet.plan(), "closed")
    assert (row.answer.status, row.answer.trouble and row.answer.trouble.exit_code) == ("source-refused", 4)
    assert all("wrong-word" not in path.read_text(encoding="utf-8") for path in kept(tmp_path))


def test_old_answers_are_pruned(shelf: Shelf, fleet: Fleet, tmp_path: Path) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    fleet.plan()
    (path,) = kept(tmp_path)
    rubble = path.with_name(f".{path.name}.half")
    rubble.write_text("{", encoding="utf-8")
    for old in (path, rubble):
        os.utime(old, (time.time() - 8 * 86400,) * 2)
    shelf.put("plain.json", ("plain", ["extra"]))
    fleet.plan()
    assert len(kept(tmp_path)) == 1
    assert not path.exists()
    assert not rubble.exists()


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(type="EMBEDDING"), {("plain", None), ("custom", None)}),
        (Wanted(engine="vLLM"), {("engines", "vllm")}),
        (Wanted(engine="mlx"), set()),
        (Wanted(type="embedding", engine="vllm"), set()),
    ],
)
def test_a_part_of_the_fleet(whole: Shelf, fleet: Fleet, wanted: Wanted, names: set[tuple[str, str | None]]) -> None:
    assert {(row.model.name, row.engine) for row in fleet.plan(wanted).rows} == names


def test_what_there_is_none_of_is_an_error(shelf: Shelf, fleet: Fleet) -> None:
    with pytest.raises(UsageError) as caught:
        fleet.plan()
    assert caught.value.code == "fleet-empty"
    shelf.put("plain.json", ("plain", ["tool"]))
    with pytest.raises(UsageError) as caught:
        fleet.plan(Wanted(engine="vlmm"))
    assert (caught.value.code, caught.value.remedy) == ("engine-unknown", "did you mean `vllm`?")
    with pytest.raises(UsageError) as caught:
        fleet.plan(Wanted(type="picture"))
    assert "picture" in caught.value.message


def test_an_engine_of_another_platform_is_known_by_the_data_alone(shelf: Shelf, fleet: Fleet, home: Path) -> None:
    shelf.put("far.json", ("far", ['tool ; #engine# == "faraway"', 'extra ; #engine# == "nearby"']))
    assert {row.engine for row in fleet.plan().rows} == {"faraway", "nearby"}
    data = home / "venvkit" / "engines.toml"
    data.parent.mkdir(parents=True)
    data.write_text('[engines.faraway]\nplatforms = ["plan9"]\n', encoding="utf-8")
    survey = fleet.plan()
    assert {row.engine for row in survey.rows} == {"nearby"}
    assert survey.expansion.elsewhere == (("faraway", 1),)


def test_an_interrupted_run_gives_what_is_finished_and_the_next_goes_on(
    shelf: Shelf, fleet: Fleet, index: HttpIndex, resolves: list[tuple[str, ...]]
) -> None:
    shelf.put("plain.json", ("plain", ["tool"]))
    shelf.wheelhouse.add("slow", "1.0")
    shelf.put("slow.json", ("slow", ["slow"]), index_url=index.url)
    index.hang_on = "/slow/"
    ended: list[float] = []

    def interrupt() -> None:
        while not (any((step.stage, step.done) == ("plan", 1) for step in fleet.steps) and index.requests):
            time.sleep(0.02)
        ended.append(time.monotonic())
        fleet.cancel.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    survey = fleet.plan(jobs=1)
    thread.join()
    assert time.monotonic() - ended[0] < 3
    assert [row.model.name for row in survey.rows] == ["plain"]
    assert survey.unfinished == 1
    index.hang_on = ""
    fleet.cancel = threading.Event()
    resolves.clear()
    again = fleet.plan()
    assert (by_name(again, "plain").cached, by_name(again, "slow").answer.status) == (True, "planned")
    assert resolves


def test_one_launch_that_hits_a_fault_of_ours_stops_no_other(
    shelf: Shelf, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from venvkit.fleet import planning

    shelf.put("plain.json", ("plain", ["tool"]))
    shelf.put("other.json", ("other", ["extra"]))
    real = planning.plan_reading

    def fall(reading: planning.Reading, services: planning.Services) -> object:
        if reading.spec.name == "other":
            raise LookupError("https://me:pass@index.example/ is not there")
        return real(reading, services)

    monkeypatch.setattr(planning, "plan_reading", fall)
    survey = fleet.plan()
    other = by_name(survey, "other").answer
    assert (other.status, other.trouble and other.trouble.code) == ("failed", "unexpected")
    assert other.trouble is not None
    assert other.trouble.message == "LookupError: https://****@index.example/ is not there"
    assert Path(__file__).name in other.trouble.where
    assert by_name(survey, "plain").answer.status == "planned"
    assert len(kept(tmp_path)) == 1


def test_the_store_is_compared(shelf: Shelf, fleet: Fleet, home: Path, host: Host) -> None:
    shelf.put("some.json", ("plain", ["tool"]), ("again", ["tool"]), ("both", ["tool", "extra"]), ("new", ["extra"]))
    for name in ("plain", "both"):
        ensure_env(name, specs=(str(shelf.folder),))

    def states() -> dict[str, str]:
        survey = fleet.plan()
        rows = compare(survey.rows, Layout(home), host=survey.python, python=survey.version)
        return {row.model.name: row.stored.state for row in rows if row.stored is not None}

    assert states() == {"plain": "built", "again": "shared", "both": "built", "new": "new"}
    shelf.put("some.json", ("plain", ["tool"]), ("again", ["tool"]), ("both", ["tool"]), ("new", ["extra"]))
    assert states() == {"plain": "built", "again": "shared", "both": "rebuild", "new": "new"}


def test_another_host_shows_what_its_coming_would_change(
    shelf: Shelf, fleet: Fleet, home: Path, tmp_path: Path, wheelhouse: Wheelhouse
) -> None:
    shelf.put("some.json", ("plain", ["tool"]), ("lone", ["extra"]))
    for name in ("plain", "lone"):
        ensure_env(name, specs=(str(shelf.folder),))
    wheelhouse.add("base", "1.5")
    other = make_host(tmp_path / "other", wheelhouse)
    other.install("base==1.5", "tool")
    survey = fleet.plan(host_python=other.python)
    rows = compare(survey.rows, Layout(home), host=survey.python, python=survey.version)
    plain, lone = rows
    assert plain.stored is not None
    assert plain.stored.state == "rebuild"
    assert [(item.name, item.before, item.after, item.how_before, item.how_after) for item in plain.stored.changes] == [
        ("base", "1.0", "1.5", "inherited", "inherited"),
        ("tool", "2.0", "2.0", "installed", "inherited"),
    ]
    assert lone.stored is not None
    assert (lone.stored.state, lone.stored.changes) == ("rebuild", ())
    assert lone.stored.note == f"the same distributions, but it stands on {os.environ['VENVKIT_HOST_PYTHON']}"


def test_what_would_compile_is_told(shelf: Shelf, fleet: Fleet) -> None:
    facts = b"Metadata-Version: 2.2\nName: source\nVersion: 1.0\n"
    with tarfile.open(shelf.wheelhouse.path / "source-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("source-1.0/PKG-INFO")
        info.size = len(facts)
        archive.addfile(info, io.BytesIO(facts))
    shelf.put("some.json", ("one", ["source"]), ("two", ["source", "tool"]))
    survey = fleet.plan()
    assert [row.answer.plan and row.answer.plan.compiles for row in survey.rows] == [("source==1.0",)] * 2
    assert totals(survey, time.time()).compiles == ("source==1.0",)


def test_a_slow_source_holds_up_nobody_else(shelf: Shelf, fleet: Fleet, index: HttpIndex) -> None:
    shelf.wheelhouse.add("slow", "1.0")
    shelf.put("slow.json", ("slow", ["slow"]), said=[{"model_type": "rerank"}], index_url=index.url)
    shelf.put("plain.json", ("plain", ["tool"]), said=[{"model_type": "embedding"}])
    index.hang_on = "/slow/"
    thread = threading.Thread(target=Fleet(shelf).plan, args=(Wanted(type="rerank"),))
    thread.start()
    while not index.requests:
        time.sleep(0.02)
    timer = threading.Timer(15, setattr, (index, "hang_on", ""))
    timer.start()
    survey = fleet.plan(Wanted(type="embedding"))
    held_up = not index.hang_on
    timer.cancel()
    index.hang_on = ""
    thread.join()
    assert not held_up
    assert [row.answer.status for row in survey.rows] == ["planned"]


@pytest.mark.parametrize("change", ["overwritten", "variable", "uv-toml", "direct", "missing", "index"])
def test_a_local_source_that_changed_is_asked_again(
    shelf: Shelf, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    other = Wheelhouse(tmp_path / "other wheels")
    wheel = other.add("lone", "1.0")
    packages, links = ["lone"], [str(other.path)] if change == "overwritten" else []
    if change == "variable":
        monkeypatch.setenv("UV_FIND_LINKS", str(other.path))
    elif change == "uv-toml":
        (tmp_path / "uv.toml").write_text('find-links = ["other wheels"]\n', encoding="utf-8")
        monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    elif change in ("direct", "missing"):
        packages = [f"lone @ {wheel.as_uri()}"]
    elif change == "index":
        project = tmp_path / "index" / "lone"
        project.mkdir(parents=True)
        (project / "index.html").write_text(f'<a href="{wheel.as_uri()}">{wheel.name}</a>', encoding="utf-8")
        monkeypatch.setenv("UV_INDEX", project.parent.as_uri())
    shelf.put("m.json", ("m", packages), find_links=[shelf.wheelhouse.url, *links])
    if change == "missing":
        kept_aside = wheel.rename(tmp_path / "aside")
        assert fleet.plan().rows[0].answer.plan is None
        kept_aside.rename(wheel)
        assert fleet.plan().rows[0].answer.plan is not None
        return
    assert fleet.plan().rows[0].answer.plan is not None
    assert fleet.plan().rows[0].cached
    if change in ("overwritten", "direct"):
        other.add("lone", "1.0", requires=["extra"])
    else:
        newer = other.add("lone", "2.0")
        if change == "index":
            (project / "index.html").write_text(f'<a href="{newer.as_uri()}">{newer.name}</a>', encoding="utf-8")
    (row,) = fleet.plan().rows
    assert not row.cached
    plan = row.answer.plan
    assert plan is not None
    expected = [("extra", "1.0"), ("lone", "1.0")] if change in ("overwritten", "direct") else [("lone", "2.0")]
    assert [(item.name, item.version) for item in plan.install] == expected


def test_one_spoilt_byte_of_the_cache_is_no_answer(shelf: Shelf, fleet: Fleet, tmp_path: Path) -> None:
    shelf.put("plain.json", ("plain", ["extra"]))
    fleet.plan()
    (path,) = kept(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"extra", b"extrb"))
    (row,) = fleet.plan().rows
    assert (row.cached, row.answer.status) == (False, "planned")


@pytest.mark.parametrize("broken", ["_load", "spec_engines", "put"])
def test_whatever_one_spec_meets_stops_no_other(
    shelf: Shelf, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from venvkit.fleet import cache, expand

    shelf.put("some.json", ("odd", ["tool"]), ("plain", ["extra"]))
    if broken == "put":
        monkeypatch.setattr(cache.Answers, "put", lambda *_: 1 / 0)
        assert [row.answer.status for row in fleet.plan().rows] == ["planned", "planned"]
        return
    real = getattr(expand, broken)

    def fall(one: object, *rest: object) -> object:
        if getattr(one, "name", "") == "odd":
            raise LookupError("odd")
        return real(one, *rest)

    monkeypatch.setattr(expand, broken, fall)
    survey = fleet.plan()
    odd = by_name(survey, "odd").answer
    assert (odd.status, odd.trouble and odd.trouble.code) == ("failed", "unexpected")
    assert by_name(survey, "plain").answer.status == "planned"


def test_an_optional_index_that_is_away_is_waited_for_once(
    shelf: Shelf, fleet: Fleet, index: HttpIndex, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        shelf.wheelhouse.add(name, "1.0")
    far = [(name, [f'{name} ; #engine# == "far"']) for name in names]
    shelf.put("some.json", *far, ("none", ['missing ; #engine# == "far"']))
    data = home / "venvkit" / "engines.toml"
    data.parent.mkdir(parents=True)
    url = f"{index.url}/"
    data.write_text(f'[engines.far]\nextra_index_urls = ["{url}"]\noptional_index_urls = ["{url}"]\n', encoding="utf-8")
    index.stop()
    seen: list[str] = []
    from venvkit.tools.uv import resolver

    lost_index = resolver.UvResolver._lost_index

    def noted(self: resolver.UvResolver, *args: object) -> str | None:
        found = lost_index(self, *args)  # type: ignore[arg-type]
        seen.extend([found] if found else [])
        return found

    monkeypatch.setattr(resolver.UvResolver, "_lost_index", noted)
    survey = fleet.plan(jobs=1)
    assert len(seen) == 1
    answers = {row.model.name: row.answer for row in survey.rows}
    assert [answers[name].status for name in names] == ["planned"] * 4
    assert all(answers[name].makeshift and answers[name].warnings for name in names)
    assert answers["none"].status == "source-unreachable"
