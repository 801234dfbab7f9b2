"""Random problems that the real uv solves over a folder of wheels, judged as those of `test_fuzz`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plan.withuv import Bench


def faults(judge: Callable[[int], list[str]], seeds: range) -> dict[int, list[str]]:
    return {seed: told for seed in seeds if (told := judge(seed))}


def test_random_problems_have_sound_answers_with_uv(home: Path, tmp_path: Path) -> None:
    assert faults(Bench(tmp_path, dict(os.environ)).judge, range(10)) == {}


@pytest.mark.slow
def test_more_random_problems_have_sound_answers_with_uv(home: Path, tmp_path: Path) -> None:
    assert faults(Bench(tmp_path, dict(os.environ)).judge, range(10, 60)) == {}
