"""Checking many models at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.store.fakes import fake_environment, fake_model
from venvkit.launch import examine
from venvkit.proof.check import check_receipt
from venvkit.settings import load_settings
from venvkit.store.layout import Layout
from venvkit.store.look.inventory import entries


def test_an_environment_that_models_share_is_proved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    shared, own = fake_environment(layout, f"{1:016x}-1"), fake_environment(layout, f"{2:016x}-1")
    for number in range(5):
        fake_model(layout, f"m{number}", shared)
    fake_model(layout, "other", own)
    asked: list[Path] = []

    def counted(environment: Path, *args: object, **options: object) -> object:
        asked.append(environment)
        return check_receipt(environment, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(examine, "check_receipt", counted)
    verdicts = examine.Examiner(layout, load_settings(), threading.Event()).examine(entries(layout))
    assert len(verdicts) == 6
    assert sorted(asked) == [Path(shared.path), Path(own.path)]
