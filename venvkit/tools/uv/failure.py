"""What a failure of uv means to who asked for it."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.mask import mask
from venvkit.base.process import Completed
from venvkit.errors import MachineError, SourceError, UsageError, VenvkitError
from venvkit.plan.resolver import Unsolvable
from venvkit.tools.refusals import refusal

_UNREACHABLE = re.compile(
    r"error sending request|dns error|connection refused|connect error|timed out|failed to fetch|could not connect"
    r"|distribution not found at|failed to download|git operation failed|network is unreachable|certificate",
    re.IGNORECASE,
)
_DISK = re.compile(r"No space left on device|Disk quota exceeded|os error (?:5|13|28|30|122)\b")
_REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden|Hash mismatch)", re.IGNORECASE)
_MALFORMED = re.compile(
    r"invalid value .* for '--|unsupported (?:archive|file) (?:type|extension)|supported file extension", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def failure(done: Completed, secrets: Sequence[str] = ()) -> VenvkitError:
    """Turn a failed uv run into the error that tells the user what it means, uv's own reason trimmed and masked."""
    reason = _reason(mask(done.stderr, secrets))
    text = "\n".join(reason)
    if done.status < 0:
        return _killed(-done.status, reason)
    # Before all else: what a full disk breaks is reported as a download that failed.
    if match := _DISK.search(text):
        return _disk_failure(match.group(0), reason)
    if match := _REFUSED.search(text):
        return refusal(match.group(1), reason)
    if "No solution found" in text and "network was disabled" not in text:
        return Unsolvable(
            "no set of distributions satisfies the request", mentions=_mentions(done.stderr), details=reason
        )
    if "network was disabled" in text or _UNREACHABLE.search(text):
        return _unreachable(text, reason)
    if _MALFORMED.search(text):
        return UsageError(
            "uv does not understand what it was given",
            code="requirement-invalid",
            details=reason,
            remedy="correct the value that is named",
        )
    if re.search(r"Failed to build|build backend|metadata-generation", text, re.IGNORECASE):
        return MachineError(
            "a source distribution could not be built", code="build-failed", details=reason,
            remedy="install the compiler or headers it asks for, or pin a version that has a wheel",
        )  # fmt: skip
    return VenvkitError("uv failed", code="uv-failed", details=reason)


def _killed(number: int, reason: tuple[str, ...]) -> MachineError:
    remedy = "look who ended it, and try again"
    if number == signal.SIGKILL:
        remedy = "look whether the machine or its container ran out of memory, and try again"
    told = reason if "".join(reason[:1]).startswith("error") else ()
    return MachineError(f"uv was ended by signal {number}", code="uv-killed", details=told, remedy=remedy)


def _unreachable(text: str, reason: tuple[str, ...]) -> SourceError:
    remedy = "check the index address and the network, or name another source with --index-url or --find-links"
    if "invalid peer certificate" in text:
        remedy = (
            "name the authority that signed it with SSL_CERT_FILE or `cert` of pip's configuration, or trust the host"
        )
    return SourceError("a package source cannot be reached", details=reason, remedy=remedy)


def _disk_failure(found: str, reason: tuple[str, ...]) -> MachineError:
    full = any(word in found for word in ("No space", "quota", "28", "122"))
    return MachineError(
        "there is no space left for the build" if full else "the disk refused the build",
        code="disk-space" if full else "disk",
        details=reason,
        remedy="free space, for instance with `venvkit gc --cache`" if full else "look at the rights and the device",
    )


def _reason(stderr: str, most: int = 14) -> tuple[str, ...]:
    """uv's reasoning without its progress lines, trimmed to what fits a screen."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
    kept = [line if len(line) <= 600 else line[:600] + " ..." for line in lines[start:]]
    return tuple(kept[:most]) + ((f"... {len(kept) - most} more lines",) if len(kept) > most else ())


def _mentions(text: str) -> frozenset[NormalizedName]:
    return frozenset(canonicalize_name(word) for word in _NAME.findall(text))
