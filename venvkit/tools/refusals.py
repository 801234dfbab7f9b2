"""What uv passes over in silence: an index that refuses, where its strategy asks all of them.

With an `unsafe-*` strategy uv 0.13 takes 401 and 403 for "no such project", though what it was not allowed to see
could be what the others are a bad copy of. Its exit status does not tell, only its log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from venvkit.base.mask import mask
from venvkit.base.process import Completed
from venvkit.errors import SourceError
from venvkit.spec.configuration.sources import Sources, is_public

_LOG = "uv_client::cached_client=trace"
_LOGGED = re.compile(r"\s*(?:TRACE|DEBUG|INFO) ")
_ANSWER = re.compile(r"Received response for \w+ request with status (40[13])\b[^:]* for: (?P<url>\S+)")


def listening(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for uv in which it logs the answers that it gets."""
    env = {name: value for name, value in environ.items() if name != "UV_LOG_CONTEXT"}
    env["RUST_LOG"] = ",".join(filter(None, (env.get("RUST_LOG"), _LOG)))
    return env


def heard(done: Completed, sources: Sources) -> tuple[Completed, SourceError | None]:
    """Return a run of a listening uv without its log, and the refusal of an index that is in it.

    A public index that answers 403 lacks the project: that is how stores of plain files put it.
    """
    lines = done.stderr.splitlines(keepends=True)
    quiet = replace(done, stderr="".join(line for line in lines if not _LOGGED.match(line)))
    for line in lines:
        answer = _ANSWER.search(line)
        # A project's page ends with a slash, and a file, which uv may do without, does not.
        if answer is None or not urlsplit(answer["url"]).path.endswith("/"):
            continue
        if answer[1] == "403" and is_public(answer["url"], sources.public_indexes):
            continue
        return quiet, refusal(mask(f"{answer[1]} for {answer['url']}"))
    return quiet, None


def refusal(what: str, details: tuple[str, ...] = ()) -> SourceError:
    """Return the error for a source that refuses, whatever it is that was asked of it."""
    return SourceError(
        f"a source refused the request: {what}",
        code="source-refused",
        details=details,
        remedy="check the credentials and hashes of the index",
    )
