"""The model spec: a model's name and its `virtualenv` block, from JSON or TOML, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from venvkit.base.documents import decode, format_of, read_document
from venvkit.errors import SpecError
from venvkit.spec.fields import Faults, Reader, Table, kind_of
from venvkit.spec.language.requirement import Line, parse_line, with_absolute_path
from venvkit.spec.language.urls import absolute_path, check_find_links, check_host, check_index_url, has_control, quoted
from venvkit.spec.levers import Levers
from venvkit.spec.options import BLOCK, BY_NAME

INDEX_STRATEGIES = BY_NAME["index_strategy"].words
BLOCK_FIELDS = tuple(option.field for option in BLOCK)
_NAME_BYTES = 200


class ModelSpec(Struct, frozen=True):
    """The requirements and options of a model; an invalid spec cannot be made.

    Args:
        name: The model's name; it becomes one component of a path.
        packages: Strings of the requirement language.
        type: The spec's `model_type`, `""` where it has none.
        formats: The model formats it comes in.
        inherit_pip_config: Take from pip's configuration what is not set here.
        index_url: The index, instead of the configured one.
        extra_index_urls: Further indexes.
        find_links: Directories or pages of wheels.
        trusted_hosts: Hosts whose certificates are not checked.
        index_strategy: How several indexes are combined, in uv's words.
        no_build_isolation: Build with what the environment has, instead of in one made for the build.
        levers: How the request is to be solved.
        origin: Where the spec comes from, a file as a rule.

    Raises:
        SpecError: A value is malformed; `where` names it.
    """

    name: str
    packages: tuple[str, ...]
    type: str = ""
    formats: tuple[str, ...] = ()
    inherit_pip_config: bool = True
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    index_strategy: str | None = None
    no_build_isolation: bool = False
    levers: Levers = Levers()
    origin: str = ""

    def __post_init__(self) -> None:
        check_model_name(self.name)
        self.lines()
        for attribute, (field, check) in _CHECKS.items():
            value = getattr(self, attribute)
            for index, text in enumerate((value,) if attribute in _SINGLE else value):
                if text is not None:
                    check(text, f"virtualenv.{field}" if attribute in _SINGLE else f"virtualenv.{field}[{index}]")

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, origin: str = "the given spec") -> ModelSpec:
        """Return the spec of a decoded JSON or TOML object.

        Example:
            >>> ModelSpec.from_dict({"model_name": "m", "virtualenv": {"packages": ["six"]}}).packages
            ('six',)

        Raises:
            SpecError: `spec-invalid` with all faults as details.
        """
        return parse_object(dict(table), origin=origin)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> ModelSpec:
        """Return the one spec of a JSON or TOML file.

        Raises:
            SpecError: As `load_specs`, or the file holds several (`model-ambiguous`).
        """
        found = load_specs(path)
        if len(found) > 1:
            names = ", ".join(spec.name for spec in found)
            raise SpecError(
                f"the file holds several specs: {names}",
                code="model-ambiguous",
                where=str(path),
                remedy="take one of those that `venvkit.load_specs` returns",
            )
        return found[0]

    def lines(self) -> tuple[Line, ...]:
        """Return the packages, parsed."""
        return tuple(
            parse_line(text, place=f"virtualenv.packages[{index}]") for index, text in enumerate(self.packages)
        )


def check_model_name(name: str, place: str = "model_name") -> None:
    """Refuse a name that is not one safe path component on every system.

    Raises:
        SpecError: `model-name`.
    """
    reason = ""
    if not name:
        reason = "is empty"
    elif len(name.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        reason = f"is longer than {_NAME_BYTES} bytes"
    elif "/" in name or "\\" in name:
        reason = "holds a path separator"
    elif has_control(name) or any("\ud800" <= letter <= "\udfff" for letter in name):
        reason = "holds a control character or a line break"
    elif name != name.strip():
        reason = "begins or ends with a blank"
    elif name.startswith((".", "-")):
        reason = f"begins with `{name[0]}`"
    if reason:
        raise SpecError(
            f"the model name {quoted(name)} {reason}",
            code="model-name",
            where=place,
            remedy="name the model with letters, digits, `.`, `_`, `-`",
        )


def check_index_strategy(text: str, place: str) -> None:
    """Refuse an index strategy that uv does not know.

    Raises:
        SpecError: `spec-invalid`.
    """
    if text not in INDEX_STRATEGIES:
        raise SpecError(
            f"{quoted(text)} is not an index strategy",
            where=place,
            remedy=f"use one of {', '.join(INDEX_STRATEGIES)}",
        )


# Attributes of a spec, each with its field in the block and the check of each text in it.
_CHECKS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "index_url": ("index_url", check_index_url),
    "extra_index_urls": ("extra_index_url", check_index_url),
    "find_links": ("find_links", check_find_links),
    "trusted_hosts": ("trusted_host", check_host),
    "index_strategy": ("index_strategy", check_index_strategy),
}
_SINGLE = ("index_url", "index_strategy")
_FLAGS = {"inherit_pip_config": True, "no_build_isolation": False}


def load_specs(path: str | PathLike[str]) -> tuple[ModelSpec, ...]:
    """Return the specs of a JSON or TOML file; the origin of each is the path.

    Raises:
        SpecError: `spec-not-found`, `spec-unreadable`, `spec-malformed` or `spec-invalid`.
    """
    file = Path(path)
    text = read_document(file, code="spec-not-found")
    return parse_specs(text, origin=str(path), format=format_of(file), folder=str(file.absolute().parent))


def parse_specs(
    text: bytes, *, origin: str, format: Literal["json", "toml"], folder: str | None = None
) -> tuple[ModelSpec, ...]:
    """Return the specs in `text`: one object, or a list of them (in TOML: `[[model]]`).

    Objects without a `virtualenv` block are passed over, unless none has one.

    Args:
        origin: Where it comes from, for messages and for `ModelSpec.origin`.
        folder: What the relative paths of its requirements and find_links are relative to: the folder of the file.

    Raises:
        SpecError: `spec-malformed` with line and column, or `spec-invalid` with all faults as details.
    """
    faults = Faults()
    readers = _objects(decode(text, origin=origin, format=format), format, faults)
    return _checked(readers, faults, origin, folder=folder)


def parse_object(table: Table, *, origin: str, type: str | None = None, folder: str | None = None) -> ModelSpec:
    """Return the spec of one object of a document that is decoded already, whatever the other objects are like.

    Args:
        origin: Where it comes from, the position in the file included; for messages and for `ModelSpec.origin`.
        type: Its model type, where that is known; None takes the object's own `model_type`.
        folder: What the relative paths of its requirements and find_links are relative to: the folder of the file.

    Raises:
        SpecError: `spec-invalid` with all faults as details, one of them a missing `virtualenv` block.
    """
    faults = Faults()
    return _checked((Reader(table, "", faults),), faults, origin, type=type, folder=folder)[0]


def _checked(
    readers: tuple[Reader, ...], faults: Faults, origin: str, *, type: str | None = None, folder: str | None
) -> tuple[ModelSpec, ...]:
    specs: list[ModelSpec] = []
    blocks = [reader for reader in readers if reader.table.get("virtualenv") is not None]
    for reader in blocks:
        spec = _spec(reader, faults, origin=origin, type=type, folder=folder)
        if spec is not None:
            specs.append(spec)
    if not blocks and not faults.found:
        remedy = 'add "virtualenv": {"packages": [...]}'
        faults.add("virtualenv", "no model in the file has this block", remedy=remedy)
    count = len(faults.found)
    faults.raise_all(f"the model spec has {count} fault{'s' if count > 1 else ''}", code="spec-invalid", where=origin)
    return tuple(specs)


def _objects(document: object, format: str, faults: Faults) -> tuple[Reader, ...]:
    if isinstance(document, list):
        return Reader({"": document}, "", faults).inners("")
    if not isinstance(document, dict):
        faults.add("", f"a model spec is an object or a list of objects, not {kind_of(document)}")
        return ()
    if format == "toml" and "model" in document:
        return Reader(document, "", faults).inners("model")
    return (Reader(document, "", faults),)


def _spec(reader: Reader, faults: Faults, *, origin: str, type: str | None, folder: str | None) -> ModelSpec | None:
    before = len(faults.found)
    name = _name(reader, faults)
    block = reader.inner("virtualenv")
    if block is None:
        return None
    block.only(BLOCK_FIELDS)
    if block.table.get("packages") is None:
        faults.add(block.at("packages"), "is missing", remedy='add "packages": [...]')

    def located(text: str) -> str:
        return with_absolute_path(text, folder)

    def check_line(text: str, place: str) -> None:
        parse_line(located(text), place=place)

    packages = block.texts("packages", check_line, single=False)
    read: dict[str, Any] = {
        attribute: (block.text if attribute in _SINGLE else block.texts)(field, check)
        for attribute, (field, check) in _CHECKS.items()
    }
    levers = block.levers(located)
    flags: dict[str, Any] = {name: block.flag(name, default) for name, default in _FLAGS.items()}
    if name is None or len(faults.found) > before:
        return None
    read["find_links"] = tuple(absolute_path(one, folder) for one in read["find_links"])
    kind = reader.table.get("model_type") if type is None else type
    return ModelSpec(
        name,
        tuple(map(located, packages)),
        kind if isinstance(kind, str) else "",
        _formats(reader.table.get("model_specs")),
        levers=levers,
        origin=origin,
        **read,
        **flags,
    )


def _name(reader: Reader, faults: Faults) -> str | None:
    # Some world models of the catalogue go by their family alone.
    field = "model_name" if reader.table.get("model_name") is not None else "model_family"
    value = reader.table.get(field)
    if value is None:
        faults.add(reader.at("model_name"), "is missing", remedy="give the model a name")
    elif not isinstance(value, str):
        faults.add(reader.at(field), f"wants a string, not {kind_of(value)}")
    else:
        with faults.noting():
            check_model_name(value, reader.at(field))
        return value
    return None


def _formats(value: object) -> tuple[str, ...]:
    """Return the formats in `model_specs`; anything odd there is none of our business."""
    found: dict[str, None] = {}
    for entry in value if isinstance(value, list) else ():
        name = entry.get("model_format") if isinstance(entry, dict) else None
        if isinstance(name, str) and name:
            found[name] = None
    return tuple(found)
