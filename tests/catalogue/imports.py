"""What a distribution lets one import, and whether it imports: each module in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence

_SECONDS = 300
# Names of folders that wheels carry beside their packages by mistake.
_NOT_MODULES = ("test", "tests", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "scripts", "tools")

# Run by the interpreter that is looked at; prints a list of modules, or null, for each distribution of the arguments.
_MODULES = """
import importlib.metadata as metadata, json, keyword, sys
def modules(name):
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    files = [file for file in (found.files or ()) if ".." not in file.parts]
    # What top_level.txt names need not be there: it also lists modules that a build left out.
    told = [] if files else (found.read_text("top_level.txt") or "").split()
    for file in files:
        head = file.parts[0]
        if len(file.parts) == 1 and head.endswith((".py", ".so")):
            told.append(head.split(".")[0])
        elif len(file.parts) > 1 and file.suffix in (".py", ".so") and not head.endswith((".dist-info", ".data")):
            told.append(head)
    there = {name for name in told if name.isidentifier() and not keyword.iskeyword(name) and name[0] != "_"}
    return sorted(there)
print(json.dumps({name: modules(name) for name in sys.argv[1:]}))
"""
_IMPORT = "import importlib, sys; importlib.import_module(sys.argv[1])"


def modules_of(python: str, environ: Mapping[str, str], distributions: Sequence[str]) -> dict[str, list[str] | None]:
    """Return the top-level modules of each distribution that an interpreter sees; None where it sees none."""
    with tempfile.TemporaryDirectory() as neutral:
        done = subprocess.run(
            [python, "-c", _MODULES, *dict.fromkeys(distributions)],
            env=dict(environ), cwd=neutral, capture_output=True, text=True, check=True,
        )  # fmt: skip
    found: dict[str, list[str] | None] = json.loads(done.stdout.splitlines()[-1])
    return {
        name: [module for module in modules if module not in _NOT_MODULES] if modules is not None else None
        for name, modules in found.items()
    }


def import_modules(
    python: str, environ: Mapping[str, str], modules: Mapping[str, Sequence[str] | None]
) -> dict[str, str]:
    """Return the exceptions of each import that failed, by "DISTRIBUTION MODULE"; empty where it imports."""
    return {
        f"{name} {module}": _import(python, environ, module)
        for name, found in modules.items()
        for module in found or ()
    }


def _import(python: str, environ: Mapping[str, str], module: str) -> str:
    with tempfile.TemporaryDirectory() as neutral:
        try:
            done = subprocess.run(
                [python, "-c", _IMPORT, module],
                env=dict(environ), cwd=neutral, capture_output=True, text=True, check=False, timeout=_SECONDS,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"no end after {_SECONDS} s"
    if done.returncode == 0:
        return ""
    lines = [line[:400] for line in done.stderr.splitlines()]
    # Of a chain of exceptions every one; the last says why the import failed.
    raised = [line for line in lines if re.match(r"[\w.]*(?:Error|Exception|Warning|Exit)\b", line)]
    return "\n".join(raised or lines[-3:]) or f"status {done.returncode}"


def explained(distribution: str, error: str, findings: Sequence[str], known: Collection[str]) -> bool:
    """Tell whether a finding names the distribution that does not import, or another one that its error names.

    Args:
        distribution: The normalized name of the one that does not import.
        error: The exceptions that its import raised.
        findings: What was said of the environment before.
        known: Normalized names of the distributions that the error may name.
    """
    wanted = {distribution} | (_names(error) & set(known))
    return any(wanted & _names(finding) for finding in findings)


def _names(text: str) -> set[str]:
    words = {word for text in re.findall(r"[A-Za-z][\w.-]*", text) for word in (text, text.split(".")[0])}
    return {re.sub(r"[-_.]+", "-", word).lower().strip("-") for word in words}
