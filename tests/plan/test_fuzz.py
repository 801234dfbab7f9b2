"""Random problems: no crash, no wrong refusal, no silent violation, no dependence on the order of input."""

from __future__ import annotations

import pytest

from tests.plan.fuzz import judge


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_problems_have_sound_answers(first: int) -> None:
    assert {seed: told for seed in range(first, first + 100) if (told := judge(seed))} == {}
