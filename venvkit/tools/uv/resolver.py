"""The resolver of the planner, by uv: a dry run in the host's mirror, then a lock of what it chose."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.mask import mask, without_users
from venvkit.base.process import Completed
from venvkit.errors import SourceError, VenvkitError
from venvkit.events import Observer, Warned, ignore
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.values import Description, Pin, Question
from venvkit.spec.language.requires import parse_requires
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources
from venvkit.tools.descriptions import Descriptions
from venvkit.tools.failure import warnings
from venvkit.tools.gitusers import git_users, with_git_user
from venvkit.tools.requestfiles import RequestFiles
from venvkit.tools.uv.client import Uv
from venvkit.tools.uv.mirror import Mirrors
from venvkit.tools.uv.variants import LOG, lock_refuses, variant_files, wheel_label

if TYPE_CHECKING:
    from venvkit.tools.metadata import MetadataReader
    from venvkit.tools.pylock import LockedFile

_DRY_RUN = ("pip", "install", "--dry-run")
_DIRECT = re.compile(r" \+ (?P<name>\S+) @ (?P<url>\S+)")


class UvResolver(Struct):
    """Answers the planner's questions with uv.

    Args:
        mirrors: Where the host's mirror comes from.
        snapshot: The host whose distributions are candidates.
        sources: Indexes, find-links and their options; an optional index that cannot be reached is dropped from it.
        levers: What bends the choice of files (only_binary, exclude_newer, sources by name, torch_backend).
        reader: Returns what reads the requirements of chosen files; asked when nothing is known of one.
        meanwhile: Called once, when the first question is being answered: what else there is to do.
        lost: The failure of the last optional index that was dropped.
        notices: Warnings of uv, each with the pin (`name==version`) it is about.
    """

    uv: Uv
    mirrors: Mirrors
    snapshot: HostSnapshot
    sources: Sources
    levers: Levers
    reader: Callable[[], MetadataReader]
    descriptions: Descriptions
    observer: Observer = ignore
    meanwhile: Callable[[], None] | None = None
    lost: SourceError | None = None
    notices: list[tuple[str, Warned]] = field(default_factory=list)
    _mirror: str = ""
    _question: Question = Question(())
    _urls: dict[NormalizedName, str] = field(default_factory=dict)
    _users: dict[str, str] = field(default_factory=dict)
    _known: dict[Pin, Description] = field(default_factory=dict)

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        """See `Resolver.resolve`: one uv process."""
        if not question.requirements:
            return ()
        python = self._mirror = self.mirrors.python(self.snapshot, question.barred)
        self._remember_urls(question.requirements)
        self._users |= git_users(question.requirements)
        command = [*_DRY_RUN, "--output-format", "json", "--python", python]
        meanwhile, self.meanwhile = self.meanwhile, None
        done = self._run(lambda files: [*command, *files.question(question)], meanwhile)
        self._question = question
        # Direct references are missing from the JSON; the text on standard error has them, also those that only a
        # requirement of a requirement names.
        found = _direct_references(done.stderr).items()
        urls = {**self._urls, **{name: with_git_user(url, self._users) for name, url in found}}
        return tuple(
            Pin(canonicalize_name(change["name"]), change["version"], urls.get(canonicalize_name(change["name"])))
            for change in _changes(done.stdout)
            if change["action"] == "installed"
        )

    def describe(self, pins: Iterable[Pin]) -> Mapping[NormalizedName, Description]:
        """See `Resolver.describe`: one uv process for the pins that nothing is known of, then their metadata."""
        wanted = tuple(pins)
        for pin in wanted:
            if pin not in self._known and (known := self.descriptions.get(pin, self.sources)) is not None:
                self._known[pin] = known
        missing = [pin for pin in wanted if pin not in self._known]
        if missing:
            self._describe(missing)
        return {pin.name: self._known[pin] for pin in wanted}

    def _describe(self, pins: Sequence[Pin]) -> None:
        files = self._files(pins)
        contents = self.reader().read(files.values())
        # A wheel always says what it requires.
        blank = {name for name, file in files.items() if file.kind == "wheel" and contents[file] is None}
        if unread := ", ".join(sorted(str(pin) for pin in pins if pin.name in blank)):
            what = f"the metadata of {unread} cannot be read from its source"
            more = "what it requires of the host is proved only after the install"
            self.observer(Warned("metadata-unread", f"{what}: {more}"))
        missing = [str(pin) for pin in pins if pin.name not in files]
        if missing:
            raise VenvkitError("uv's lock lacks what it was asked for", code="uv-answer", details=tuple(missing))
        for pin in pins:
            file = files[pin.name]
            requires = contents[file]
            self._known[pin] = Description(
                requires=requires[0] if requires else None,
                extras=requires[1] if requires else (),
                url=with_git_user(file.url, self._users),
                size=file.size,
                sha256=file.sha256,
                builds=file.kind != "wheel",
                variant=wheel_label(file.url) if file.kind == "wheel" else "",
            )
            self.descriptions.put(pin, self.sources, self._known[pin])

    def _files(self, pins: Sequence[Pin]) -> dict[NormalizedName, LockedFile]:
        """Return the file of each pin: by uv's lock; of wheel variants, which it refuses, by the last answer's log."""
        try:
            return self._locked(pins)
        except VenvkitError as error:
            if not lock_refuses(error.details):
                raise
            uv = replace(self.uv, environ={**self.uv.environ, "RUST_LOG": LOG})
            with tempfile.TemporaryDirectory(prefix="venvkit-", ignore_cleanup_errors=True) as folder:
                files = RequestFiles(Path(folder), self.sources, self.levers)
                done = uv.run([*_DRY_RUN, "--python", self._python, *files.question(self._question)], self.sources)
            found = {file.name: file for file in variant_files(pins, done.stderr, self.sources)}
            if not found:
                raise
        rest = [pin for pin in pins if pin.name not in found]
        return {**found, **(self._locked(rest) if rest else {})}

    def _locked(self, pins: Sequence[Pin]) -> dict[NormalizedName, LockedFile]:
        # For one pin each it makes no difference what else is there.
        command = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml"]
        command += ["--python", self._python]
        lines = tuple(map(str, pins))
        done = self._run(
            lambda files: [*command, *map(str, files.tying(self._question.tied).requirements(lines)), *files.choices()]
        )
        from venvkit.tools.pylock import read_pylock

        return {file.name: file for file in read_pylock(done.stdout)}

    @property
    def _python(self) -> str:
        return self._mirror or self.mirrors.python(self.snapshot)

    def _run(
        self, arguments: Callable[[RequestFiles], list[str]], meanwhile: Callable[[], None] | None = None
    ) -> Completed:
        """Run uv; an optional index that cannot be reached is dropped, since uv takes any for fatal."""
        uv = replace(self.uv, runner=replace(self.uv.runner, on_start=meanwhile)) if meanwhile else self.uv
        while True:
            with tempfile.TemporaryDirectory(prefix="venvkit-", ignore_cleanup_errors=True) as folder:
                files = RequestFiles(Path(folder), self.sources, self.levers)
                done, refused = uv.ask(arguments(files), self.sources)
            if refused is not None:
                raise refused
            if done.status == 0:
                self.notices += warnings("uv", done.stderr)
                return done
            error = uv.failure(done, self.snapshot, self.sources)
            lost = self._lost_index(error, done.stderr)
            if lost is None or not isinstance(error, SourceError):
                raise error
            self.lost = error
            self.observer(
                Warned("index-unreachable", f"{mask(lost)} cannot be reached and is optional: planned without it")
            )
            self.sources = self.sources.without_indexes([lost])

    def _lost_index(self, error: VenvkitError, stderr: str) -> str | None:
        if not isinstance(error, SourceError) or error.code != "source-unreachable":
            return None
        # uv masks credentials in its own way; one address may be the beginning of another (`cu13`, `cu130`).
        places = {url: f"{without_users(url).rstrip('/')}/" for url in self.sources.optional_index_urls}
        return next((url for url, place in places.items() if place in without_users(stderr)), None)

    def _remember_urls(self, lines: Iterable[str]) -> None:
        for line in lines:
            parsed = parse_requires(line)
            if parsed is not None and parsed.url:
                self._urls[canonicalize_name(parsed.name)] = parsed.url


def _direct_references(stderr: str) -> dict[NormalizedName, str]:
    found = (_DIRECT.fullmatch(line) for line in stderr.splitlines())
    return {canonicalize_name(match["name"]): match["url"] for match in found if match}


def _changes(stdout: str) -> list[dict[str, str]]:
    """Read uv's preview JSON, strictly enough to notice when it changes."""
    try:
        changes = json.loads(stdout)["changes"]
        # A direct reference whose version only its build tells has none yet.
        return [
            {"name": str(change["name"]), "version": str(change.get("version", "")), "action": str(change["action"])}
            for change in changes
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise VenvkitError("uv's answer could not be read", code="uv-answer", details=(stdout[:200],)) from error
