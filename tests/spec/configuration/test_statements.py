"""The account of sources says what is in force, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.spec.conftest import World
from venvkit.spec.configuration.sources import Sources, stated_sources, with_engine, with_pins, with_public
from venvkit.spec.configuration.statements import By, Statement, settled, without
from venvkit.spec.engines import CudaIndex, Engine
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import Choice, build_request

URLS = st.sampled_from([f"https://{name}.example/{line}" for name in "ab" for line in ("cu130", "cu128", "all")])
LISTS = st.lists(URLS, max_size=3, unique=True).map(tuple)
STRATEGIES = st.sampled_from([None, "first-index", "unsafe-best-match"])

Fields = dict[str, Any]


def say(by: By, fields: Fields) -> Sources:
    """The value for a speaker's fields; pip's reader names no index where none is to be asked."""
    if fields["no_index"]:
        fields = {**fields, "index_url": None, "extra_index_urls": ()}
    further = [Statement("no-index", "yes", by)] if fields["no_index"] else []
    further += [Statement("cert", fields["cert"], by)] if fields["cert"] else []
    known = {name: value for name, value in fields.items() if name not in ("no_index", "cert")}
    return Sources.said(by, **known).adding(further)


def fields(**further: Any) -> st.SearchStrategy[Fields]:
    return st.fixed_dictionaries(
        {
            "index_url": st.none() | URLS,
            "extra_index_urls": LISTS,
            "find_links": LISTS,
            "trusted_hosts": st.lists(st.sampled_from(["a.example", "b.example"]), max_size=2, unique=True).map(tuple),
            "index_strategy": STRATEGIES,
            "no_index": st.just(False),
            "cert": st.none(),
            **further,
        }
    )


OURS = fields()
PIPS = fields(no_index=st.booleans(), cert=st.none() | st.just("/ca.pem"))
CUDA = st.builds(
    CudaIndex,
    cuda=st.sampled_from([">=13", ">=12,<13", ">=12"]),
    index_url=URLS,
    packages=st.sampled_from([(), ("kernels",), ("kernels", "more")]),
)
ENGINES = st.none() | st.builds(
    Engine,
    name=st.just("mine"),
    extra_index_urls=LISTS,
    optional_index_urls=LISTS,
    cuda_indexes=st.lists(CUDA, max_size=3).map(tuple),
    index_strategy=STRATEGIES,
)


def together(*lists: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for each in lists for one in each))


@settings(deadline=None)
@given(OURS, OURS, st.none() | PIPS, ENGINES, LISTS, st.sampled_from([None, "12.8", "13.0"]))
def test_what_is_in_force_follows_from_who_says_it(first, second, pip, engine, host, cuda):
    """The rules in other words: caller and spec add up, and an index of theirs replaces all indexes of pip's."""
    machine = World().gpu(cuda) if cuda else World()
    stated = stated_sources(say("caller", first), say("spec", second), say("pip", pip) if pip else None)
    pip = pip or dict.fromkeys(first, None)
    own = together(first["extra_index_urls"], second["extra_index_urls"])
    mine = bool(own or first["index_url"] or second["index_url"])
    silent = bool(pip["no_index"])
    index = first["index_url"] or second["index_url"] or (None if mine or silent else pip["index_url"])
    extra = own if mine or silent else pip["extra_index_urls"] or ()
    strategy = first["index_strategy"] or second["index_strategy"] or (None if mine else pip["index_strategy"])
    assert (stated.index_url, stated.extra_index_urls, stated.index_strategy) == (index, extra, strategy)
    assert stated.no_index == (silent and not mine)
    assert stated.cert == pip["cert"]
    for name in ("find_links", "trusted_hosts"):
        assert getattr(stated, name) == together(first[name], second[name], pip[name] or ())

    found, tied = with_engine(
        stated, engine, host_urls=tuple((url, "torch==1") for url in host), context=machine.context()
    )
    found = with_public(found, ("https://a.example/",))
    assert found.index_url == index
    assert found.extra_index_urls[: len(extra)] == extra
    assert extra == () or found.extra_index_urls == extra
    assert extra or stated.no_index or found.extra_index_urls[: len(host)] == host
    assert not found.no_index or found.extra_index_urls == ()
    combining = engine.index_strategy if engine and found.extra_index_urls else None
    assert found.index_strategy == (strategy or combining)
    assert [(one.package, one.value) for one in found.statements if one.package and not one.dropped] == list(tied)
    public = {url for url in found.extra_index_urls if url.startswith("https://a.example/")}
    added = set(found.extra_index_urls) - set(extra)
    assert set(found.optional_index_urls) == public | (added & {*host, *(engine.optional_index_urls if engine else ())})


def test_a_key_sees_values_and_not_who_said_them():
    """Neither speakers nor how a source is reached makes another request, and so another environment."""
    said = [Statement("index", "https://a.example", "spec"), Statement("index", "https://x.example", "pip", "pip.conf")]
    other = Sources(settled([*said, Statement("cert", "/other.pem", "pip")]))
    assert other.decisive == Sources.said("caller", index_url="https://a.example").decisive
    assert other.decisive != Sources.said("caller", index_url="https://x.example").decisive
    bound = other.adding([Statement("no-binary", "lib", "pip")])
    assert bound.decisive != other.decisive


def test_an_index_that_is_away_is_dropped_for_that_reason():
    urls = ("https://a.example", "https://b.example")
    sources = replace(Sources.said("caller", extra_index_urls=urls), optional_index_urls=urls)
    there = sources.without_indexes([urls[0]])
    assert (there.extra_index_urls, there.optional_index_urls) == (urls[1:], urls[1:])
    assert [one.dropped for one in there.statements] == ["it cannot be reached, and is optional", ""]


def test_the_strongest_speaker_is_heard():
    said = (
        Statement("index", "https://a", "caller"),
        Statement("index", "https://b", "spec"),
        Statement("index", "https://a", "uv", "UV_DEFAULT_INDEX"),
        Statement("extra-index", "https://c", "spec", dropped="gone"),
        Statement("extra-index", "https://c", "uv", "UV_INDEX"),
        Statement("extra-index", "https://c", "uv", "/uv.toml"),
    )
    assert [one.dropped for one in settled(said)] == [
        "", "the caller says otherwise", "the caller says so already", "gone", "", "UV_INDEX says so already",
    ]  # fmt: skip
    assert [one.dropped for one in without(said, ("extra-index",), "no")] == ["", "", "", "gone", "no", "no"]


@pytest.mark.parametrize(("model", "by"), [("https://spec.example", "spec"), (None, "engine")])
def test_who_ties_a_package_to_an_index(engines, world, model, by):
    spec = ModelSpec("m", ("#llama_cpp_dependencies#",))
    if model:
        spec = replace(spec, levers=Levers(sources=(("xllamacpp", model),)))
    choice, context = Choice(engine="llama.cpp"), world.gpu("13.2").context()
    request = build_request(spec, choice, engines=engines, context=context, host_versions={}, pip=None)
    (told_by,) = [one for one in request.sources.statements if one.package == "xllamacpp" and not one.dropped]
    assert (told_by.by, told_by.value) == (by, dict(request.levers.sources)["xllamacpp"])


def test_pins_are_told_the_strongest_first():
    pins = (("caller", (("Tool.X", "https://a"),)), ("rule", (("tool-x", "https://b"),)))
    first, second = with_pins(Sources(), pins).statements
    assert (first.value, first.dropped, second.dropped) == ("https://a", "", "the caller says otherwise")
