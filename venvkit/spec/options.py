"""The options of a call, in one table: the call, the levers, a spec's fields, the command line and the docs read it.

A new option is a new row. The warm path imports this module, so that it imports neither `re` nor `typing` nor msgspec.
"""

from __future__ import annotations

import os

from venvkit.base.paths import absolute_path
from venvkit.errors import UsageError
from venvkit.settings.variables import BACKENDS, ORPHANS, PROOFS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

# Form of a value -> what it is, as the end of a sentence.
FORMS = {
    "text": "a string",
    "texts": "strings",
    "lines": "strings",
    "program": "a path or a name",
    "folders": "paths",
    "places": "paths or URLs",
    "pairs": "a mapping of strings to strings",
    "flag": "true or false",
    "number": "a whole number of at least 1",
    "choice": "one of a few words",
}
NO_ENGINE = "default"
"""Stands in the store, and in selections from it, for launches without an engine."""
_UNSET: dict[str, Any] = {"texts": (), "lines": (), "folders": (), "places": (), "pairs": {}}


class Option:
    """One option of a call, or one field of a spec's `virtualenv` block, or both.

    Attributes:
        name: The keyword of `ensure_env` and `plan_env`.
        form: What its value looks like, a key of `FORMS`.
        spelled: How the command line writes it, its value included (of a choice the words, with `|` between
            them); empty for a field of a spec that no call may choose.
        meaning: What it does, in one sentence: for the help, the docs and the schema of specs.
        field: The field of a spec that says the same; empty where a spec cannot.
        setting: The variable that stands behind it, where neither the call nor the spec says anything.
        keyed: Whether it decides which environment answers, and so belongs in the key of a request.
        section: The heading that it stands below in the help and the docs.
        lever: Whether it is a lever: said by specs, engine data and callers, and merged (`spec/levers.py`).
    """

    __slots__ = ("field", "form", "keyed", "lever", "meaning", "name", "section", "setting", "spelled")

    section: str
    lever: bool

    def __init__(
        self,
        name: str,
        form: str,
        spelled: str,
        meaning: str,
        *,
        field: str = "",
        setting: str = "",
        keyed: bool = True,
    ) -> None:
        self.name = name
        self.form = form
        self.meaning = meaning
        self.spelled = spelled
        self.field = field
        self.setting = setting
        self.keyed = keyed

    @property
    def unset(self) -> Any:
        """The value that means "not chosen"; None where a setting or another speaker then decides."""
        return False if self.form == "flag" and not self.setting else _UNSET.get(self.form)

    @property
    def several(self) -> bool:
        """Whether the value is many: the option repeats on the command line."""
        return self.form in _UNSET

    @property
    def names(self) -> tuple[str, ...]:
        """The option's names on the command line."""
        return tuple(part.rstrip(",") for part in self.spelled.split() if part.startswith("-"))

    @property
    def metavar(self) -> str:
        """The placeholder of the value in the help; empty for a flag."""
        last = self.spelled.rpartition(" ")[2]
        return "" if last.startswith("-") else last

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a choice takes."""
        return tuple(self.metavar.split("|")) if self.form == "choice" else ()

    def read(self, value: object, user_home: str = "") -> Any:
        """Return a caller's value in its one form: sequences as tuples, paths absolute.

        Args:
            value: The value; a sequence may be one string.
            user_home: The directory that `~` stands for.

        Raises:
            UsageError: It is of another form (`option-invalid`).
        """
        try:
            if self.form == "pairs":
                return {_text(key): _text(item) for key, item in value.items()}  # type: ignore[attr-defined]
            if self.several:
                return tuple(_READERS[self.form](item, user_home) for item in _items(value))
            if self.words and value not in self.words:
                raise ValueError(value)
            return _READERS[self.form](value, user_home)
        except (TypeError, ValueError, AttributeError):
            wanted = f"one of {', '.join(self.words)}" if self.words else FORMS[self.form]
            raise UsageError(
                f"the option `{self.name}` takes {wanted}, not {value!r}",
                code="option-invalid",
                where=self.name,
                remedy=f"correct it, or leave it out: {self.meaning}",
            ) from None


def _section(title: str, *options: Option, lever: bool = False) -> tuple[Option, ...]:
    for option in options:
        option.section = title
        option.lever = lever
        option.field = option.name if lever else option.field
    return options


def _text(value: object, _user_home: str = "") -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    return value


def _line(value: object, user_home: str) -> str:
    """Return a requirement, the path of its direct reference in full."""
    text = _text(value)
    if "://" in text or not ("@" in text or text.startswith("file:")):
        return text
    from venvkit.spec.language.requirement import with_absolute_path  # it imports `re` and more

    return with_absolute_path(text, os.getcwd(), user_home)  # noqa: PTH109


def _folder(value: object, user_home: str) -> str:
    return absolute_path(_text(os.fspath(value)), user_home)  # type: ignore[call-overload]


def _place(value: object, user_home: str) -> str:
    return value if isinstance(value, str) and "://" in value else _folder(value, user_home)


def _program(value: object, user_home: str) -> str | None:
    text = _text(os.fspath(value))  # type: ignore[call-overload]
    return _folder(text, user_home) if os.sep in text or text.startswith("~") else text or None


def _flag(value: object, _user_home: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _number(value: object, _user_home: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(value)
    return value


def _items(value: object) -> Iterable[object]:
    if isinstance(value, (str, os.PathLike)):
        return (value,)
    if isinstance(value, (bytes, dict)) or not hasattr(value, "__iter__"):
        raise ValueError(value)
    return sorted(value) if isinstance(value, (set, frozenset)) else value


_READERS: dict[str, Callable[[object, str], Any]] = {
    "text": _text,
    "texts": _text,
    "lines": _line,
    "choice": _text,
    "program": _program,
    "folders": _folder,
    "places": _place,
    "flag": _flag,
    "number": _number,
}

# fmt: off
OPTIONS: tuple[Option, ...] = (
    *_section(
        "Model",
        Option("model_type", "text", "--type TYPE", "Type of a model given by name."),
        Option("specs", "folders", "--specs DIR", "Folder of specs in which names are found first."),
        Option("from_server", "flag", "--from-server", "Ask the running server too, for what is found nowhere else."),
        Option("variant", "number", "--variant N", "Which of several specs of one name, by its number."),
        Option("engine", "text", "--engine NAME", "Engine to launch with, such as vllm or transformers."),
        Option("model_format", "text", "--model-format NAME", "Format of the model's files, such as pytorch or gptq."),
        Option("packages", "lines", "-p, --package REQUIREMENT",
            "Requirement, URL or placeholder, each with an optional marker; the caller's replace those of their name.",
            field="packages"),
        Option("variables", "pairs", "--var NAME=VALUE", "Variable that markers may read as `#NAME#`."),
    ),
    *_section(
        "Sources",
        Option("index_url", "text", "--index-url URL", "Index in place of the configured ones.", field="index_url"),
        Option("extra_index_urls", "texts", "--extra-index-url URL", "Further index.", field="extra_index_url"),
        Option("find_links", "places", "--find-links DIR|URL", "Directory or page of wheels.", field="find_links"),
        Option("index_strategy", "choice", "--index-strategy first-index|unsafe-first-match|unsafe-best-match",
            "How several indexes are combined, in uv's words.", field="index_strategy"),
        Option("offline", "flag", "--offline",
            "Do without the public network.", setting="XINFERENCE_VIRTUAL_ENV_OFFLINE_INSTALL"),
    ),
    *_section(
        "Host and environment",
        Option("host_python", "program", "--host-python PATH",
            "Interpreter whose packages are the host.", setting="VENVKIT_HOST_PYTHON"),
        Option("python", "program", "--python VERSION|PATH", "Interpreter of the environment, if not the host's."),
        Option("skip_installed", "flag", "--no-skip-installed",
            "Install all that the model reaches; inherit nothing.", setting="XINFERENCE_VIRTUAL_ENV_SKIP_INSTALLED"),
        Option("isolated", "flag", "--isolated", "Do not show the host to the environment at all."),
        Option("accelerator", "text", "--accelerator FACTS",
            "Accelerator to plan for: none, or facts such as cuda=13.0,arch=sm_90.", setting="VENVKIT_ACCELERATOR"),
        Option("orphans", "choice", f"--orphans {'|'.join(ORPHANS)}",
            "What to do about host distributions that the plan would break.", setting="VENVKIT_ORPHANS"),
        Option("runtime", "texts", "--runtime NAME",
            "Host distribution that the model's process itself runs on: no copy of it is installed.",
            setting="VENVKIT_RUNTIME"),
        Option("prove", "choice", f"--prove {'|'.join(PROOFS)}",
            "How far the environment is proved: by metadata, by its shared objects too, or by imports of the request.",
            setting="VENVKIT_PROVE"),
        Option("backend", "choice", f"--backend {'|'.join(BACKENDS)}",
            "Tool that plans and installs.", setting="VENVKIT_BACKEND"),
        Option("upgrade", "flag", "--upgrade", "Plan anew and prefer the newest versions to the host's.", keyed=False),
    ),
    *_section(
        "Levers",
        Option("constraints", "lines", "--constraint REQUIREMENT",
            "Requirement that bounds a distribution without requiring it."),
        Option("overrides", "lines", "--override REQUIREMENT",
            "Requirement that replaces every requirement of its name."),
        Option("excludes", "texts", "--exclude NAME",
            "Distribution that is never installed, as if nothing required it."),
        Option("no_inherit", "texts", "--no-inherit NAME", "Distribution whose copy on the host does not count."),
        Option("optional", "texts", "--optional NAME", "Distribution of the request that may be missing in the end."),
        Option("verify", "texts", "--verify MODULE",
            "Import that must succeed before a build counts: `module` or `module:attribute`."),
        Option("protect", "texts", "--protect NAME",
            "Host distribution that may be neither broken nor replaced.", setting="VENVKIT_PROTECT"),
        Option("sources", "pairs", "--source NAME=URL", "The one index that a distribution comes from."),
        Option("only_binary", "texts", "--only-binary NAME",
            "Distribution that is never built from source; :all: for all."),
        Option("no_build", "texts", "--no-build NAME",
            "Distribution for which a plan that builds it is refused; :all: for all."),
        Option("exclude_newer", "text", "--exclude-newer DATE|AGE",
            "Ignore what was uploaded after a date or time, or is younger than an age.",
            setting="VENVKIT_EXCLUDE_NEWER"),
        Option("torch_backend", "text", "--torch-backend LINE",
            "Line of torch's own indexes: auto, cpu, or such as cu130."),
        lever=True,
    ),
)
"""Every option of a call, in the order of the help."""

SPEC_ONLY: tuple[Option, ...] = _section(
    "Spec",
    Option("inherit_pip_config", "flag", "",
        "Take index, find-links, trusted hosts and certificates from pip's configuration; true if not said.",
        field="inherit_pip_config"),
    Option("trusted_hosts", "texts", "", "Host, or host:port, whose certificate is not checked.", field="trusted_host"),
    Option("no_build_isolation", "flag", "",
        "Build with the packages of the environment and the host, instead of in an environment made for the build.",
        field="no_build_isolation"),
)
"""Fields of a spec's `virtualenv` block that no call may choose."""
# fmt: on

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
LEVERS: tuple[Option, ...] = tuple(option for option in OPTIONS if option.lever)
BLOCK: tuple[Option, ...] = tuple(option for option in (*OPTIONS, *SPEC_ONLY) if option.field)
"""The options that a spec's `virtualenv` block may hold, by `field`."""


def read_choices(choices: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for every option of a call, each in its one form. None counts as not chosen.

    Args:
        choices: What the caller chose, by keyword.
        environ: The environment, for the home directory that `~` stands for.

    Raises:
        UsageError: There is no such option (`option-unknown`), or a value is of another form (`option-invalid`).
    """
    unknown = choices.keys() - BY_NAME.keys()
    if unknown:
        raise UsageError(
            f"unknown option: {', '.join(sorted(unknown))}",
            code="option-unknown",
            remedy=f"known are {', '.join(BY_NAME)}",
        )
    home = environ.get("HOME", "")
    given = {name: value for name, value in choices.items() if value is not None}
    return {name: one.read(given[name], home) if name in given else one.unset for name, one in BY_NAME.items()}


def decisive(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were chosen and that decide which environment answers, for keys and records."""
    return {name: value for name, value in choices.items() if BY_NAME[name].keyed and value != BY_NAME[name].unset}
