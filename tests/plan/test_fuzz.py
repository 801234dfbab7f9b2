"""Random problems: no crash, no wrong refusal, no silent violation, no dependence on the order of input."""

from __future__ import annotations

from tests.plan.fuzz import judge


def test_random_problems_have_sound_answers() -> None:
    assert {seed: told for seed in range(400) if (told := judge(seed))} == {}
