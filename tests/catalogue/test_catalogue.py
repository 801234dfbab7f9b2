"""The harness end to end, on a few sets of the real catalogue and the real index."""

from __future__ import annotations

import json
import os

import pytest

from tests.catalogue.expand import expand
from tests.catalogue.hosts import get_catalogue, get_host, look
from tests.catalogue.run import main

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def catalogue():
    """Return the unpacked catalogue that VENVKIT_TEST_CATALOGUE names, else a downloaded one."""
    return get_catalogue(os.environ.get("VENVKIT_TEST_CATALOGUE"))


@pytest.fixture(scope="module")
def host():
    """Return the host that VENVKIT_TEST_HOST names, else one that is built: some minutes the first time."""
    return get_host(os.environ.get("VENVKIT_TEST_HOST"))


def test_the_catalogue_expands_to_the_known_launches(catalogue, host):
    expanded = expand(catalogue, look(host))
    assert (expanded.specs, expanded.launches) == (434, 898)
    assert sum(len(one.launches) for one in expanded.sets) == expanded.launches
    assert len({one.id for one in expanded.linux}) == len(expanded.linux)
    assert not any(engine == "mlx" for one in expanded.linux for _, engine in one.launches)
    assert {one.id for one in expanded.linux} < {one.id for one in expanded.sets}


def test_a_sample_is_planned_checked_and_resumed(catalogue, host, tmp_path, capsys):
    results = tmp_path / "results.jsonl"
    same = ["--catalogue", str(catalogue), "--host", host, "--results", str(results)]
    # Sets that the host satisfies, and one that shadows what the host's own distributions ask for.
    some = ["--only", "gemma-4", "--only", "Qwen3-VL-Embedding-8B", "--sample", "4", "--seed", "1"]
    assert main([*same, *some]) == 0
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 4
    assert [record for record in records if record["outcome"] == "crash"] == []
    planned = [record for record in records if record["outcome"] == "planned"]
    assert planned
    for record in planned:
        assert record["disagree"] == record["model_broken"] == record["no_reason"] == [], record["model"]
    capsys.readouterr()
    with results.open("a", encoding="utf-8") as out:
        out.write('{"run": "half a li')
    assert main([*same, *some]) == 0
    table, progress = capsys.readouterr()
    assert "4 of 4" in table
    assert "[1/" not in progress
