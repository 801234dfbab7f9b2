"""Commands that install: neither into the host nor into a sealed environment.

The child's PATH leads to the host's `pip`, whose own first line names the host's interpreter; and what is installed
into a sealed environment spoils it for every model that shares it.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Sequence

from venvkit.errors import UsageError

# The words of each program that write into the environment that it finds.
_WRITING = {
    "pip": {"install", "uninstall"},
    "uv pip": {"install", "uninstall", "sync"},
    "conda": {"install", "remove", "uninstall", "update", "upgrade"},
    "poetry": {"add", "install", "remove", "sync", "update"},
    "easy_install": {""},
    "ensurepip": {""},
}
_ALIASES = {"mamba": "conda", "micromamba": "conda"}
# With one of these nothing is written, or into a folder that the caller names.
_HARMLESS = {"--dry-run", "--help", "-h", "--version", "-V", "--target", "-t"}
_NAMING = {"conda": {"-p", "--prefix", "-n", "--name"}}
# They start another command: the rest of their words.
_WRAPPERS = {"command", "doas", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "time", "timeout"}
_SHELLS = {"bash", "dash", "ksh", "sh", "zsh"}
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z_0-9]*=")
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
_PIP = re.compile(r"pip[\d.]*")
# Options of an interpreter that have a value of their own.
_VALUED = ("-W", "-X", "--check-hash-based-pycs")
_MOST_NESTED = 8


def refuse_install(argv: Sequence[str], model: str) -> None:
    """Refuse a command that would install into the host or a sealed environment.

    Raises:
        UsageError: `install-refused`.
    """
    found = next(_installs([os.fspath(word) for word in argv], 0), None)
    if found is not None:
        raise UsageError(
            f"`{found}` would write into the host or into a sealed environment",
            code="install-refused",
            where=model,
            remedy=f"ask for it with the model: venvkit run {model} -p REQUIREMENT -- COMMAND, or add it to the spec",
        )


def _installs(words: list[str], depth: int) -> Iterator[str]:
    """Yield each installation that a command line starts, in words, as far as its text shows them."""
    words = _unwrapped(words)
    if not words or depth > _MOST_NESTED:
        return
    program, rest = os.path.basename(words[0]), words[1:]  # noqa: PTH119 - text as it came
    if program in _SHELLS:
        for command in _commands(rest):
            yield from _installs(command, depth + 1)
        return
    if _PYTHON.fullmatch(program):
        program, rest = _module(rest)
    if program == "uv" and (place := _first(rest, ("pip",))) is not None:
        program, rest = "uv pip", rest[place + 1 :]
    program = "pip" if _PIP.fullmatch(program) else _ALIASES.get(program, program)
    writing = _WRITING.get(program, set())
    options = {word.partition("=")[0] for word in rest}
    if options & (_HARMLESS | _NAMING.get(program, set())):
        return
    if "" in writing:
        yield program
    elif (place := _first(rest, writing)) is not None:
        yield f"{program} {rest[place]}"


def _unwrapped(words: list[str]) -> list[str]:
    """Return a command without the programs that only start it."""
    while words and (_ASSIGNED.match(words[0]) or os.path.basename(words[0]) in _WRAPPERS):  # noqa: PTH119
        words = words[1:]
        while words and (words[0].startswith("-") or words[0].rstrip("smhd").replace(".", "").isdigit()):
            words = words[1:]
    return words


def _commands(rest: list[str]) -> Iterator[list[str]]:
    """Yield the simple commands of a shell's `-c TEXT`."""
    for option, text in itertools.pairwise(rest):
        if option.startswith("-") and not option.startswith("--") and "c" in option:
            for line in text.splitlines():
                yield from _simple(line)
            return


def _simple(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set("();<>|&"):
                yield command
                command = []
            else:
                command.append(word)
    except ValueError:  # a quotation that ends on a later line
        command += line.split()
    yield command


def _module(rest: list[str]) -> tuple[str, list[str]]:
    """Return the module or script that an interpreter runs, and its arguments."""
    number = 0
    while number < len(rest) and rest[number].startswith("-") and rest[number] != "-":
        word = rest[number]
        if word in _VALUED:
            number += 2
            continue
        if word.startswith("--"):
            number += 1
            continue
        if "c" in word:
            return "", []
        if "m" in word:
            glued = word.partition("m")[2]
            name = glued or (rest[number + 1] if number + 1 < len(rest) else "")
            return name.removesuffix(".__main__"), rest[number + (1 if glued else 2) :]
        number += 1
    script = rest[number : number + 1]
    return (os.path.basename(script[0]), rest[number + 1 :]) if script else ("", [])  # noqa: PTH119


def _first(words: list[str], wanted: set[str] | tuple[str, ...]) -> int | None:
    """Return the place of the first word that is one of `wanted`; options may stand before it."""
    return next((number for number, word in enumerate(words) if word in wanted), None)
