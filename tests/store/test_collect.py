"""What a collection decides, and what it asks again before it drops anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.fakes import aged, fake_environment, fake_model
from venvkit.errors import UsageError
from venvkit.formats.mark import MARK
from venvkit.formats.receipt import RECEIPT, Receipt
from venvkit.store.change import drop as dropping
from venvkit.store.change.remove import remove
from venvkit.store.change.rollback import rollback
from venvkit.store.collect.gc import Report, collect
from venvkit.store.collect.rules import Wish
from venvkit.store.layout import Layout
from venvkit.store.lock.lease import Lease
from venvkit.store.look.history import history
from venvkit.store.look.inventory import entries
from venvkit.store.look.survey import Survey
from venvkit.store.shell.point import hold_shell, point_shell

DAY = 86400.0


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.prepare()
    return layout


def idle(layout: Layout, days: float = 40) -> None:
    """Have everything of a store look unused for some days."""
    then = time.time() - days * DAY
    for path in (*layout.shells.glob(f"*/*/*/{MARK}"), *layout.locks.glob("*.lease")):
        aged(path, then)


def versions(layout: Layout, count: int, model: str = "m") -> list[Receipt]:
    """Have a model upgraded to one environment after another."""
    receipts = [fake_environment(layout, f"{number:016x}-1") for number in range(1, count + 1)]
    for receipt in receipts:
        fake_model(layout, model, receipt)
    return receipts


def gone(report: Report) -> set[str]:
    return {item.path.name for item in report.removed if item.kind == "environment"}


def launched(layout: Layout, receipt: Receipt) -> None:
    """A process of another program starts from an environment, and ends."""
    with Lease(layout.lease(receipt.id)):
        aged(layout.lease(receipt.id), time.time())


def pointed(layout: Layout, receipt: Receipt) -> None:
    """Another process puts an environment in force."""
    shell = next(entry.path for entry in entries(layout))
    with hold_shell(layout, shell), Lease(layout.lease(receipt.id)):
        point_shell(layout, shell, receipt)


def by_age(layout: Layout) -> object:
    return collect(layout, Wish(older_than=30 * DAY))


def by_size(layout: Layout) -> object:
    return collect(layout, Wish(max_size=0))


def by_remove(layout: Layout) -> object:
    return remove(layout, entries(layout))


@pytest.mark.parametrize("work", [by_age, by_size, by_remove])
@pytest.mark.parametrize("use", [launched, pointed])
def test_a_use_between_the_reading_and_the_drop_saves_a_model(
    work: Callable[[Layout], object],
    use: Callable[[Layout, Receipt], None],
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = versions(layout, 2)
    idle(layout)
    saved = first if use is pointed else second
    drop = dropping.drop

    def later(layout: Layout, found: Survey, *args: object) -> object:
        use(layout, saved)
        return drop(layout, found, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("venvkit.store.collect.gc.drop", later)
    monkeypatch.setattr("venvkit.store.change.remove.drop", later)
    work(layout)
    (entry,) = entries(layout)
    assert (entry.environment, entry.state) == (Path(saved.path), "ready")
    assert Path(saved.path, RECEIPT).exists()
    if use is launched:
        assert len(list(layout.requests.iterdir())) == 2, "the second launch is warm"


@pytest.mark.parametrize("count", [1, 2, 5, 70])
def test_keep_last_means_as_many(count: int, layout: Layout) -> None:
    receipts = versions(layout, 72)
    assert gone(collect(layout, Wish(keep_last=count))) == {item.id for item in receipts[: 72 - count]}
    assert [item.id for item in history(layout, layout.shell("m", None, receipts[0].interpreter))] == [
        item.id for item in reversed(receipts[72 - count :])
    ]


def test_generations_that_were_collected_do_not_count(layout: Layout) -> None:
    receipts = versions(layout, 4)
    assert gone(collect(layout, Wish(keep_last=1))) == {item.id for item in receipts[:3]}
    later = [fake_environment(layout, f"{number:016x}-1") for number in (8, 9)]
    for receipt in later:
        fake_model(layout, "m", receipt)
    assert gone(collect(layout, Wish(keep_last=3))) == set()


def test_what_a_rollback_put_in_force_is_one_of_those_that_are_kept(layout: Layout) -> None:
    receipts = versions(layout, 4)
    (entry,) = entries(layout)
    rollback(layout, entry.path, to=receipts[0].id)
    assert gone(collect(layout, Wish(keep_last=2))) == {receipts[1].id, receipts[2].id}


@pytest.mark.parametrize("wish", [Wish(keep=("n",)), Wish(keep=("m", "0000"), dry_run=True)])
def test_an_unknown_name_to_keep_is_refused_before_anything_goes(wish: Wish, layout: Layout) -> None:
    versions(layout, 5)
    with pytest.raises(UsageError) as refused:
        collect(layout, wish)
    assert refused.value.code == "keep-unknown"
    assert len(list(layout.envs.iterdir())) == 5


def test_an_empty_store_knows_no_name_to_keep(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        collect(Layout(tmp_path / "none"), Wish(keep=("m",)))


@pytest.mark.parametrize("content", ["", "{", '{"schema": 2, "environment": 7}', '{"schema": 1}'])
@pytest.mark.parametrize("wish", [Wish(), Wish(older_than=0.0), Wish(max_size=0), Wish(keep_last=1)])
def test_a_mark_that_cannot_be_read_protects_what_it_may_lead_to(content: str, wish: Wish, layout: Layout) -> None:
    receipts = versions(layout, 2)
    idle(layout)
    (entry,) = entries(layout)
    (entry.path / MARK).write_text(content)
    assert gone(collect(layout, wish)) <= {receipts[0].id}
    assert entry.path.exists()
    assert Path(receipts[1].path, RECEIPT).exists()


def test_an_environment_is_there_once_for_all_its_models(layout: Layout) -> None:
    receipt = fake_environment(layout, f"{1:016x}-1", size=1_000_000)
    for model in ("a", "b", "c"):
        fake_model(layout, model, receipt)
    first, *others = entries(layout)
    removed, refused = remove(layout, [first])
    assert refused == ()
    assert [(item.whole, item.freed < 500_000) for item in removed] == [(False, True)]
    removed, refused = remove(layout, others)
    assert [item.whole for item in removed] == [True, True]
    assert 1_000_000 < sum(item.freed for item in removed) < 1_500_000
