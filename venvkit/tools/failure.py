"""Read what a failed uv or pip says: one form of the output, one table of patterns for each tool.

The class of an error follows from the tool's own lines (`error:`, `cause:`, `hint:`), each matched from its beginning.
The output of a build or of git is indented below them (uv: `[stdout]`, `[stderr]`; pip: `[N lines of output]`) and
never decides: a compiler may speak of certificates and time limits too.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from venvkit.base.mask import mask
from venvkit.base.process import Completed
from venvkit.errors import MachineError, SettingError, SourceError, UsageError, VenvkitError
from venvkit.events import Warned
from venvkit.plan.resolver import Unsolvable

# Lines of each part that an error shows: of the tool's own (first, last), of the end of a log, of hints.
_FIRST, _LAST, _LOG, _HINTS = 10, 4, 10, 8
_LONGEST = 600
_KEPT_LOGS = 20
_REFUSAL = re.compile(r"40[13] (?:Unauthorized|Forbidden)|\b40[13]\b|Hash mismatch|DO NOT MATCH THE HASHES")
_NO_OUTPUT = "╰─> No available output."
_ENDED = re.compile(r"  ERROR: .* exited with -?\d+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:,]+ ")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# `numpy{python_full_version < '3.13'}>=1.25,<2.4`, `foo[bar]==1.0`: a specifier follows its name without a blank.
_CLAUSE = r"(?:===?|[<>!~]=|[<>])[0-9](?:[0-9A-Za-z.+!*_-]*[0-9A-Za-z*])?"
_ASK = re.compile(
    rf"(?P<name>\b[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?(?:{{[^}}]*}})?(?P<specifier>{_CLAUSE}(?:,{_CLAUSE})*)"
)


class _Kind(Struct, frozen=True):
    """A class of failures: the error that tells it."""

    error: type[VenvkitError]
    code: str
    message: str
    remedy: str


_UNREACHABLE = "check the index address and the network, or name another source with --index-url or --find-links"
_KINDS = {
    "full": _Kind(
        MachineError, "disk-space", "there is no space left for the build",
        "free space, for instance with `venvkit gc --cache`",
    ),
    "disk": _Kind(MachineError, "disk", "the disk refused the build", "look at the rights and the device"),
    "refused": _Kind(
        SourceError, "source-refused", "a source refused the request", "check the credentials and hashes of the index"
    ),
    "certificate": _Kind(
        SourceError, "source-unreachable", "a package source cannot be reached",
        "name the authority that signed it with SSL_CERT_FILE or `cert` of pip's configuration, or trust the host",
    ),
    "unreachable": _Kind(SourceError, "source-unreachable", "a package source cannot be reached", _UNREACHABLE),
    "page": _Kind(
        SourceError, "source-malformed", "a source answered with a web page or another text in place of packages",
        "open the address in a browser: it may ask for a login, or lack the /simple of a package index",
    ),
    "file": _Kind(
        SourceError, "file-invalid", "a source gave a file that is no valid wheel or source archive",
        "name another version, or have the file replaced at its source",
    ),
    "requirement": _Kind(
        UsageError, "requirement-invalid", "the tool does not understand a requirement or an option",
        "correct the value that is named",
    ),
    "setting": _Kind(
        SettingError, "setting-invalid", "a variable or configuration file of the tool is malformed",
        "correct the value that is named",
    ),
    "variant": _Kind(
        UsageError, "wheel-variant", "an address names a wheel variant that cannot be taken",
        "set UV_PREVIEW_FEATURES=wheel-variants, or name the wheel without a variant label",
    ),
    "build": _Kind(
        MachineError, "build-failed", "a source distribution could not be built",
        "read the end of the build's output, or ask for a version that has a wheel",
    ),
}  # fmt: skip

# The first pattern that matches the beginning of one of the tool's lines decides. What breaks others comes first: a
# full disk is reported as a download that failed, a lost connection as an archive that is no archive.
_UV = (
    ("variant", r"(?:Wheel|Unsupported) variant `"),
    ("full", r".*\(os error (?:28|122)\)$|No space left on device|Disk quota exceeded"),
    ("disk", r".*\(os error (?:5|13|30)\)$|Failed to initialize cache at "),
    ("refused", r"HTTP status client error \(40[13] |Hash mismatch for |An index URL \(\S+\) could not be queried"
                r"|An index \(\S+\) returned a 403 Forbidden"),
    ("certificate", r"invalid peer certificate"),
    ("unreachable", r"error sending request for url|error decoding response body|request or response body error"
                    r"|HTTP status \w+ error \(|client error \(Connect\)|operation timed out|Git operation failed"
                    r"|Network connectivity is disabled|Packages were unavailable because the network was disabled"),
    ("page", r"Unsupported `Content-Type`|Received some unexpected (?:JSON|HTML) from"
             r"|Encountered an unexpected header \(actual: 0x[0-9a-f]{6}3c\b"),
    ("file", r"Failed to read from zip file|Failed to extract archive|Failed to unzip|Failed to install: \S+\.whl"
             r"|Failed to read metadata|The wheel is invalid|Wheel (?:name|version) does not match|Invalid tar file"),
    ("build", r"The build backend returned an error|Failed to build `|Failed to resolve requirements from "
              r"|Failed to (?:install|prepare) requirements from "),
    ("unreachable", r"Failed to fetch|Failed to download|Distribution not found at|Failed to read `--find-links`"),
    ("unsolvable", r"No solution found when resolving"),
    ("setting", r"Failed to parse environment variable|TOML parse error"),
    ("requirement", r"Failed to parse: `|Failed to resolve dependencies for package `"
                    r"|Couldn't parse requirement in|The wheel filename `|Requested package name `"
                    r"|invalid value .* for '--|Expected path \(|Unexpected '.*', expected '-c'"
                    r"|unsupported (?:archive|file) (?:type|extension)"),
)  # fmt: skip
_PIP = (
    ("full", r".*(?:OSError|Error): \[Errno (?:28|122)\]"),
    ("disk", r".*(?:OSError|Error): \[Errno (?:5|13|30)\]"),
    ("refused", r"HTTP error 40[13] |40[13] Client Error|THESE PACKAGES DO NOT MATCH THE HASHES"),
    ("certificate", r"ssl-verification|There was a problem confirming the ssl certificate"),
    ("unreachable", r"HTTP error \d|Could not install requirement .* because of HTTP error"
                    r"|Could not install packages due to an OSError: (?:HTTPS?Connection|\('Connection|\[Errno 2\])"
                    r"|connection-failed|connection-timeout|incomplete-download|× git |.*\bMax retries exceeded"),
    ("page", r"(?:\w+\.)*JSONDecodeError\b"),
    ("file", r"Wheel '.*' located at .* is invalid|.* has an invalid wheel, |(?:\w+\.)*(?:ReadError|BadZipFile)\b"),
    ("build", r"Failed to build |backend-unavailable|subprocess-exited-with-error|metadata-generation-failed|build-"
              r"|(?:in|mis)\w+-pyproject|(?:\w+\.)*TOMLDecodeError\b"),
    ("unsolvable", r"No matching distribution found|ResolutionImpossible|resolution-too-deep"
                   r"|\S+ is not a supported wheel on this platform"),
    ("requirement", r"Invalid wheel filename|Invalid requirement|(?:\w+\.)*InvalidVersion\b"),
)  # fmt: skip
_TABLES = {"uv": _UV, "pip": _PIP}

_WARNINGS = {
    "uv": (
        ("yanked", r"warning: (`(?P<pin>[^`]+)` is yanked.*)"),
        ("extra-unknown", r"warning: (The package `(?P<pin>[^`]+)` does not have an extra named .*)"),
        ("built-in-isolation", r"warning: (`(?P<pin>[^`]+)` is built in isolation: .*)"),
        ("option-ignored", r"warning: (Ignoring unsupported option (?P<pin>).*)"),
        ("uv-warning", r"warning: ((?P<pin>).*)"),
    ),
    "pip": (
        ("yanked", r"WARNING: .* is a (yanked version: '(?P<pin>[^']+' candidate \(version [^ )]+).*)"),
        ("extra-unknown", r"WARNING: ((?P<pin>\S+ \S+) does not provide the extra .*)"),
    ),
}
_PIP_PIN = re.compile(r"(?P<name>[^' ]+)'? (?:candidate \(version )?(?P<version>\S+)")

_BUILT = re.compile(r"Failed to (?:build|download and build|fetch|read) `([^`]+)`")
_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w]+)")
# What a build lacks of the machine, by the words of compilers and of setuptools; the group is its name.
_LACKS = re.compile(
    r"fatal error: ([\w./+-]+): No such file or directory|command '([\w./+-]+)' failed: No such file or directory"
    r"|(?:^|[ :/])([\w+-]+): (?:command )?not found$|No such file or directory: '([\w+-]+)'$",
    re.MULTILINE,
)


class _Output(Struct, frozen=True):
    """The parts of a failed run's output, in lines.

    Attributes:
        own: The tool's own lines, each as printed; `heads` are their beginnings without `error:` and `cause:`.
        log: The output of a build or of git.
        hints: The tool's advice.
    """

    own: tuple[str, ...]
    heads: tuple[str, ...]
    log: tuple[str, ...]
    hints: tuple[str, ...]


def failure(
    tool: str, done: Completed, *, logs: str = "", importable: Collection[str] = (), shared: bool = False
) -> VenvkitError:
    """Return the error that a failed run of a tool means.

    Args:
        tool: `uv` or `pip`.
        logs: Folder for the whole output of a build; empty keeps none.
        importable: Normalized names of what the host has: a build that lacks one can be built against the host.
        shared: Whether the build saw the host already (`no_build_isolation`).
    """
    output = (_read_uv if tool == "uv" else _read_pip)(done)
    if done.status < 0:
        return _killed(tool, -done.status, _shown(output) if output.heads else ())
    kind, told = _kind(tool, output)
    details = _shown(output, _keep(tool, done, logs) if logs and output.log else "")
    if kind == "unsolvable":
        return Unsolvable(
            "no set of distributions satisfies the request",
            mentions=_mentions(output),
            asks=_asks(output),
            details=details,
        )
    if kind not in _KINDS:
        return VenvkitError(f"{tool} failed", code=f"{tool}-failed", details=details)
    found = _KINDS[kind]
    message = f"{found.message}: {mask(told)}" if kind == "refused" else found.message
    way_out = _build_remedy(output, importable, shared, tool) if kind == "build" else ""
    return found.error(message, code=found.code, details=details, remedy=way_out or found.remedy)


def missing_module(done: Completed) -> tuple[str, str] | None:
    """Return the distribution whose build failed in a run of uv because a module is missing, and that module."""
    output = _read_uv(done) if done.status > 0 else _Output((), (), (), ())
    built = next((match[1] for head in output.heads if (match := _BUILT.match(head))), None)
    modules = _MODULE.findall("\n".join((*output.own, *output.log)))
    return (built, modules[-1]) if built and modules else None


def source_error(
    kind: Literal["refused", "unreachable", "page"], details: tuple[str, ...], reason: str = ""
) -> SourceError:
    """Return the error for a source that refuses, cannot be reached, or answers with something that is no index."""
    found = _KINDS[kind]
    message = f"{found.message}: {reason}" if reason else found.message
    return SourceError(message, code=found.code, details=details, remedy=found.remedy)


def warnings(tool: str, stderr: str) -> Iterator[tuple[str, Warned]]:
    """Yield the warnings in a tool's output, each with the pin (`name==version`) it is about; empty is all of them."""
    for line in stderr.split("\n"):
        # Of our own file: every requirement may be tied to an index of its own, in another one.
        if line.endswith("does not contain any dependencies"):
            continue
        for code, pattern in _WARNINGS[tool]:
            if match := re.fullmatch(pattern, line.rstrip()):
                yield _pin_text(match["pin"]), Warned(code, mask(match[1]))
                break


def _pin_text(text: str) -> str:
    """Return `name==version` for a distribution as either tool names it."""
    if match := _PIP_PIN.fullmatch(text):
        return f"{canonicalize_name(match['name'])}=={match['version']}"
    name, _, version = text.partition("==")
    return f"{canonicalize_name(name)}=={version}" if version else ""


def _kind(tool: str, output: _Output) -> tuple[str, str]:
    """Return the name of a failure's class and the text that decided."""
    hints = tuple(line.removeprefix("hint: ") for line in output.hints)
    for kind, pattern in _TABLES[tool]:
        for head in (*output.heads, *hints):
            if match := re.match(pattern, head, re.IGNORECASE):
                reason = _REFUSAL.search(head)
                return kind, reason[0] if reason else match[0]
    return "", ""


def _read_uv(done: Completed) -> _Output:
    """Read uv's chain: `error:`, then `  cause:` and `hint:`; what belongs to one is indented further."""
    own: list[str] = []
    heads: list[str] = []
    log: list[str] = []
    hints: list[str] = []
    part = None
    # Not `splitlines`: a lone carriage return or form feed in a log begins no line of uv's.
    for line in done.stderr.split("\n"):
        if match := re.match(r"(?:error|  cause): (.*)", line):
            part = own
            heads.append(match[1].rstrip())
        elif line.startswith("hint: "):
            part = hints
        elif part is own and line.strip() in {"[stdout]", "[stderr]", "--- stdout", "--- stderr"}:
            part = log
        if part is not None and line.strip():
            part.append(line.rstrip())
    if not heads:
        own = [line.rstrip() for line in done.stderr.split("\n") if line.strip()]
    return _Output(tuple(own), tuple(heads), tuple(log), tuple(hints))


def with_build_output(done: Completed, log: str) -> Completed:
    """Return a failed run of pip with the output of the build that failed: with `--log`, pip writes it there alone."""
    lines = [_TIME.sub("", line) for line in log.split("\n")]
    ends = [at for at, line in enumerate(lines) if _ENDED.fullmatch(line)]
    starts = [at for at, line in enumerate(lines[: ends[-1]]) if line.startswith("  Running command ")] if ends else []
    if not starts or _NO_OUTPUT not in done.stderr:
        return done
    output = [f"      {line.strip()}" for line in lines[starts[-1] + 1 : ends[-1]]]
    told = "\n".join([f"╰─> [{len(output)} lines of output]", *output, "      [end of output]"])
    before, _, after = done.stderr.rpartition(_NO_OUTPUT)
    return replace(done, stderr=f"{before}{told}{after}")


def _read_pip(done: Completed) -> _Output:
    """Read pip's errors from standard error, and the conflict, which it explains on standard output."""
    own: list[str] = []
    log: list[str] = []
    hints: list[str] = []
    in_log = False
    for line in done.stderr.split("\n"):
        if not line.strip():
            continue
        in_log = (in_log and line.startswith("      ")) or re.search(r"╰─> \[\d+ lines of output\]", line) is not None
        part = log if in_log else hints if line.startswith("hint: ") else own
        part.append(line.rstrip())
    lines = [line.rstrip() for line in done.stdout.split("\n") if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.startswith("The conflict is caused by")), len(lines))
    end = next((at for at, line in enumerate(lines) if line.startswith("To fix this")), len(lines))
    heads = (re.sub(r"^ {0,2}(?:ERROR|error): ", "", line).strip() for line in own if not line.startswith("   "))
    return _Output((*own, *lines[start:end]), tuple(heads), tuple(log), tuple(hints))


def _shown(output: _Output, kept: str = "") -> tuple[str, ...]:
    """Return the lines of an error: the tool's own, the end of the log, the hints, and where the whole log is."""
    more = len(output.own) - _FIRST - _LAST
    own = output.own
    if more > 1:
        own = (*own[:_FIRST], f"... {more} more lines", *own[-_LAST:])
    left = len(output.log) - _LOG
    log = (f"... {left} lines before", *output.log[-_LOG:]) if left > 1 else output.log
    whole = (f"the whole output: {kept}",) if kept else ()
    return tuple(mask(_short(line)) for line in (*own, *log, *output.hints[:_HINTS], *whole))


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."


def _keep(tool: str, done: Completed, folder: str) -> str:
    """Write the whole output of a run, secrets masked, into `folder`, which holds the latest 20; return its path."""
    try:
        place = Path(folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        older = sorted(place.glob("*.log"), key=lambda path: path.stat().st_mtime)
        for path in older[: max(0, len(older) - _KEPT_LOGS + 1)]:
            path.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{tool}-", suffix=".log", dir=place)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as out:
            out.write(mask(done.stdout if tool == "pip" else "") + mask(done.stderr))
    except OSError:  # without a log the error still shows its end
        return ""
    return name


def _build_remedy(output: _Output, importable: Collection[str], shared: bool, tool: str) -> str:
    """Return the way out of a failed build whose cause is recognised, else nothing."""
    text = "\n".join((*output.own, *output.log[-40:]))
    if re.search(r"\(signal: 9 |exit code: -9$", text, re.MULTILINE):
        return "look whether the machine or its container ran out of memory, and try again"
    if modules := _MODULE.findall(text):
        name, option = modules[-1], f"`no_build_isolation: true`{'' if tool == 'uv' else ' and --backend uv'}"
        if canonicalize_name(name) in importable and not shared:
            return f"the host has {name}: with {option} the build sees the packages of the host"
        return f"the build needs {name}, which it does not declare: install {name} into the host and set {option}"
    if lacks := [next(filter(None, groups)) for groups in _LACKS.findall(text)]:
        return f"install what provides {lacks[-1]} (a compiler or headers), or ask for a version that has a wheel"
    return ""


def _killed(tool: str, number: int, details: Sequence[str]) -> MachineError:
    remedy = "look who ended it, and try again"
    if number == signal.SIGKILL:
        remedy = "look whether the machine or its container ran out of memory, and try again"
    return MachineError(
        f"{tool} was ended by signal {number}", code=f"{tool}-killed", details=tuple(details), remedy=remedy
    )


def _asks(output: _Output) -> tuple[tuple[NormalizedName, str], ...]:
    """Return the requirements that a resolver's reasoning speaks of, without extras and markers."""
    told = (
        (one["name"], _specifier(one["specifier"])) for one in _ASK.finditer(" ".join((*output.own, *output.hints)))
    )
    return tuple(dict.fromkeys((canonicalize_name(name), specifier) for name, specifier in told if specifier))


def _specifier(text: str) -> str:
    """Return a range of uv's as a specifier, empty where it is none: in an order, uv also names local versions."""
    text = re.sub(r"([<>]=?[^,+]*)\+[^,]*", r"\1", text)
    try:
        return text if SpecifierSet(text) else ""
    except InvalidSpecifier:
        return ""


def _mentions(output: _Output) -> frozenset[NormalizedName]:
    words = _NAME.findall("\n".join((*output.own, *output.hints)))
    return frozenset(canonicalize_name(word) for word in words)
