"""A running server as a source of models, against a real HTTP server on loopback."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
from msgspec.structs import replace

from tests.catalogue.hosts import get_catalogue
from tests.catalogue.server_standin import StandIn
from tests.catalogue.shelves import put, spec
from tests.servers import Authority, Reply
from venvkit.base.http import Limits
from venvkit.catalogue.endpoint import network_to, parse_endpoint
from venvkit.catalogue.find import Asked, find_model
from venvkit.catalogue.registrations import LIMITS
from venvkit.catalogue.server import TYPES, Server
from venvkit.errors import CancelledError, SettingError, SourceError, SpecError, UsageError, VenvkitError
from venvkit.events import Event, Waiting, ignore
from venvkit.settings import load_settings
from venvkit.spec.model import ModelSpec

KEY = "xf-a-key-that-nobody-may-see"
API = "/v1/model_registrations"


@pytest.fixture
def standin(home: Path, tmp_path: Path) -> Iterator[StandIn]:
    folder = tmp_path / "catalogue"
    put(folder / "llm" / "tiny.json", spec("tiny-chat", "tiny==1.0", model_specs=[{"model_format": "pytorch"}]))
    put(folder / "embedding" / "all.json", spec("tiny-embed", "tiny>=1"), spec("other-embed", "tiny<1"))
    with StandIn(folder) as server:
        yield server


def ask(
    url: str,
    *,
    cancel: threading.Event | None = None,
    observer: Callable[[Event], None] = ignore,
    limits: Limits = LIMITS,
    **environ: str,
) -> Server:
    """Return the source, as a call with these variables has it. A dead server is given up at once."""
    given = {"XINFERENCE_ENDPOINT": url, "XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD": "0", **environ}
    return Server(load_settings(given), given, cancel=cancel, observer=observer, limits=limits)


def refused(work: Callable[[], object], kind: type[VenvkitError] = SourceError) -> VenvkitError:
    with pytest.raises(kind) as caught:
        work()
    return caught.value


# -- what is found ------------------------------------------------------------------------------------------


def test_a_model_is_found_by_its_name(standin: StandIn) -> None:
    source = ask(standin.url)
    listing = source.named("tiny-chat")
    (model,) = listing.models
    page = f"{standin.url}{API}/LLM/tiny-chat"
    assert (model.name, model.type, model.variant, model.formats) == ("tiny-chat", "llm", 1, ("pytorch",))
    assert (model.place.kind, model.place.folder, model.origin) == ("server", standin.url, page)
    assert (listing.watches, listing.faults, listing.bare) == ((), (), ())
    assert [place.folder for place in listing.looked] == [standin.url]
    assert source.load(model) == ModelSpec("tiny-chat", ("tiny==1.0",), type="llm", formats=("pytorch",), origin=page)
    assert standin.asked[0].path == "/status"


def test_one_type_asks_for_that_alone(standin: StandIn) -> None:
    assert [model.name for model in ask(standin.url).named("tiny-embed", type="Embedding").models] == ["tiny-embed"]
    assert standin.paths == [f"{API}/embedding", f"{API}/embedding/tiny-embed"]


def test_every_type_is_asked_for_in_the_servers_spelling(standin: StandIn) -> None:
    for type in TYPES:
        put(standin.folder / type / "same.json", spec("same", f"for-{type}"))
    source = ask(standin.url)
    listing = source.named("same")
    assert [model.type for model in listing.models] == list(TYPES)
    assert [source.load(model).packages for model in listing.models] == [(f"for-{type}",) for type in TYPES]
    assert f"{API}/LLM/same" in standin.paths


def test_everything_is_listed_with_one_question_for_each_type(standin: StandIn) -> None:
    source = ask(standin.url)
    listing = source.all()
    assert [(model.type, model.name) for model in listing.models] == [
        ("llm", "tiny-chat"),
        ("embedding", "other-embed"),
        ("embedding", "tiny-embed"),
    ]
    assert [source.load(model).packages for model in listing.models] == [("tiny==1.0",), ("tiny<1",), ("tiny>=1",)]
    assert standin.paths == [f"{API}/{type}?detailed=true" for type in standin.types]
    assert [model.origin for model in listing.models] == [
        f"{standin.url}{API}/{path}" for path in ("LLM/tiny-chat", "embedding/other-embed", "embedding/tiny-embed")
    ]


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "no#1", "a%20b", "größe", "x&y=z", "a+b", "semi;colon"])
def test_a_name_reaches_the_server_as_it_is(standin: StandIn, name: str) -> None:
    put(standin.folder / "image" / "odd.json", spec(name, "odd"))
    source = ask(standin.url)
    (model,) = source.named(name).models
    assert source.load(model).name == name
    # The page of the model had the answer: the detailed list was not needed.
    assert not [path for path in standin.paths if "detailed" in path]


def test_a_listed_model_without_a_page_is_read_from_the_list(standin: StandIn) -> None:
    standin.second_hub = frozenset({"tiny-embed"})
    source = ask(standin.url)
    (model,) = source.named("tiny-embed").models
    assert source.load(model).packages == ("tiny>=1",)


def test_several_variants_of_a_name_are_numbered(standin: StandIn) -> None:
    standin.folds = False
    variants = [spec("many", f"tiny=={n}.0", engine=engine) for n, engine in enumerate(("one", "two", "one"))]
    put(standin.folder / "audio" / "many.json", *variants)
    for listing in ((source := ask(standin.url)).named("many"), source.all()):
        models = [model for model in listing.models if model.name == "many"]
        page = f"{standin.url}{API}/audio/many"
        assert [(model.variant, model.engine) for model in models] == [(1, "one"), (2, "two"), (3, "one")]
        assert [model.origin for model in models] == [f"{page}[0]", f"{page}[1]", f"{page}[2]"]
        assert [source.load(model).packages for model in models] == [("tiny==0.0",), ("tiny==1.0",), ("tiny==2.0",)]
    found = find_model(Asked("many", engine="two"), [source])
    assert found.spec.packages == ("tiny==1.0",)


def test_a_page_with_a_list_of_variants_is_read(standin: StandIn) -> None:
    variants = [spec("tiny-chat", f"tiny=={n}.0") for n in (1, 2)]
    standin.replies[f"{API}/LLM/tiny-chat"] = Reply(body=json.dumps(variants).encode())
    source = ask(standin.url)
    models = source.named("tiny-chat").models
    assert [source.load(model).packages for model in models] == [("tiny==1.0",), ("tiny==2.0",)]


def test_an_older_server_is_asked_for_each_model(standin: StandIn) -> None:
    standin.detailed, standin.types = False, standin.types[:-1]
    source = ask(standin.url)
    listing = source.all()
    assert [source.load(model).packages for model in listing.models] == [("tiny==1.0",), ("tiny<1",), ("tiny>=1",)]
    assert source.named("tiny-chat", type="world").models == ()


def test_a_model_without_a_block_is_no_model_but_known(standin: StandIn) -> None:
    put(standin.folder / "video" / "bare.json", {"model_name": "bare"})
    source = ask(standin.url)
    listing = source.named("bare")
    assert (listing.models, listing.bare) == ((), (f"{standin.url}{API}/video/bare",))
    assert "bare" not in {model.name for model in source.all().models}
    assert refused(lambda: find_model(Asked("bare"), [source]), SpecError).code == "model-without-block"


def test_an_unknown_name_is_nothing_and_near_ones_are_suggested(standin: StandIn) -> None:
    source = ask(standin.url)
    assert source.named("tiny_chat").models == ()
    error = refused(lambda: find_model(Asked("tiny_chat"), [source]), SpecError)
    assert (error.code, error.exit_code) == ("model-unknown", 2)
    assert "tiny-chat" in error.remedy
    assert standin.url in "\n".join(error.details)


def test_an_unknown_type_is_refused_with_those_that_there_are(standin: StandIn) -> None:
    error = refused(lambda: ask(standin.url).named("tiny-chat", type="chat"), UsageError)
    assert (error.code, error.exit_code, error.where) == ("model-type", 2, f"{standin.url}{API}/chat")
    assert "embedding" in error.remedy


def test_a_type_of_a_newer_server_can_be_asked_for(standin: StandIn) -> None:
    standin.types = (*standin.types, "smell")
    put(standin.folder / "smell" / "rose.json", spec("rose", "petals"))
    source = ask(standin.url)
    (model,) = source.named("rose", type="smell").models
    assert source.load(model).type == "smell"


def test_a_faulty_spec_names_its_page(standin: StandIn) -> None:
    block = {"packages": ["tiny==1.0", "--index-url=x"], "index_strategy": "worst"}
    put(standin.folder / "llm" / "faulty.json", {"model_name": "faulty", "virtualenv": block})
    source = ask(standin.url)
    (model,) = source.named("faulty").models
    error = refused(lambda: source.load(model), SpecError)
    assert (error.code, error.where) == ("spec-invalid", f"{standin.url}{API}/LLM/faulty")
    assert [line.partition(":")[0] for line in error.details] == [
        "virtualenv.packages[1]",
        "virtualenv.index_strategy",
    ]


def test_what_another_object_listed_is_asked_for_again(standin: StandIn) -> None:
    (model,) = ask(standin.url).named("tiny-chat").models
    source = ask(standin.url)
    assert source.load(model).packages == ("tiny==1.0",)
    put(standin.folder / "llm" / "tiny.json", spec("renamed", "tiny"))
    assert refused(lambda: ask(standin.url).load(model), SpecError).code == "spec-not-found"
    assert source.load(model).packages == ("tiny==1.0",)


# -- answers that are none ----------------------------------------------------------------------------------

HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
MANY = json.dumps({"detail": "no supervisor " + "x" * 9999}).encode()
AWAY = {"Location": f"http://me:pw@other.example{API}?token=secret"}
# An answer to the question for a list, and the error: its code, and what it says.
BROKEN: Mapping[str, tuple[Reply, str, str]] = {
    "a page for people": (Reply(body=HTML, kind="text/html; charset=utf-8"), "server-malformed", "HTML"),
    "such a page as an error": (Reply(404, HTML, kind="text/html"), "server-malformed", "HTML"),
    "another API": (Reply(404, b'{"detail": "Not Found"}'), "server-malformed", "not Xinference's"),
    "no JSON": (Reply(body=b"models: many", kind="text/plain"), "server-malformed", "line 1, column 1"),
    "half JSON": (Reply(body=b'[{"model_name": "a"'), "server-malformed", "malformed"),
    "nothing": (Reply(), "server-malformed", "malformed"),
    "no UTF-8": (Reply(body=b'[{"model_name": "\xff"}]'), "server-malformed", "UTF-8"),
    "deep JSON": (Reply(body=b"[" * 100_000), "server-malformed", "malformed"),
    "an object for a list": (Reply(body=b'{"model_name": "a"}'), "server-malformed", "a table"),
    "null for a list": (Reply(body=b"null"), "server-malformed", "null"),
    "names alone": (Reply(body=b'["a"]'), "server-malformed", "[0]"),
    "a model without a name": (Reply(body=b'[{"model_name": "a"}, {}]'), "server-malformed", "[1]"),
    "a name that is no text": (Reply(body=b'[{"model_name": 7}]'), "server-malformed", "[0]"),
    "another status": (Reply(418, b'{"detail": "a teapot"}'), "server-malformed", "418"),
    "a failure": (Reply(500, MANY), "server-failed", "500"),
    "a gateway's failure": (Reply(502, HTML, kind="text/html"), "server-failed", "502"),
    "no key": (Reply(401, b'{"detail": "Could not validate"}'), "server-refused", "401"),
    "no permission": (Reply(403, b"Access denied for IP", kind="text/plain"), "server-refused", "403"),
    "too many tries": (Reply(429, b'{"detail": "Too many failed"}'), "server-refused", "429"),
    "a redirect": (Reply(307, headers=AWAY), "server-redirected", f"`http://****@other.example{API}?token=****`"),
    "a dead connection": (Reply(cut=0), "server-unreachable", "did not answer"),
    "a slow answer": (Reply(body=b"[]", after_s=30.0), "server-unreachable", "within 1 s"),
    "an endless answer": (Reply(body=b" " * 65536, endless=True), "server-malformed", "1,000,000 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_answer_is_a_clear_error(standin: StandIn, case: str) -> None:
    reply, code, part = BROKEN[case]
    standin.replies[f"{API}/embedding"] = reply
    limits = replace(LIMITS, size=1_000_000)
    environ = {"VENVKIT_TIMEOUT": "1"} if "within 1 s" in part else {}
    page = f"{standin.url}{API}/embedding"
    works = {
        page: lambda: ask(standin.url, limits=limits, **environ).named("a"),
        f"{page}?detailed=true": ask(standin.url, limits=limits, **environ).all,
    }
    for where, work in works.items():
        error = refused(work)
        assert (error.code, error.exit_code, error.where) == (code, 4, where), str(error)
        assert part in error.message
        assert error.remedy
        assert len("".join(error.details)) < 400
        assert not [secret for secret in ("Sign in", "pw", "secret") if secret in str(error)]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(body=b'"tiny-chat"'), "server-malformed"),
        (Reply(body=b"[]"), "server-malformed"),
        (Reply(body=b'{"model_name": "tiny-chap"}'), "server-malformed"),
        (Reply(500, b"{}"), "server-failed"),
    ],
)
def test_a_models_page_that_is_no_answer_is_an_error(standin: StandIn, reply: Reply, code: str) -> None:
    standin.replies[f"{API}/LLM/tiny-chat"] = reply
    error = refused(lambda: ask(standin.url).named("tiny-chat"))
    assert (error.code, error.where) == (code, f"{standin.url}{API}/LLM/tiny-chat")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://127.0.0.1:9", "did not answer"),
        ("http://no-such-host.invalid:9997", "did not answer"),
        ("https://127.0.0.1:{port}", "SSL"),
    ],
)
def test_a_server_that_is_away(standin: StandIn, url: str, part: str) -> None:
    for environ in ({}, {"XINFERENCE_DISABLE_HEALTH_CHECK": "1"}):
        error = refused(ask(url.format(port=standin.port), **environ).all)
        assert (error.code, error.exit_code, part in error.message) == ("server-unreachable", 4, True)
        assert "XINFERENCE_ENDPOINT" in error.remedy


# -- keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"VENVKIT_API_KEY": f" {KEY}\n"}, ""),
        ({}, "wants a key"),
        ({"VENVKIT_API_KEY": "xf-expired"}, "does not accept the key"),
    ],
)
def test_a_key_opens_the_server_and_else_the_remedy_names_the_variable(
    standin: StandIn, environ: dict[str, str], part: str
) -> None:
    standin.key = KEY
    if not part:
        assert len(ask(standin.url, **environ).named("tiny-chat").models) == 1
        assert {one.authorization for one in standin.asked} == {f"Bearer {KEY}"}
        return
    error = refused(ask(standin.url, **environ).all)
    assert (error.code, part in error.message) == ("server-refused", True)
    assert "VENVKIT_API_KEY" in error.remedy
    assert "Could not validate credentials" in error.details[0]
    assert "xf-expired" not in str(error)


@pytest.mark.parametrize("key", [KEY, "a+key/with=signs"])
def test_a_redirect_that_repeats_the_key_does_not_show_it(standin: StandIn, key: str) -> None:
    target = f"/login/{key}?{urlencode({'was': key})}&{quote(key)}"
    standin.replies[API] = Reply(307, headers={"Location": target})
    error = refused(ask(standin.url, VENVKIT_API_KEY=key).all)
    assert error.code == "server-redirected"
    assert "/login/****?was=****&****" in error.message


@contextmanager
def _parrot() -> Iterator[str]:
    """The address of a server that answers with no HTTP, but with what it was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(f"NOPE {peer.recv(65536).partition(b'Bearer ')[2].decode()}\r\n\r\n".encode())

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_client_that_repeats_the_key_leaves_nothing_behind(home: Path) -> None:
    with _parrot() as url:
        error = refused(ask(url, VENVKIT_API_KEY=KEY, XINFERENCE_DISABLE_HEALTH_CHECK="1").all)
    assert error.code == "server-unreachable"
    assert "NOPE ****" in error.message
    assert KEY not in "".join(traceback.format_exception(error))
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("where", ["file", "environment"])
def test_no_page_and_no_traceback_shows_a_key(home: Path, where: str) -> None:
    with _parrot() as url:
        lines = f'VENVKIT_API_KEY = " {KEY} "\n' if where == "file" else ""
        (home / "venvkit").mkdir(parents=True)
        lines += f'XINFERENCE_ENDPOINT = "{url}"\nXINFERENCE_DISABLE_HEALTH_CHECK = true\n'
        (home / "venvkit" / "settings.toml").write_text(lines)
        environ = {**os.environ, **({"VENVKIT_API_KEY": f" {KEY} "} if where == "environment" else {})}
        for options in (("--traceback", "models", KEY), ("models", "--json")):
            command = [sys.executable, "-m", "venvkit", *options, "--from-server"]
            done = subprocess.run(command, capture_output=True, text=True, env=environ)
            assert done.returncode == 4
            assert "server-unreachable" in done.stdout + done.stderr
            assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("status", [401, 404, 418, 500])
def test_a_server_that_repeats_the_key_does_not_show_it(
    standin: StandIn, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.replies[f"{API}/rerank"] = Reply(status, f"you sent Bearer {KEY} ".encode() * 100, kind="text/plain")
    error = refused(ask(standin.url, VENVKIT_API_KEY=KEY).all)
    assert "you sent" in str(error)
    chain: BaseException | None = error
    while chain is not None:
        assert KEY not in f"{chain} {chain!r}"
        chain = chain.__cause__
    assert len(caplog.records) > 5
    assert KEY not in caplog.text


def test_credentials_of_the_address_are_sent_and_not_shown(standin: StandIn) -> None:
    url = standin.url.replace("//", "//me:p%40ss-word@")
    source = ask(url)
    (model,) = source.named("tiny-chat").models
    assert {one.authorization for one in standin.asked} == {"Basic bWU6cEBzcy13b3Jk"}
    assert source.load(model).origin == model.origin == f"{standin.url}{API}/LLM/tiny-chat"
    standin.replies[API] = Reply(500, b"me:p@ss-word Basic bWU6cEBzcy13b3Jk")
    text = str(refused(ask(url).all))
    assert not [secret for secret in ("p@ss-word", "bWU6cEBzcy13b3Jk") if secret in text]
    standin.asked.clear()
    refused(ask(url, VENVKIT_API_KEY=KEY).all)
    assert {one.authorization for one in standin.asked} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("key", ["a key", "käy", "a\nX-Admin: yes", "a\x00b", "a\x7f"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(home: Path, key: str) -> None:
    error = refused(lambda: ask("http://127.0.0.1:1", VENVKIT_API_KEY=key), SettingError)
    assert (error.code, error.where) == ("setting-invalid", "VENVKIT_API_KEY")
    assert not [shown for shown in (key, repr(key)[1:-1]) if shown in str(error)]


# -- readiness ----------------------------------------------------------------------------------------------


def patience(threshold: int, interval: int = 0, **more: str) -> dict[str, str]:
    names = ("XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD", "XINFERENCE_HEALTH_CHECK_INTERVAL")
    return {**dict(zip(names, (str(threshold), str(interval)), strict=True)), **more}


def checked(standin: StandIn) -> int:
    return sum(one.path == "/status" for one in standin.asked)


@pytest.mark.parametrize("tolerated", [0, 3])
def test_the_tolerated_number_of_checks_may_fail_and_the_next_is_fatal(standin: StandIn, tolerated: int) -> None:
    standin.not_ready = tolerated
    source = ask(standin.url, **patience(tolerated))
    assert len(source.all().models) == 3
    assert checked(standin) == tolerated + 1
    source.named("tiny-chat")
    assert checked(standin) == tolerated + 1
    standin.asked.clear()
    standin.not_ready = tolerated + 1
    error = refused(ask(standin.url, **patience(tolerated)).all)
    assert (error.code, error.exit_code, error.where) == ("server-not-ready", 4, f"{standin.url}/status")
    assert "503" in error.message
    assert checked(standin) == len(standin.asked) == tolerated + 1


def test_the_pause_between_two_checks_is_told_and_kept(standin: StandIn) -> None:
    standin.not_ready = 1
    events: list[Event] = []
    started = time.monotonic()
    ask(standin.url, observer=events.append, **patience(1, 2)).named("tiny-chat")
    assert time.monotonic() - started >= 2
    waits = [event for event in events if isinstance(event, Waiting)]
    assert {event.what for event in waits} == {f"the server at {standin.url}"}
    seconds = [event.seconds for event in waits]
    assert (seconds, seconds[0] >= 1) == (sorted(seconds), True)


def test_a_server_that_comes_up_while_it_is_waited_for(home: Path, standin: StandIn) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    late = StandIn(standin.folder)
    timer = threading.Timer(0.5, lambda: late.listen(port))
    timer.start()
    try:
        assert len(ask(f"http://127.0.0.1:{port}", **patience(9, 1)).all().models) == 3
    finally:
        timer.join()
        late.__exit__()


def test_a_check_has_its_own_time_limit(standin: StandIn) -> None:
    standin.replies["/status"] = Reply(body=b"{}", after_s=30)
    started = time.monotonic()
    error = refused(ask(standin.url, **patience(1, XINFERENCE_HEALTH_CHECK_TIMEOUT="1")).all)
    assert 2 <= time.monotonic() - started < 20
    assert error.code == "server-unreachable"
    assert "within 1 s (2 health checks)" in error.message


def test_a_server_without_a_worker_knows_no_models_yet(standin: StandIn) -> None:
    standin.workers = False
    error = refused(ask(standin.url).all)
    assert (error.code, "worker" in error.message) == ("server-not-ready", True)


def test_without_health_checks_the_first_question_is_the_first_request(standin: StandIn) -> None:
    standin.not_ready = 99
    environ = {"XINFERENCE_DISABLE_HEALTH_CHECK": "1", "XINFERENCE_HEALTH_CHECK_INTERVAL": "not read"}
    assert len(ask(standin.url, **environ).named("tiny-chat").models) == 1
    assert checked(standin) == 0


@pytest.mark.parametrize(
    "reply",
    [
        Reply(401, b"{}"),
        Reply(403, b"Access denied", kind="text/plain"),
        Reply(404, b"{}"),
        Reply(302, headers={"Location": "/login"}),
        Reply(body=HTML, kind="text/html"),
        Reply(body=b"[" * 100_000),
        Reply(body=b'"ready"'),
    ],
)
def test_something_that_is_up_is_asked_and_not_waited_for(standin: StandIn, reply: Reply) -> None:
    standin.replies["/status"] = reply
    assert len(ask(standin.url).all().models) == 3


@pytest.mark.parametrize(
    "name",
    [
        "XINFERENCE_HEALTH_CHECK_FAILURE_THRESHOLD",
        "XINFERENCE_HEALTH_CHECK_INTERVAL",
        "XINFERENCE_HEALTH_CHECK_TIMEOUT",
        "XINFERENCE_DISABLE_HEALTH_CHECK",
    ],
)
def test_a_malformed_variable_is_refused_before_anything_is_asked(standin: StandIn, name: str) -> None:
    assert refused(ask(standin.url, **{name: "soon"}).all, SettingError).where == name
    assert standin.asked == []


# -- cancelling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stuck", ["before", "pause", "check", "answer", "drip"])
def test_cancelling_ends_the_wait_at_once(standin: StandIn, stuck: str) -> None:
    cancel = threading.Event()
    if stuck == "before":
        cancel.set()
    elif stuck == "pause":
        standin.not_ready = 99
    else:
        late = Reply(body=b"x" * 999, drip_s=1) if stuck == "drip" else Reply(after_s=30)
        standin.replies["/status" if stuck == "check" else API] = late
    source = ask(standin.url, cancel=cancel, **patience(9, 30))
    timer = threading.Timer(0.5, cancel.set)
    timer.start()
    started = time.monotonic()
    error = refused(source.all, CancelledError)
    timer.join()
    assert 0.4 < time.monotonic() - started < 10
    assert (error.code, error.exit_code) == ("cancelled", 130)
    assert (standin.asked == []) is (stuck == "before")


_SLOW_LOOKUP = """
import socket, sys, threading, time
usual = socket.getaddrinfo
def slow(host, *args, **options):
    if host in ("slow.invalid", b"slow.invalid"):
        print("looks it up", flush=True)
        threading.Timer(0.2, cancel.set).start()
        time.sleep(30)
    return usual(host, *args, **options)
socket.getaddrinfo = slow
from venvkit.catalogue.server import Server
from venvkit.errors import CancelledError
from venvkit.events import ignore
from venvkit.settings import load_settings
print("httpx" in sys.modules)
given = {"XINFERENCE_ENDPOINT": "http://slow.invalid:9", "XINFERENCE_DISABLE_HEALTH_CHECK": "1"}
cancel = threading.Event()
try:
    Server(load_settings(given), given, cancel=cancel, observer=ignore).all()
except CancelledError:
    print("cancelled", flush=True)
"""


def test_a_name_that_is_looked_up_for_long_holds_no_cancelled_process(home: Path) -> None:
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", _SLOW_LOOKUP], capture_output=True, text=True, timeout=60)
    assert time.monotonic() - started < 15
    # Only a question loads the HTTP client.
    assert (done.stdout.split(), done.stderr) == (["False", "looks", "it", "up", "cancelled"], "")


# -- the address, and the way there -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "local"),
    [
        ("http://127.0.0.1:9997", "http://127.0.0.1:9997", True),
        ("http://127.0.0.1:9997/", "http://127.0.0.1:9997", True),
        ("HTTP://LocalHost:9997//", "http://localhost:9997", True),
        ("http://0.0.0.0:9997", "http://0.0.0.0:9997", True),
        ("http://[::1]:9997", "http://[::1]:9997", True),
        ("http://a.localhost", "http://a.localhost", True),
        ("http://127.1:9997", "http://127.1:9997", True),
        ("http://0x7f000001:9997", "http://0x7f000001:9997", True),
        ("http://[::ffff:127.0.0.1]:9997", "http://[::ffff:127.0.0.1]:9997", True),
        ("http://localhost.", "http://localhost.", True),
        ("http://notlocalhost", "http://notlocalhost", False),
        ("http://10.1:9997", "http://10.1:9997", False),
        ("http://[::ffff:10.0.0.1]:9997", "http://[::ffff:10.0.0.1]:9997", False),
        ("https://models.example/xinference/", "https://models.example/xinference", False),
        ("http://me:pw@models.example:80", "http://models.example:80", False),
        ("http://127.0.0.1.models.example", "http://127.0.0.1.models.example", False),
        ("http://müller.example", "http://xn--mller-kva.example", False),
    ],
)
def test_addresses(text: str, url: str, local: bool) -> None:
    endpoint = parse_endpoint(text)
    assert (endpoint.url, endpoint.is_local) == (url, local)
    assert "pw" not in repr(endpoint)


@pytest.mark.parametrize(
    "text",
    ["http://h:port", "http://h:99999", "http://[::1", "http://h/?token=abcdef", "http://h/#a", "http://h/\x01"],
)
def test_an_address_that_cannot_be_asked_is_refused(home: Path, text: str) -> None:
    error = refused(lambda: ask(text), SettingError)
    assert (error.where, error.exit_code) == ("XINFERENCE_ENDPOINT", 2)
    assert "abcdef" not in str(error)


def test_a_server_below_a_path(standin: StandIn) -> None:
    standin.replies["/status"] = Reply(404, b"{}")
    standin.replies["/models/"] = Reply(body=b"[]")
    assert ask(f"{standin.url}/models/").all().models == ()
    assert standin.paths[1].startswith(f"/models{API}/")


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_used"),
    [
        ("http://models.example:9997", "", True),
        ("http://10.1.2.3:9997", "", True),
        ("http://10.1.2.3:9997", "*", False),
        ("http://[fd00::1]:9997", "*", False),
        ("http://localhost:9997", "", False),
        ("http://127.8.8.8:9997", "", False),
        ("http://0.0.0.0:9997", "", False),
        ("http://[::1]:9997", "", False),
    ],
)
def test_when_the_proxy_is_used(url: str, no_proxy: str, is_used: bool) -> None:
    endpoint = parse_endpoint(url)
    network = network_to(endpoint, {"http_proxy": "p:1", "all_proxy": "http://q:2", "no_proxy": no_proxy})
    host = urlsplit(endpoint.url).hostname or ""
    assert network.proxy("http", host, 9997) == ("http://p:1" if is_used else None)


def test_a_server_of_this_machine_is_reached_without_the_proxy_and_another_one_through_it(standin: StandIn) -> None:
    nowhere = "http://127.0.0.1:9"
    assert len(ask(standin.url, HTTP_PROXY=nowhere, ALL_PROXY=nowhere).all().models) == 3
    source = ask("http://models.example:9997", HTTP_PROXY=standin.url)
    (model,) = source.named("tiny-chat").models
    assert model.place.folder == "http://models.example:9997"
    assert standin.asked[-1].path.startswith("http://models.example:9997/v1/")


def test_the_environment_of_the_call_counts_and_not_that_of_the_process(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    source = ask("http://models.example:9997", HTTP_PROXY=standin.url)
    assert len(source.named("tiny-chat").models) == 1


def test_a_proxy_that_cannot_be_used_is_a_setting(home: Path) -> None:
    error = refused(ask("http://models.example", ALL_PROXY="gopher://me:secret@p:1").all, SettingError)
    assert error.code == "proxy-invalid"
    assert "secret" not in str(error)


def test_certificates_that_cannot_be_read_are_a_setting(home: Path, tmp_path: Path) -> None:
    error = refused(ask("https://models.example", SSL_CERT_FILE=str(tmp_path / "none.pem")).all, SettingError)
    assert error.where == "SSL_CERT_FILE"


def test_a_certificate_is_checked_and_can_be_trusted(standin: StandIn, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    authority = Authority(tmp_path / "authority").make()
    with StandIn(standin.folder, context=authority.context()) as secure:
        error = refused(ask(secure.url).all)
        assert error.code == "server-unreachable"
        assert "CERTIFICATE_VERIFY_FAILED" in error.message
        assert len(ask(secure.url, SSL_CERT_FILE=str(authority.bundle)).all().models) == 3


# -- the whole catalogue ------------------------------------------------------------------------------------


@pytest.mark.network
def test_every_model_of_a_real_catalogue_is_listed_and_loads() -> None:
    folder = get_catalogue(os.environ.get("VENVKIT_TEST_CATALOGUE")) / "xinference" / "model"
    with StandIn(folder, folds=False) as standin:
        expected = [
            (type.lower(), table["model_name"], table["virtualenv"])
            for type in standin.types
            for table in standin.objects(type)
            if table["virtualenv"] is not None
        ]
        source = ask(standin.url)
        models = source.all().models
        assert len(expected) == 434
        assert [(model.type, model.name) for model in models] == [(type, name) for type, name, _ in expected]
        for model, (_, _, block) in zip(models, expected, strict=True):
            assert isinstance(block, dict)
            assert source.load(model).packages == tuple(block["packages"])
