"""An event loop that looks names up without keeping the process from ending."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """An event loop for one thread that may be left in the midst of its work.

    A usual loop looks names up in a pool of threads that the interpreter joins at its end: a name server that does not
    answer would hold a cancelled process for half a minute.
    """

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: what is left in its midst is torn down, and whoever asked has an error of ours."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        """Look a name up, with the arguments of `socket.getaddrinfo`, in a thread that nobody waits for."""
        found: Future[Any] = Future()
        # From here on giving up cannot reach it, so the thread may always deliver.
        found.set_running_or_notify_cancel()

        def look_up() -> None:
            try:
                found.set_result(socket.getaddrinfo(host, port, **hints))
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who asked
                found.set_exception(error)

        threading.Thread(target=look_up, name="venvkit-lookup", daemon=True).start()
        return await asyncio.wrap_future(found, loop=self)
