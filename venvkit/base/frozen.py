"""`dataclass(frozen=True, slots=True)`, made several times as fast, for the values of the slow path.

The standard one compiles seven functions for each class; for the hundred values that a build imports that is a third of
its start. This one compiles `__init__` and shares the rest. What it makes is a dataclass for all who ask (`replace`,
`fields`, `asdict`, pickle, msgspec), and a checker takes it for the standard one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
        """Return the decorator; `frozen` and `slots` are there for who reads the class, and must be true."""
        if not (frozen and slots):
            raise TypeError("other dataclasses are the standard library's business")
        return lambda cls: _make(cls, kw_only=kw_only)


def _make(cls: Any, *, kw_only: bool) -> Any:
    if any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:]):
        return dataclasses.dataclass(frozen=True, slots=True, kw_only=kw_only)(cls)
    # A class without a docstring gets its signature for one, which is dear; nobody reads it.
    cls.__doc__ = cls.__doc__ or cls.__name__
    # What a field is, is the standard library's to say.
    dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    namespace = {name: value for name, value in vars(cls).items() if name not in fields}
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    shared = _shared(fields)
    namespace = {**shared, **namespace, "__slots__": tuple(fields), "__init__": _init(cls, fields, kw_only=kw_only)}
    namespace["__hash__"] = namespace["__hash__"] or shared["__hash__"]
    namespace["__dataclass_params__"] = _PARAMETERS
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    return made


def _init(cls: Any, fields: dict[str, dataclasses.Field[Any]], *, kw_only: bool) -> Any:
    known: dict[str, Any] = {"_set": object.__setattr__, "_absent": dataclasses.MISSING}
    heads, lines = [], []
    for name, field in fields.items():
        head, value = name, name
        if field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            head, value = f"{name}=_absent", f"_make_{name}() if {name} is _absent else {name}"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            head = f"{name}=_default_{name}"
        heads.append(head)
        lines.append(f" _set(_self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" _self.__post_init__()")
    star = ["*"] if kw_only and heads else []
    made: dict[str, Any] = {}
    exec("\n".join([f"def __init__({', '.join(['_self', *star, *heads])}):", *(lines or [" pass"])]), known, made)
    return made["__init__"]


def _shared(fields: dict[str, dataclasses.Field[Any]]) -> dict[str, Any]:
    """Return what needs no code of its own."""
    compared = [name for name, field in fields.items() if field.compare]
    shown = [name for name, field in fields.items() if field.repr]
    content = _content(compared)

    def equal(self: Any, other: Any) -> bool:
        return bool(content(self) == content(other)) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(content(self))

    def shape(self: Any) -> str:
        return f"{self.__class__.__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def state(self: Any) -> list[Any]:
        return [getattr(self, name) for name in fields]

    def restore(self: Any, values: list[Any]) -> None:
        for name, value in zip(fields, values, strict=True):
            object.__setattr__(self, name, value)

    return {
        "__eq__": equal,
        "__hash__": hashed,
        "__repr__": shape,
        "__getstate__": state,
        "__setstate__": restore,
        "__setattr__": _refuse_to_assign,
        "__delattr__": _refuse_to_delete,
    }


def _content(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    one = attrgetter(*names) if names else None
    return lambda self: () if one is None else (one(self),)


def _refuse_to_assign(_: object, name: str, __: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Sample:
    """What the standard one makes of these flags."""


_PARAMETERS = vars(_Sample)["__dataclass_params__"]
