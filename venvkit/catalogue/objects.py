"""Models from the objects of JSON and TOML documents, without checking their requirements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from venvkit.base.digest import digest
from venvkit.catalogue.values import Model, Place


def objects_in(document: object) -> list[object]:
    """Return the objects that a decoded document holds: itself, or those of its list (in TOML: `[[model]]`)."""
    if isinstance(document, dict) and isinstance(document.get("model"), list):
        return list(document["model"])
    return document if isinstance(document, list) else [document]


def name_of(table: Mapping[str, object]) -> str:
    """Return the name of a model, `""` where it has none that can be one."""
    name = table.get("model_name")
    # Some world models of the catalogue go by their family alone.
    return _text(name if name is not None else table.get("model_family"))


def has_block(table: Mapping[str, object]) -> bool:
    """Tell whether an object has a `virtualenv` block of any content."""
    return table.get("virtualenv") is not None


def describe(
    table: Mapping[str, object], *, place: Place, path: str, type: str = "", index: int = 0, single: bool = True
) -> Model:
    """Return the model that an object stands for; its variant is 1.

    Args:
        place: Where it is offered.
        path: The file or URL that it is read from.
        type: The type that its place gives; `""` takes the object's own `model_type`.
        index: Its position among the objects of the file.
        single: Whether it is the only one.
    """
    entries = table.get("model_specs")
    tables = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return Model(
        name_of(table),
        type or _text(table.get("model_type")),
        place,
        path,
        index=index,
        engine=_text(table.get("engine")),
        format=_text(table.get("model_format")),
        formats=tuple(dict.fromkeys(filter(None, (_text(entry.get("model_format")) for entry in tables)))),
        quantization=_text(table.get("quantization")),
        block=_digest(table.get("virtualenv")),
        single=single,
    )


def numbered(models: Iterable[Model]) -> tuple[Model, ...]:
    """Return the models of one place with their variants counted, in their order; all come as variant 1."""
    counts: dict[tuple[str, str], int] = {}
    found: list[Model] = []
    for model in models:
        key = (model.name, model.type.lower())
        counts[key] = counts.get(key, 0) + 1
        found.append(model if counts[key] == 1 else replace(model, variant=counts[key]))
    return tuple(found)


def _digest(block: object) -> str:
    try:
        return digest(block)
    except (TypeError, ValueError, RecursionError):  # a date, or what is no Unicode: faulty, and so like no other
        return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
