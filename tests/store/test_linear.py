"""What removal and collection cost grows with the store, and no faster."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.store.fakes import aged, fake_environment, fake_model
from venvkit.formats.mark import MARK
from venvkit.store.change.remove import remove
from venvkit.store.collect.gc import collect
from venvkit.store.collect.rules import Wish
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import entries


def filled(home: Path, count: int) -> Layout:
    layout = Layout(home)
    layout.prepare()
    long_ago = time.time() - 40 * 86400
    for number in range(count):
        receipt = fake_environment(layout, f"{number:016x}-1")
        shell = fake_model(layout, f"m{number}", receipt)
        aged(shell / MARK, long_ago)
        aged(layout.lease(receipt.id), long_ago)
    return layout


def by_remove(layout: Layout) -> None:
    done, refused = remove(layout, entries(layout))
    assert refused == ()
    assert all(item.whole for item in done)


def by_age(layout: Layout) -> None:
    report = collect(layout, Wish(older_than=30 * 86400))
    assert report.left == ()


def by_size(layout: Layout) -> None:
    assert collect(layout, Wish(max_size=0)).size == 0


@pytest.mark.parametrize("work", [by_remove, by_age, by_size])
@pytest.mark.parametrize(("few", "many"), [(20, 100), pytest.param(100, 1000, marks=pytest.mark.bench)])
def test_the_time_of_a_model_does_not_grow_with_their_number(
    work: object, few: int, many: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spent = {}
    for count in (few, many):
        layout = filled(tmp_path / str(count), count)
        began = time.process_time()
        work(layout)  # type: ignore[operator]
        spent[count] = time.process_time() - began
        assert list(layout.envs.iterdir()) == []
        assert list(layout.requests.iterdir()) == []
        assert list(layout.shells.iterdir()) == []
    with capsys.disabled():
        print(f"\n{work.__name__}: " + ", ".join(f"{count} models {spent[count]:.2f} s" for count in spent))  # type: ignore[attr-defined]
    assert spent[many] / many <= 1.5 * spent[few] / few
