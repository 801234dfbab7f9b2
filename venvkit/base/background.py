"""Work beside other work: begun ahead on a thread, its outcome fetched where it is needed.

What is begun so mostly waits for a process, so two cores are used where one would wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """One piece of work on a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised again where the outcome is fetched
            self._error = error

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def result(self) -> T:
        """Wait for the end and return the outcome, or raise what the work raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]
