"""What happens during an installation, for the server: its log, and the arrival of distributions at the place."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from venvkit.events import Event, InstallProgress, PhaseStarted, Waiting, Warned
from venvkit.integrations.xoscar.furnish import announce

logger = logging.getLogger("xinference.venvkit")


class Reporter:
    """An observer that writes to the log `xinference.venvkit`: a server shows only logs below `xinference`.

    Args:
        site: The site-packages in which arrivals are shown; None shows none.
        planned: Version by normalized name of what is expected.
        log: Whether each arrival is logged too.
    """

    def __init__(
        self, site: Path | None = None, planned: Mapping[str, str] | None = None, *, log: bool = False
    ) -> None:
        self._site = site
        self._planned = planned or {}
        self._log = log
        self._waited_for = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            logger.warning("%s", event.message)
        elif isinstance(event, PhaseStarted):
            logger.info("%s %s", event.phase, event.detail)
        elif isinstance(event, InstallProgress):
            self._arrived(event)
        elif isinstance(event, Waiting) and event.what != self._waited_for:
            self._waited_for = event.what
            logger.info("waiting for %s", event.what)

    def _arrived(self, event: InstallProgress) -> None:
        logger.log(
            logging.INFO if self._log else logging.DEBUG,
            "%d of %d distributions, %.1f of %.1f MB %s",
            event.done,
            event.total,
            event.bytes_done / 1e6,
            event.bytes_total / 1e6,
            event.name,
        )
        name = canonicalize_name(event.name)
        if self._site is not None and name in self._planned:
            announce(self._site, name, self._planned[name])
