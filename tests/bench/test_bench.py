"""The bench as tests, for who wants a verdict: each case on its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.bench.__main__ import CASES
from tests.bench.cases import Skipped, measure
from tests.bench.table import render
from tests.bench.world import World, default_work

_RUNS = 9


@pytest.fixture(scope="module")
def bench_world() -> Iterator[World]:
    world = World(default_work(), incumbent=os.environ.get("VENVKIT_BENCH_INCUMBENT", ""))
    yield world
    world.close()


@pytest.mark.bench
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("growth-")])
def test_a_case_reaches_its_targets(
    bench_world: World, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    try:
        results = [measure(name, plan, _RUNS) for plan in CASES[name](bench_world)]
    except Skipped as reason:
        pytest.skip(str(reason))
    with capsys.disabled():
        print(f"\n{render(results)}")
    assert all(result.holds for result in results)


def test_the_page_is_filled_from_results() -> None:
    from tests.bench.page import filled, growth_table, picture, target_table

    row = {"what": "a", "side": "s", "anchors": ["b"], "kind": "times", "limit": 2.0, "figure": 1.5, "holds": True}
    results = [
        {"case": "x", "unit": "s", "point": {}, "medians": {"s": 0.003, "b": 0.002}, "rows": [row]},
        *(
            {
                "case": "growth-store",
                "unit": "s",
                "rows": [],
                "point": {"environments": size},
                "medians": {"list": size / 100},
            }
            for size in (10, 100)
        ),
    ]
    assert "| a | 3.0 ms | `b`: 2.0 ms | 1.50 x | <= 2.00 x | yes |" in target_table(results)
    assert growth_table(results, "growth-store").splitlines()[-1] == "| list | 100.0 ms | 1.00 s |"
    assert picture(results).count("<circle") == 2
    page = "head\n<!-- bench:targets -->\nold\n<!-- end -->\ntail\n"
    assert filled(page, {"targets": "new"}) == "head\n<!-- bench:targets -->\nnew\n<!-- end -->\ntail\n"
