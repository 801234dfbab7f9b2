"""Asking uv for releases: one question for many requirements, and single ones where it fails.

uv resolves without dependencies and for all platforms at once, so nothing is downloaded but the indexes' pages, and a
wheel for another platform than this one counts. Different requirements of one name stand in one question under
conditions that exclude one another.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from venvkit.base.mask import mask, without_users
from venvkit.errors import CancelledError, VenvkitError
from venvkit.plan.resolver import Unsolvable
from venvkit.spec.configuration.sources import Sources
from venvkit.spec.language.requires import required_name
from venvkit.spec.levers import Levers
from venvkit.tools.requestfiles import RequestFiles
from venvkit.tools.uv.client import Uv

# Wheels for one version of Python alone are found under that one. The first has the most of them.
_PYTHONS = ("3.12", "3.14", "3.13", "3.11", "3.10", "3.9", "3.8")
# So many are asked for in well under a second; a question that fails is asked again in parts.
_BATCH = 80
_COMMAND = (
    "pip", "compile", "--quiet", "--no-deps", "--universal", "--no-header", "--no-annotate", "--no-python-downloads",
    "--python", sys.executable,
)  # fmt: skip
_REASON = re.compile(r"Because (?P<reason>.+?) and you require ")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of")
# What no other version of Python would change.
_NOWHERE = re.compile(rf"{_NO_VERSION.pattern}|was not found in the package registry|only \S+ is available")


class Answer(Struct, frozen=True):
    """The requirements that the sources have no release for.

    Args:
        missing: The requirements without a release, and uv's reason where it has more to say than that.
        lost: What could not be asked and why, masked; empty where all sources answered.
        failed: Nothing could be asked.
    """

    missing: Mapping[str, str]
    lost: str = ""
    failed: bool = False


class Registry(Struct, frozen=True):
    """Asks sources by uv, and never twice one that did not answer."""

    uv: Uv
    _lost: dict[str, str] = field(default_factory=dict)

    def missing(self, texts: Iterable[str], sources: Sources, levers: Levers) -> Answer:
        """Return which of the requirements have no release.

        Args:
            texts: Names with versions, without conditions.
            sources: Where to look.
            levers: What bends the choice of files.

        Raises:
            CancelledError: The caller wants to stop.
        """
        asked = list(dict.fromkeys(texts))
        found: dict[str, str] = {}
        try:
            for batch in _batches(asked, {name for name, _ in levers.sources}):
                found |= self._of_any_python(batch, sources, levers)
        except CancelledError:
            raise
        except VenvkitError as error:
            return Answer(dict.fromkeys(asked, ""), _why(error), failed=True)
        lost = [f"{mask(url)}: {self._lost[url]}" for url in sources.extra_index_urls if url in self._lost]
        return Answer(found, "; ".join(lost))

    def _of_any_python(self, texts: list[str], sources: Sources, levers: Levers) -> dict[str, str]:
        found: dict[str, str] = {}
        rest = texts
        for python in _PYTHONS:
            failed = self._failed(rest, python, sources, levers)
            rest = [text for text, error in failed.items() if not _is_nowhere(error)]
            found |= {text: _reason(error) for text, error in failed.items() if text not in rest}
            if not rest:
                return found
        return found | {text: _reason(failed[text]) for text in rest}

    def _failed(self, texts: list[str], python: str, sources: Sources, levers: Levers) -> dict[str, Unsolvable]:
        """Return the requirements that fail alone, each with its failure."""
        error = self._ask(texts, python, sources, levers) if texts else None
        if error is None:
            return {}
        if len(texts) == 1:
            return {texts[0]: error}
        part = [text for text in texts if required_name(text) in error.mentions]
        if not 0 < len(part) < len(texts):
            part = texts[: len(texts) // 2]
        rest = [text for text in texts if text not in part]
        return self._failed(part, python, sources, levers) | self._failed(rest, python, sources, levers)

    def _ask(self, texts: Sequence[str], python: str, sources: Sources, levers: Levers) -> Unsolvable | None:
        """Ask for all at once, without further indexes that do not answer.

        Raises:
            VenvkitError: The sources cannot be asked.
        """
        while True:
            reachable = replace(sources.without_indexes(self._lost), optional_index_urls=())
            with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
                files = RequestFiles(Path(folder), reachable, levers)
                lines = files.requirements(_apart(texts))
                args = [*_COMMAND, "--python-version", python, *map(str, lines), *files.choices()]
                done, refusal = self.uv.ask(args, reachable)
            if done.status == 0:
                return None
            error = refusal or self.uv.failure(done)
            if isinstance(error, Unsolvable):
                return error
            told = without_users("\n".join((error.message, *error.details)))
            lost = [url for url in reachable.extra_index_urls if f"{without_users(url).rstrip('/')}/" in told]
            if not lost:
                raise error
            # One address may be the beginning of another: the longest is the one that was asked.
            self._lost[max(lost, key=len)] = error.message


def _batches(texts: Sequence[str], tied: Collection[str]) -> list[list[str]]:
    """Return the requirements in questions of bearable size, in which what is tied to an index stands but once."""
    rounds: list[list[str]] = []
    seen: Counter[str] = Counter()
    for text in texts:
        name = str(required_name(text))
        number = seen[name] if name in tied else 0
        seen[name] += 1
        rounds += [[] for _ in range(number + 1 - len(rounds))]
        rounds[number].append(text)
    return [one[start : start + _BATCH] for one in rounds for start in range(0, len(one), _BATCH)]


def _apart(texts: Sequence[str]) -> list[str]:
    """Return requirement lines of which those of one name never apply together."""
    names = [required_name(text) for text in texts]
    several = {name for name, count in Counter(names).items() if count > 1}
    return [
        f'{text} ; platform_version == "{number}"' if name in several else text
        for number, (text, name) in enumerate(zip(texts, names, strict=True))
    ]


def _is_nowhere(error: Unsolvable) -> bool:
    reason = " ".join(error.details).partition("hint: ")[0]
    return "Python" not in reason and _NOWHERE.search(reason) is not None


def _reason(error: Unsolvable) -> str:
    found = _REASON.search(" ".join(line.strip() for line in error.details))
    return found["reason"] if found and not _NO_VERSION.search(found["reason"]) else ""


def _why(error: VenvkitError) -> str:
    """Return a failure in one line: uv's own line that names an address says the most."""
    told = next((line.partition(": ")[2] for line in error.details if "://" in line), "")
    return mask(f"{error.message}: {told}" if told else error.message)
