"""A FastAPI app that launches models, and tells what its event loop and its pools feel meanwhile.

    python async_app.py FOLDER

serves on loopback and prints its port; FOLDER has one spec for each model, `MODEL.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from venvkit import ensure_env_async
from venvkit.errors import VenvkitError

_TICK_S = 0.002
_FOLDER = Path(sys.argv[1])
_worst: dict[str, float] = {}


async def _watch_loop() -> None:
    """Note the longest time for which the loop did not run."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(_TICK_S)
        _note("stall_ms", began + _TICK_S)


async def _watch_pool() -> None:
    """Note the longest time for which the loop's default pool did not answer."""
    while True:
        began = time.monotonic()
        await asyncio.to_thread(lambda: None)
        _note("to_thread_ms", began)
        await asyncio.sleep(0.02)


def _note(name: str, began: float) -> None:
    _worst[name] = max(_worst.get(name, 0.0), (time.monotonic() - began) * 1000)


@contextlib.asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    watching = [asyncio.create_task(watch()) for watch in (_watch_loop, _watch_pool)]
    yield
    for task in watching:
        task.cancel()


app = FastAPI(lifespan=_lifespan)


@app.get("/launch/{model}")
async def launch(model: str) -> dict[str, Any]:
    """Return the interpreter of a model."""
    try:
        with await ensure_env_async(_FOLDER / f"{model}.json") as env:
            return {"python": str(env.python), "built": env.built}
    except VenvkitError as error:
        return {"error": str(error)}


@app.get("/worst")
async def worst() -> dict[str, float]:
    """Return the longest times since this was asked last, in milliseconds."""
    told = dict(_worst)
    _worst.clear()
    return told


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(server.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[server])
