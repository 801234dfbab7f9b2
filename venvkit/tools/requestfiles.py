"""Requests for uv as files in a private folder, and the flags that go with them.

Files and not arguments: an argument list is public in /proc, and addresses may carry credentials.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.reading import parse_toml
from venvkit.errors import SpecError
from venvkit.plan.values import Question
from venvkit.spec.language.requires import required_name
from venvkit.spec.levers import Levers
from venvkit.spec.request import Sources

_PROJECT = "pyproject.toml"


class RequestFiles(Struct, frozen=True):
    """Writes requests for uv into `folder`, all with the same sources and levers."""

    folder: Path
    sources: Sources
    levers: Levers

    def question(self, question: Question) -> list[str]:
        """Write a planner's question; return uv's arguments for it."""
        files = self.tying(question.tied)
        arguments = files._flags("--requirements", files.requirements(question.requirements))
        arguments += self._list("--constraints", question.constraints)
        arguments += self._list("--overrides", question.overrides)
        arguments += self._list("--excludes", question.excludes)
        arguments += ["--upgrade"] if question.upgrade else []
        arguments += [part for name in question.wheels for part in ("--only-binary", name)]
        return arguments + self.choices() + _refreshed(question.requirements)

    def tying(self, tied: Iterable[tuple[NormalizedName, str]]) -> RequestFiles:
        """Return these files with further names tied to one index each; a lever on the same name wins."""
        return replace(self, levers=self.levers.tying(tied))

    def pins(self, lines: Iterable[str]) -> list[str]:
        """Write exact pins to install; return uv's arguments for them."""
        lines = tuple(lines)
        return self._flags("--requirements", self.requirements(lines)) + self.choices() + _refreshed(lines)

    def requirements(self, lines: Iterable[str]) -> list[Path]:
        """Write requirement lines, those of a package that is pinned to one index apart from the others."""
        indexes = dict(self.levers.sources)
        pinned = {line: indexes[name] for line in lines if (name := str(required_name(line))) in indexes}
        links = (link if "://" in link else Path(link).absolute().as_uri() for link in self.sources.find_links)
        heads = [*(["--no-index"] if self.sources.no_index else []), *(f"--find-links {link}" for link in links)]
        files = [self.write("requirements.txt", [*heads, *(line for line in lines if line not in pinned)])]
        return files + ([self._pinned(pinned)] if pinned else [])

    def choices(self) -> list[str]:
        """Return uv's flags for build isolation and for the levers on the choice of files."""
        flags = ["--no-build-isolation"] if self.sources.no_build_isolation else []
        flags += ["--exclude-newer", self.levers.exclude_newer] if self.levers.exclude_newer else []
        flags += ["--torch-backend", self.levers.torch_backend] if self.levers.torch_backend else []
        # "Never build it" and "take wheels of it only" are one flag of uv's.
        names = dict.fromkeys((*self.levers.only_binary, *self.levers.no_build))
        flags += [part for name in names for part in ("--only-binary", name)]
        return flags + [part for name in self.sources.values("no-binary") for part in ("--no-binary", name)]

    def _pinned(self, pinned: dict[str, str]) -> Path:
        """Write the one form in which uv takes an index for a single package: a project's table of sources."""
        urls = list(dict.fromkeys(pinned.values()))
        # JSON strings are TOML strings, and a list of them a TOML array.
        text = f'[project]\nname = "venvkit-request"\nversion = "0"\ndependencies = {json.dumps(list(pinned))}\n'
        # A workspace of its own, or a broken file of somebody's in a folder above would count.
        text += "[tool.uv.workspace]\n[tool.uv.sources]\n"
        tied = {required_name(line): urls.index(url) for line, url in pinned.items()}
        text += "".join(f'{name} = {{ index = "pinned-{number}" }}\n' for name, number in tied.items())
        for number, url in enumerate(urls):
            text += f'[[tool.uv.index]]\nname = "pinned-{number}"\nurl = {json.dumps(url)}\nexplicit = true\n'
        return self.write(_PROJECT, [text])

    def _list(self, flag: str, lines: tuple[str, ...]) -> list[str]:
        return self._flags(flag, [self.write(f"{flag.strip('-')}.txt", lines)]) if lines else []

    def _flags(self, flag: str, paths: Iterable[Path]) -> list[str]:
        return [part for path in paths for part in (flag, str(path))]

    def write(self, name: str, lines: Iterable[str]) -> Path:
        """Write one file.

        Raises:
            SpecError: A line holds `${NAME}`, which an installer would replace by a variable of our environment
                (`requirement-variable`): a stranger's address could carry a secret away.
        """
        text = "\n".join([*lines, ""])
        if "${" in text:
            raise SpecError(
                "a requirement or address holds `${`",
                code="requirement-variable",
                where=next(line for line in text.splitlines() if "${" in line),
                remedy="write it in full",
            )
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


def _refreshed(lines: Iterable[str]) -> list[str]:
    """Return the flags that have uv read local files and source trees anew.

    uv builds a tree again only when its pyproject.toml, setup.py or setup.cfg changed
    (https://docs.astral.sh/uv/concepts/cache/#dynamic-metadata).
    """
    names = (required_name(line) for line in lines if " @ file:" in line)
    return [part for name in names if name for part in ("--refresh-package", name)]


def tied_packages(arguments: Sequence[str]) -> frozenset[NormalizedName]:
    """Return the packages that a request, given as uv's arguments, ties to one index each."""
    projects = (Path(one) for one in arguments if Path(one).name == _PROJECT)
    documents = (parse_toml(project.read_bytes()) for project in projects)
    return frozenset(canonicalize_name(name) for one in documents for name in one["tool"]["uv"]["sources"])
