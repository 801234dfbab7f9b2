"""The values of the house behave as frozen, slotted dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import field
from typing import Any

import msgspec
import pytest

from venvkit.base import frozen


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """A value."""

    name: str
    count: int = 3
    tags: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    aside: int = field(default=0, compare=False)
    secret: str = field(default="", repr=False)

    @property
    def twice(self) -> int:
        return self.count * 2


@frozen.dataclass(frozen=True, slots=True)
class Fast:
    """A value."""

    name: str
    count: int = 3
    tags: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    aside: int = field(default=0, compare=False)
    secret: str = field(default="", repr=False)

    @property
    def twice(self) -> int:
        return self.count * 2


@frozen.dataclass(frozen=True, slots=True)
class Single:
    value: int


@frozen.dataclass(frozen=True, slots=True)
class Empty:
    """Nothing."""


@frozen.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    first: int
    second: int = 2

    def __post_init__(self) -> None:
        if self.first > self.second:
            raise ValueError("out of order")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.second == self.second

    def __hash__(self) -> int:
        return self.second


@frozen.dataclass(frozen=True, slots=True)
class Derived(Single):
    more: int = 1


def shape(kind: Any) -> object:
    parameters = [(item.name, item.kind) for item in inspect.signature(kind).parameters.values()]
    return parameters, kind.__slots__, kind.__match_args__, kind.__dataclass_params__.frozen, kind.__doc__


def test_it_is_made_as_the_standard_one() -> None:
    assert shape(Fast) == shape(Standard)
    assert [item.name for item in dataclasses.fields(Fast)] == [item.name for item in dataclasses.fields(Standard)]
    assert not hasattr(Fast("a"), "__dict__")
    assert Fast.__module__ == __name__


@pytest.mark.parametrize("kind", [Standard, Fast])
def test_it_behaves_as_the_standard_one(kind: Any) -> None:
    one = kind("a", tags=("x",))
    assert (one.name, one.count, one.tags, one.notes, one.twice) == ("a", 3, ("x",), [], 6)
    assert one.notes is not kind("a").notes
    assert repr(one) == f"{kind.__name__}(name='a', count=3, tags=('x',), notes=[], aside=0)"
    assert one == kind("a", 3, ("x",), aside=9)
    assert one != kind("b", 3, ("x",))
    assert one != "a"
    assert dataclasses.asdict(one)["tags"] == ("x",)
    assert dataclasses.replace(one, count=4).count == 4
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.copy(one) == one
    assert msgspec.json.decode(msgspec.json.encode(one), type=kind) == one
    with pytest.raises(TypeError):
        hash(one)  # a list is in it
    with pytest.raises(TypeError):
        kind()
    with pytest.raises(TypeError):
        kind("a", unknown=1)


@pytest.mark.parametrize("value", [Fast("a"), Single(1), Empty()])
def test_nothing_can_be_assigned(value: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.unknown = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.name


def test_few_fields() -> None:
    assert (Single(1), hash(Single(1)), repr(Single(1))) == (Single(1), hash(Single(1)), "Single(value=1)")
    assert Single(1) != Single(2)
    assert (Empty(), repr(Empty())) == (Empty(), "Empty()")
    assert len({Single(1), Single(1), Single(2), Empty(), Empty()}) == 3


def test_what_a_class_defines_itself_stays() -> None:
    assert Named(first=1) == Named(first=0)
    assert hash(Named(first=1)) == 2
    with pytest.raises(ValueError, match="out of order"):
        Named(first=3)
    with pytest.raises(TypeError):
        Named(1)  # type: ignore[misc]


def test_a_derived_value() -> None:
    assert dataclasses.replace(Derived(1), more=5) == Derived(1, 5)
    assert Derived(1) != Single(1)


def test_other_flags_are_refused() -> None:
    with pytest.raises(TypeError):
        frozen.dataclass(frozen=True, slots=False)
