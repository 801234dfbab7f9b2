"""The account of sources says what is in force, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.spec.conftest import World
from venvkit.spec.configuration.sources import Sources, stated_sources, with_engine, with_pins, with_public
from venvkit.spec.configuration.statements import Statement, settled, without
from venvkit.spec.engines import CudaIndex, Engine
from venvkit.spec.levers import Levers
from venvkit.spec.model import ModelSpec
from venvkit.spec.request import Choice, build_request

URLS = st.sampled_from([f"https://{name}.example/{line}" for name in "ab" for line in ("cu130", "cu128", "all")])
LISTS = st.lists(URLS, max_size=3, unique=True).map(tuple)
STRATEGIES = st.sampled_from([None, "first-index", "unsafe-best-match"])
SOURCES = st.builds(
    Sources,
    index_url=st.none() | URLS,
    extra_index_urls=LISTS,
    find_links=LISTS,
    trusted_hosts=st.lists(st.sampled_from(["a.example", "b.example"]), max_size=2, unique=True).map(tuple),
    index_strategy=STRATEGIES,
    no_index=st.booleans(),
    cert=st.none() | st.just("/ca.pem"),
)
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


def told(sources: Sources, kind: str) -> tuple[str, ...]:
    return tuple(one.value for one in sources.statements if one.kind == kind and not one.dropped)


def without_index(sources: Sources) -> Sources:
    """What a reader of pip's configuration hands on: it names no index where none is to be asked."""
    return replace(sources, index_url=None, extra_index_urls=()) if sources.no_index else sources


@settings(deadline=None)
@given(
    SOURCES,
    SOURCES,
    st.none() | SOURCES.map(without_index),
    ENGINES,
    LISTS,
    st.sampled_from([None, "12.8", "13.0"]),
)
def test_what_the_account_has_in_force_is_what_is_in_force(first, second, pip, engine, host, cuda):
    first, second = replace(first, no_index=False, cert=None), replace(second, no_index=False, cert=None)
    machine = World().gpu(cuda) if cuda else World()
    stated = stated_sources(first, second, pip)
    found, tied = with_engine(
        stated, engine, host_urls=tuple((url, "torch==1") for url in host), context=machine.context()
    )
    found = with_public(found, ("https://a.example/",))
    assert told(found, "extra-index") == found.extra_index_urls
    assert told(found, "index") == ((found.index_url,) if found.index_url else ())
    assert told(found, "index-strategy") == ((found.index_strategy,) if found.index_strategy else ())
    assert told(found, "find-links") == found.find_links
    assert told(found, "trusted-host") == found.trusted_hosts
    assert told(found, "cert") == ((found.cert,) if found.cert else ())
    assert [(one.package, one.value) for one in found.statements if one.package and not one.dropped] == list(tied)
    assert set(found.optional_index_urls) <= set(found.extra_index_urls)
    if found.no_index:
        assert found.index_url is None
        assert found.extra_index_urls == ()


def test_the_account_is_no_part_of_the_value():
    """Neither it nor how a source is reached makes another request, and so another environment."""
    sources = Sources(index_url="https://a.example", cert="/ca.pem")
    other = replace(sources, statements=(Statement("index", "https://x.example", "spec"),), cert="/other.pem")
    assert other.decisive == sources.decisive
    assert replace(other, cert=sources.cert) == sources


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
