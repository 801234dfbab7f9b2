"""`ensure_env_async` in a FastAPI app: 32 launches at once, whose loop and default pool stay free."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import UV
from tests.integrations.beside import ROOT, clean_environ
from tests.wheelhouse import HttpIndex, Wheelhouse
from venvkit.base.reading import parse_toml

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("async_app.py")
REQUESTS = 32
_MOST_MS = 50.0
_TRIES = 4
# How long a program that does nothing waits for a processor: above it, the machine is at other work.
_NOISE_MS = 20.0
_IDLE = """
import sys, threading, time
worst, go = 0.0, threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), go.set()), daemon=True).start()
while not go.is_set():
    began = time.monotonic(); time.sleep(0.002); worst = max(worst, time.monotonic() - began - 0.002)
print(worst * 1000)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with a released FastAPI and this venvkit, from the index that this machine is configured for."""
    folder = tmp_path_factory.mktemp("app") / "venv"
    lines = parse_toml((ROOT / "pyproject.toml").read_bytes())["project"]["dependencies"]
    try:
        subprocess.run([UV, "venv", "-q", str(folder), "--python", sys.executable], check=True, timeout=120)
        argv = [UV, "pip", "install", "-q", "--python", str(folder), "fastapi", "uvicorn", *lines]
        subprocess.run(argv, check=True, timeout=600)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"skipped because no environment with FastAPI can be installed here: {error}")
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "venvkit.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    return str(folder / "bin" / "python")


@contextmanager
def serving(python: str, folder: Path) -> Iterator[str]:
    """Serve the app; yields its URL."""
    argv = [python, str(SCRIPT), str(folder)]
    with subprocess.Popen(argv, env=clean_environ(folder), cwd=folder, stdout=-1, text=True) as app:
        try:
            assert app.stdout is not None
            yield f"http://127.0.0.1:{int(app.stdout.readline())}"
        finally:
            app.terminate()


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=300) as answer:
        return json.loads(answer.read())


def launched(url: str, models: list[str]) -> dict[str, Any]:
    """Launch the models, all at once, and return what the app felt."""
    with (
        ThreadPoolExecutor(len(models)) as pool,
        subprocess.Popen([sys.executable, "-c", _IDLE], stdin=-1, stdout=-1, text=True) as idle,
    ):
        get(f"{url}/worst")
        began = time.monotonic()
        answers = list(pool.map(lambda model: get(f"{url}/launch/{model}"), models))
        took = time.monotonic() - began
        worst = {name: round(value, 1) for name, value in get(f"{url}/worst").items()}
        noise = float(idle.communicate()[0])
    assert [answer["error"] for answer in answers if "error" in answer] == []
    return {
        **worst,
        "noise_ms": round(noise, 1),
        "seconds": round(took, 2),
        "pythons": len({answer["python"] for answer in answers}),
        "built": sum(answer["built"] for answer in answers),
    }


@pytest.mark.parametrize("count", [1, 32])
def test_the_loop_and_its_pool_stay_free(
    python: str, tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests for one model, and for one model each: first ones that build, then ones that are answered at once."""
    wheels = Wheelhouse(tmp_path / "wheels")
    wheels.add("base", "1.0")
    told = []
    index = HttpIndex(wheels).start()
    try:
        for attempt in range(_TRIES):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            models = [f"m{number % count}" for number in range(REQUESTS)]
            for number, model in enumerate(models[:count]):
                wheels.add(f"tool{number}", "1.0", requires=["base"])
                block = {"packages": [f"tool{number}"], "index_url": index.url}
                (folder / f"{model}.json").write_text(json.dumps({"model_name": model, "virtualenv": block}))
            with serving(python, folder) as url:
                cold, warm = launched(url, models), launched(url, models)
            with capsys.disabled():
                print(f"\n{REQUESTS} requests, {count} models:\n  first  {cold}\n  again  {warm}")
            assert (cold["pythons"], cold["built"], warm["pythons"], warm["built"]) == (count, count, count, 0)
            told += [cold, warm]
            if max(cold["stall_ms"], warm["stall_ms"]) <= _MOST_MS:
                assert max(cold["to_thread_ms"], warm["to_thread_ms"]) < 1000.0
                return
    finally:
        index.stop()
    if min(max(run["noise_ms"] for run in pair) for pair in zip(told[::2], told[1::2], strict=True)) > _NOISE_MS:
        pytest.skip(f"skipped because other work took this machine's processors: {told}")
    pytest.fail(f"the loop stalled for more than {_MOST_MS} ms in each of {_TRIES} runs: {told}")
