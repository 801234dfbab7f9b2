"""Possible values of each group of facts that markers compare, for the literals of one marker.

Each function gets all comparisons of a marker with one group and lists values such that every real machine is like one
of them, or returns None where it cannot.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from packaging.version import Version

from venvkit.host.accelerator import Accelerator
from venvkit.lint.versions import spread
from venvkit.spec.language.compare import arch_number, is_version, tokens
from venvkit.spec.language.nodes import Comparison

# The oldest interpreter that can be a host. What comes after today's is not known, so there is no newest.
OLDEST_PYTHON = (3, 8)
# Whatever a kernel or an implementation calls its own version: nothing is certain about it.
OPEN_NAMES = frozenset({"platform_release", "platform_version", "implementation_version"})
_NEWEST_MINOR = 25
_LONGEST_LIST = 60
_PYTHON_NAMES = frozenset({"python_version", "python_full_version"})
_PLATFORM_NAMES = frozenset({"sys_platform", "platform_system", "os_name", "platform_machine"})
_IMPLEMENTATION_NAMES = frozenset({"platform_python_implementation", "implementation_name"})
_VERSION = re.compile(r"(?=(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?))")  # `in` finds `3.11.5` inside of `13.11.5`, too
_OTHER = "venvkit-other"
_LISTING = frozenset({"in", "not in"})

# What `sys.platform`, `platform.system()` and `os.name` say together, and the machines that a platform names in its
# own way: on macOS it is `arm64`, on Linux `aarch64`.
_PLATFORMS = (
    ("linux", "Linux", "posix"),
    ("darwin", "Darwin", "posix"),
    ("win32", "Windows", "nt"),
    ("cygwin", "CYGWIN_NT-10.0", "posix"),
    ("android", "Android", "posix"),
    ("ios", "iOS", "posix"),
    ("emscripten", "Emscripten", "posix"),
    ("wasi", "wasi", "posix"),
    (_OTHER, _OTHER, "posix"),
)
_UNIX = re.compile(r"(?:freebsd|openbsd|netbsd|dragonfly|sunos|aix|hp-ux|gnu|haiku|cygwin)[\d._nt-]*", re.IGNORECASE)
_MACHINES = {"darwin": ("arm64", "x86_64"), "win32": ("AMD64", "ARM64", "x86")}
_LINUX_MACHINES = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "i686", "armv7l", "", _OTHER)
_NOT_LINUX = ("arm64", "AMD64", "ARM64", "amd64")
_IMPLEMENTATIONS = (("CPython", "cpython"), ("PyPy", "pypy"), ("GraalVM", "graalpy"))

Pair = tuple[str, str]
# The launched engine and its further names.
Launch = tuple["str | None", frozenset[str]]
_Possible = Callable[[Sequence[Comparison]], "Iterable[tuple[Pair, ...]] | None"]


def literals(leaf: Comparison) -> tuple[str, ...]:
    """Return the values that a comparison names: its literal, or the words of a list."""
    return tokens(leaf.literal) if leaf.op in _LISTING and not leaf.flipped else (leaf.literal,)


def launches(named: Iterable[Launch]) -> list[Launch]:
    """Return the possible engines of a launch: none, one of those named, or any other."""
    return [(None, frozenset()), (_OTHER, frozenset()), *named]


def accelerators(compared: Sequence[Comparison]) -> Iterator[Accelerator] | None:
    """Return the possible accelerators; without a CUDA device there is neither a version nor an architecture."""
    about_version = [leaf for leaf in compared if leaf.name == "cuda_version"]
    # `===` compares the writing, and one version can be written in many ways; to be like a version of one part is no
    # comparison at all.
    if any(leaf.op == "===" or (leaf.op == "~=" and leaf.flipped) for leaf in about_version):
        return None
    versions = spread(literal for leaf in about_version for literal in tokens(leaf.literal))
    if versions is None:
        return None
    about_arch = [leaf for leaf in compared if leaf.name == "cuda_arch"]
    numbers = [arch_number(literal) or 0 for leaf in about_arch for literal in tokens(leaf.literal)]
    archs = {f"sm_{beside}" for number in numbers for beside in (number - 1, number, number + 1) if beside >= 0}
    with_cuda = itertools.product((True,), (False, True), (*versions, None), (*sorted(archs), None))
    without_cuda = (Accelerator(has_npu=npu) for npu in (False, True))
    return itertools.chain(without_cuda, (Accelerator(*one) for one in with_cuda))


def pythons(compared: Sequence[Comparison]) -> Iterator[tuple[Pair, ...]] | None:
    """Return versions of Python: all minor ones, with the patch levels and candidates that a literal can mean."""
    if any(leaf.name == "python_full_version" and leaf.flipped and leaf.op in _LISTING for leaf in compared):
        return None
    return _pythons({Version(text) for leaf in compared for text in _VERSION.findall(leaf.literal)})


def _pythons(stated: Iterable[Version]) -> Iterator[tuple[Pair, ...]]:
    majors = {3, *(version.major + more for version in stated for more in (0, 1) if version.major < 9)}
    last = max([_NEWEST_MINOR, *(version.minor + 1 for version in stated if version.minor < 100)])
    for minor in sorted(itertools.product(majors, range(last + 1))):
        if minor >= OLDEST_PYTHON:
            short = f"{minor[0]}.{minor[1]}"
            for full in _patches(short, [version for version in stated if version.release[:2] == minor]):
                yield (("python_version", short), ("python_full_version", full))


def _patches(short: str, stated: Sequence[Version]) -> Iterator[str]:
    patches = {0, 1, 99}
    for version in stated:
        patches |= {max(0, version.micro - 1), version.micro, version.micro + 1}
        if version.pre is not None:
            letter, number = version.pre
            yield from (f"{short}.{version.micro}{letter}{number + more}" for more in (-1, 0, 1) if number + more >= 0)
    yield from (f"{short}.0{form}" for form in ("a1", "b1", "rc1"))
    yield from (f"{short}.{patch}" for patch in sorted(patches))


def platforms(compared: Sequence[Comparison]) -> Iterator[tuple[Pair, ...]] | None:
    """Return platforms with the machines they run on; of systems beside the usual ones, the names that are stated."""
    about_machine = [leaf for leaf in compared if leaf.name == "platform_machine"]
    if any(leaf.flipped and leaf.op in _LISTING for leaf in about_machine):
        return None
    machines = {literal for leaf in about_machine for literal in literals(leaf)}
    unix = {literal for leaf in compared for literal in literals(leaf) if _UNIX.fullmatch(literal)}
    rare = itertools.product(sorted({*unix, "cygwin", _OTHER}), sorted({*unix, _OTHER}), ("posix",))
    return (
        (("sys_platform", name), ("platform_system", system), ("os_name", os_name), ("platform_machine", machine))
        for name, system, os_name in (*_PLATFORMS, *rare)
        for machine in _machines(name, machines)
    )


def _machines(platform: str, stated: Iterable[str]) -> Iterable[str]:
    if platform in _MACHINES:
        return _MACHINES[platform]
    others = {*_LINUX_MACHINES, *stated}
    return sorted(others - {*_NOT_LINUX} if platform == "linux" else others | {*_NOT_LINUX})


def implementations(compared: Sequence[Comparison]) -> Iterator[tuple[Pair, ...]] | None:
    """Return implementations of Python; of unusual ones, the names that are stated."""
    if any(leaf.flipped and leaf.op in _LISTING for leaf in compared):
        return None
    known = {name.casefold() for pair in _IMPLEMENTATIONS for name in pair}
    stated = {literal for leaf in compared for literal in literals(leaf) if literal.casefold() not in known}
    rare = itertools.product(sorted({*stated, _OTHER}), repeat=2)
    return (
        (("platform_python_implementation", platform_name), ("implementation_name", name))
        for platform_name, name in (*_IMPLEMENTATIONS, *rare)
    )


def extras(compared: Sequence[Comparison]) -> list[tuple[Pair, ...]]:  # noqa: ARG001
    """Return the possible values of `extra`: a spec has no extras, so it is always empty."""
    return [(("extra", ""),)]


def values(compared: Sequence[Comparison]) -> list[str] | None:
    """Return values of a variable: those named, neighbours where it is ordered as a version, and another one."""
    listing = [leaf for leaf in compared if leaf.op in _LISTING]
    if any(leaf.flipped or len(leaf.literal) > _LONGEST_LIST for leaf in listing):
        return None
    found = ["", _OTHER, *(leaf.literal for leaf in compared)]
    # `in` looks for the value anywhere in the literal.
    for text in {leaf.literal for leaf in listing}:
        found += [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)]
    ordered = [leaf.literal for leaf in compared if leaf.op not in ("==", "!=", "===", *_LISTING)]
    versions = spread(filter(is_version, ordered))
    if versions is None:
        return None
    # One version can be written in many ways, and `==` compares the writing.
    ways = 1 + len(compared) + sum(len(tokens(leaf.literal)) for leaf in listing)
    return found + [version + ".0" * more for version in versions for more in range(ways)] if ordered else found


ENVIRONMENT_GROUPS: tuple[tuple[frozenset[str], _Possible], ...] = (
    (_PYTHON_NAMES, pythons),
    (_PLATFORM_NAMES, platforms),
    (_IMPLEMENTATION_NAMES, implementations),
    (frozenset({"extra"}), extras),
)
