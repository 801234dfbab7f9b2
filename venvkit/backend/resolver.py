"""The resolver of the planner, by uv: a dry run in the host's mirror, then a lock of what it chose."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from venvkit.backend.metadata import MetadataReader
from venvkit.backend.mirror import Mirrors
from venvkit.backend.pylock import LockedFile, read_pylock
from venvkit.backend.uv import Uv, failure
from venvkit.errors import SpecError, VenvkitError
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.requires import parse_requires
from venvkit.plan.values import Description, Pin, Question
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources

_DIRECT = re.compile(r" \+ (?P<name>\S+) @ (?P<url>\S+)")


@dataclass(slots=True)
class UvResolver:
    """Answers the planner's questions with uv.

    Args:
        uv: The tool.
        mirrors: Where the host's mirror comes from.
        snapshot: The host whose distributions are candidates.
        sources: Indexes, find-links and their options, the same that the install will use.
        levers: What bends the choice of files (only_binary, exclude_newer, torch_backend).
        metadata: Reads what chosen files require.
    """

    uv: Uv
    mirrors: Mirrors
    snapshot: HostSnapshot
    sources: Sources
    levers: Levers
    metadata: MetadataReader
    _urls: dict[NormalizedName, str] = field(default_factory=dict)
    _known: dict[Pin, Description] = field(default_factory=dict)
    locked: dict[Pin, LockedFile] = field(default_factory=dict)

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        """See `Resolver.resolve`: one uv process."""
        if not question.requirements:
            return ()
        python = self.mirrors.python(self.snapshot, question.hidden)
        self._remember_urls(question.requirements)
        with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
            args = ["pip", "install", "--dry-run", "--output-format", "json", "--python", python]
            args += self._files(Path(folder), question)
            args += source_flags(self.sources, self.levers)
            args += ["--upgrade"] if question.upgrade else []
            done = self.uv.run(args, self.sources)
        if done.status != 0:
            raise failure(done)
        # Direct references are missing from the JSON; the text on standard error has them, also those that only a
        # requirement of a requirement names.
        urls = {**self._urls, **_direct_references(done.stderr)}
        return tuple(
            Pin(
                canonicalize_name(change["name"]),
                change["version"],
                urls.get(canonicalize_name(change["name"])),
            )
            for change in _changes(done.stdout)
            if change["action"] == "installed"
        )

    def describe(self, pins: Iterable[Pin]) -> Mapping[NormalizedName, Description]:
        """See `Resolver.describe`: one uv process for the pins not yet described, then their metadata."""
        wanted = tuple(pins)
        missing = tuple(pin for pin in wanted if pin not in self._known)
        if missing:
            self._describe(missing)
        return {pin.name: self._known[pin] for pin in wanted}

    def _describe(self, pins: Sequence[Pin]) -> None:
        python = self.mirrors.python(self.snapshot)
        with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
            pinned = Path(folder, "pins.txt")
            requirements_file(pinned, map(str, pins), self.sources)
            args = [
                "pip",
                "compile",
                "--quiet",
                "--no-deps",
                "--no-header",
                "--format",
                "pylock.toml",
                "--python",
                python,
            ]
            done = self.uv.run([*args, str(pinned), *source_flags(self.sources, self.levers)], self.sources)
        if done.status != 0:
            raise failure(done)
        files = {file.name: file for file in read_pylock(done.stdout)}
        contents = self.metadata.read(files.values())
        for pin in pins:
            file = files[pin.name]
            requires = contents[file]
            self.locked[pin] = file
            self._known[pin] = Description(
                requires=requires[0] if requires else None,
                extras=requires[1] if requires else (),
                url=file.url,
                size=file.size,
                sha256=file.sha256,
                builds=file.kind != "wheel",
            )

    def _remember_urls(self, lines: Iterable[str]) -> None:
        for line in lines:
            parsed = parse_requires(line)
            if parsed is not None and parsed.url:
                self._urls[canonicalize_name(parsed.name)] = parsed.url

    def _files(self, folder: Path, question: Question) -> list[str]:
        """Write the question as requirement files and return the flags that name them."""
        flags: list[str] = []
        tables = {
            "--requirements": question.requirements,
            "--constraints": question.constraints,
            "--overrides": question.overrides,
            "--excludes": question.excludes,
        }
        for flag, lines in tables.items():
            if lines:
                path = folder / f"{flag.strip('-')}.txt"
                requirements_file(path, lines, self.sources if flag == "--requirements" else None)
                flags += [flag, str(path)]
        return flags


def requirements_file(path: Path, lines: Iterable[str], sources: Sources | None = None) -> None:
    """Write a requirements file for uv, headed by the find-links of `sources`.

    Find-links stand here because, like indexes, they may carry credentials: an argument list is public.

    Raises:
        SpecError: A line holds `${NAME}`, which uv would replace by a variable of our environment
            (`requirement-variable`): a stranger's address could carry a secret away.
    """
    links = sources.find_links if sources else ()
    heads = (f"--find-links {link if '://' in link else Path(link).absolute().as_uri()}" for link in links)
    text = "".join(f"{line}\n" for line in (*heads, *lines))
    if "${" in text:
        raise SpecError(
            "a requirement or find-links address holds `${`",
            code="requirement-variable",
            where=next(line for line in text.splitlines() if "${" in line),
            remedy="write the address in full",
        )
    path.write_text(text, encoding="utf-8")


def source_flags(sources: Sources, levers: Levers) -> list[str]:
    """Return uv's flags for build isolation and the levers on the choice of files."""
    flags = ["--no-build-isolation"] if sources.no_build_isolation else []
    flags += ["--exclude-newer", levers.exclude_newer] if levers.exclude_newer else []
    flags += ["--torch-backend", levers.torch_backend] if levers.torch_backend else []
    flags += [part for name in levers.only_binary for part in ("--only-binary", name)]
    for name in levers.no_build:
        flags += ["--no-build"] if name == ":all:" else ["--no-build-package", name]
    return flags


def _direct_references(stderr: str) -> dict[NormalizedName, str]:
    found = (_DIRECT.fullmatch(line) for line in stderr.splitlines())
    return {canonicalize_name(match["name"]): match["url"] for match in found if match}


def _changes(stdout: str) -> list[dict[str, str]]:
    """Read uv's preview JSON, strictly enough to notice when it changes."""
    try:
        changes = json.loads(stdout)["changes"]
        return [{key: str(change[key]) for key in ("name", "version", "action")} for change in changes]
    except (ValueError, KeyError, TypeError) as error:
        raise VenvkitError("uv's answer could not be read", code="uv-answer", details=(stdout[:200],)) from error
