"""The resolver of the planner, by pip: a dry run in the host's mirror, whose report describes what it chose."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.local import local_size
from venvkit.errors import SourceError
from venvkit.events import Observer, Warned, ignore
from venvkit.host.snapshot import HostSnapshot
from venvkit.plan.values import Description, Pin, Question
from venvkit.spec.language.requires import parse_requires
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources
from venvkit.tools.failure import warnings
from venvkit.tools.gitusers import git_users, with_git_user
from venvkit.tools.pip.client import Pip
from venvkit.tools.requestfiles import RequestFiles
from venvkit.tools.uv.mirror import Mirrors


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}


class _Checkout(msgspec.Struct):
    vcs: str
    commit_id: str


class _Download(msgspec.Struct):
    url: str
    archive_info: _Archive | None = None
    vcs_info: _Checkout | None = None
    subdirectory: str | None = None


class _Metadata(msgspec.Struct):
    name: str
    version: str
    requires_dist: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()


class _Item(msgspec.Struct):
    download_info: _Download
    is_direct: bool
    metadata: _Metadata


class _Report(msgspec.Struct):
    install: tuple[_Item, ...]


class PipResolver(Struct):
    """Answers the planner's questions with pip.

    Args:
        mirrors: Where the host's mirror comes from; it may not show the host itself, which pip would look into.
        snapshot: The host whose distributions are candidates.
        sources: Indexes, find-links and their options.
        levers: Which distributions may not be built.
        lost: The failure of the last optional index that could not be reached.
        notices: Warnings of pip, each with the pin (`name==version`) it is about.
    """

    pip: Pip
    mirrors: Mirrors
    snapshot: HostSnapshot
    sources: Sources
    levers: Levers
    observer: Observer = ignore
    lost: SourceError | None = None
    notices: list[tuple[str, Warned]] = field(default_factory=list)
    _known: dict[Pin, Description] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def resolve(self, question: Question) -> tuple[Pin, ...]:
        """See `Resolver.resolve`: one pip process."""
        if not question.requirements:
            return ()
        python = self.mirrors.python(self.snapshot, question.barred)
        with tempfile.TemporaryDirectory(prefix="venvkit-") as folder:
            report = Path(folder, "report.json")
            files = PipFiles(Path(folder), self.sources, self.levers, self.pip.offline)
            args = ["--dry-run", "--report", str(report), *files.question(question)]
            done, lost = self.pip.install(python, args, self.sources, minor=self.snapshot.interpreter.minor)
            for url, error in lost.items():
                self.lost = error
                self._warn(url)
            if done.status != 0:
                raise self.pip.failure(done, {str(item.name) for item in self.snapshot.distributions})
            self.notices += warnings("pip", done.stderr)
            found = msgspec.json.decode(report.read_bytes(), type=_Report)
        asked = {parsed.name: parsed.url for line in question.requirements if (parsed := parse_requires(line))}
        urls = {canonicalize_name(name): url for name, url in asked.items()}
        users = git_users(question.requirements)
        return tuple(self._pin(item, urls, users) for item in found.install)

    def describe(self, pins: Iterable[Pin]) -> Mapping[NormalizedName, Description]:
        """See `Resolver.describe`: the report of the question has said it all."""
        return {pin.name: self._known[pin] for pin in pins}

    def _pin(self, item: _Item, asked: Mapping[NormalizedName, str | None], users: Mapping[str, str]) -> Pin:
        name = canonicalize_name(item.metadata.name)
        url = with_git_user(_address(item.download_info), users)
        pin = Pin(name, item.metadata.version, (asked.get(name) or url) if item.is_direct else None)
        archive = item.download_info.archive_info
        self._known[pin] = Description(
            requires=item.metadata.requires_dist,
            extras=item.metadata.provides_extra,
            url=url,
            size=local_size(url),
            sha256=archive.hashes.get("sha256") if archive else None,
            builds=not urlsplit(url).path.endswith(".whl"),
        )
        return pin

    def _warn(self, url: str) -> None:
        if url not in self._warned:
            self._warned.add(url)
            self.observer(Warned("index-unreachable", f"{url} cannot be reached and is optional: planned without it"))


class PipFiles(Struct, frozen=True):
    """Writes requests for pip into a private `folder`: requirements, bounds, and the addresses of the sources."""

    folder: Path
    sources: Sources
    levers: Levers
    offline: bool

    def question(self, question: Question) -> list[str]:
        """Write a planner's question; return pip's arguments for it."""
        args = self.pins(question.requirements)
        if question.constraints:
            args += ["--constraint", str(self._files().write("constraints.txt", question.constraints))]
        # Without `eager` only what is asked for by name would be upgraded.
        args += ["--only-binary", ",".join(question.wheels)] if question.wheels else []
        return args + (["--upgrade", "--upgrade-strategy", "eager"] if question.upgrade else [])

    def pins(self, lines: Iterable[str]) -> list[str]:
        """Write requirement lines; return pip's arguments for them."""
        requirements = self._files().write("requirements.txt", [*self._heads(), *lines])
        args = ["--requirement", str(requirements), "--prefer-binary", *(["--no-index"] if self.offline else [])]
        args += ["--pre"] if self.sources.values("prerelease") else []
        args += [part for name in self.sources.values("no-binary") for part in ("--no-binary", name)]
        for name in dict.fromkeys((*self.levers.only_binary, *self.levers.no_build)):
            args += ["--only-binary", name]
        return args

    def _heads(self) -> list[str]:
        """Address lines: an index here replaces all that pip's configuration names."""
        sources = self.sources
        heads = [f"--trusted-host {host}" for host in sources.trusted_hosts]
        heads += ["--no-index"] if sources.no_index and not self.offline else []
        if not self.offline:
            heads += [f"--index-url {sources.index_url}"] if sources.index_url else []
            heads += [f"--extra-index-url {url}" for url in sources.extra_index_urls]
        for link in sources.find_links:
            local = "://" not in link
            if local or not self.offline or link.startswith("file:"):
                heads.append(f"--find-links {Path(link).absolute().as_uri() if local else link}")
        return heads

    def _files(self) -> RequestFiles:
        return RequestFiles(self.folder, self.sources, self.levers)


def _address(download: _Download) -> str:
    checkout = download.vcs_info
    url = f"{checkout.vcs}+{download.url}@{checkout.commit_id}" if checkout else download.url
    return f"{url}#subdirectory={download.subdirectory}" if download.subdirectory else url
