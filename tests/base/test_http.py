"""The HTTP client against real servers on loopback: its bounds, its redirects, and to whom credentials go."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Authority, Reply, Scripted
from venvkit.base.http import Answer, Client, HttpError, Limits
from venvkit.base.network import Network, environment_proxies

HERE = Limits(seconds=1.0, size=1_000_000)
ME = {"Authorization": "Bearer a-secret-of-mine"}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


def get(url: str, *, network: Network = Network(), limits: Limits = HERE, method: str = "GET", **sent: str) -> Answer:  # noqa: B008 - frozen
    with Client(network, limits) as client:
        return client.get(url, method=method, headers=sent)


def fault(url: str, *, network: Network = Network(), limits: Limits = HERE, **sent: str) -> HttpError:  # noqa: B008
    with pytest.raises(HttpError) as caught:
        get(url, network=network, limits=limits, **sent)
    return caught.value


def packed(content: bytes) -> Reply:
    return Reply(body=gzip.compress(content), headers={"Content-Encoding": "gzip"})


# -- answers --------------------------------------------------------------------------------------------------------


def test_an_answer_is_given_whatever_its_status(server: Scripted) -> None:
    server.replies["/a"] = Reply(418, b"a teapot", headers={"X-One": "1"})
    answer = get(f"{server.url}/a")
    assert (answer.status, answer.content, answer.headers["x-one"]) == (418, b"a teapot", "1")
    server.replies["/a"] = packed(b"a teapot")
    assert get(f"{server.url}/a").content == b"a teapot"
    assert get(f"{server.url}/a", method="HEAD").content == b""


# -- bounds ---------------------------------------------------------------------------------------------------------

# One endless gzip member that unpacks to nothing: its header, then empty stored blocks.
_EMPTY_BLOCKS = b"\x00\x00\x00\xff\xff" * 4000
TOO_MUCH = {
    "a slow answer": (Reply(body=b"[]", after_s=30.0), "unreachable", "within 1 s"),
    "a drip": (Reply(body=b"x" * 1000, drip_s=0.2), "unreachable", "within 1 s"),
    "a drip of headers": (Reply(slow_headers_s=0.2), "unreachable", "within 1 s"),
    "a dead connection": (Reply(cut=0), "unreachable", "did not answer"),
    "half an answer": (Reply(body=b"a" * 99, cut=5), "unreachable", "did not answer"),
    "an endless answer": (Reply(body=b" " * 65536, endless=True), "malformed", "1,000,000 bytes"),
    "a small one that unpacks to much": (packed(bytes(2_000_000)), "malformed", "1,000,000 bytes"),
    "another packing": (
        Reply(body=zlib.compress(b"[]"), headers={"Content-Encoding": "deflate"}), "malformed", "`deflate`",
    ),
    "packed twice": (
        Reply(body=gzip.compress(gzip.compress(b"")), headers={"Content-Encoding": "gzip, gzip"}), "malformed", "gzip",
    ),
    "not packed at all": (Reply(body=b"plain", headers={"Content-Encoding": "gzip"}), "malformed", "unpacked"),
    "half of what was packed": (
        Reply(body=gzip.compress(os.urandom(999))[:500], headers={"Content-Encoding": "gzip"}), "malformed", "unpacked",
    ),
    "a tail": (
        Reply(body=gzip.compress(b"a") + b"tail", headers={"Content-Encoding": "gzip"}), "malformed", "unpacked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_MUCH)
def test_an_answer_is_bounded(server: Scripted, case: str) -> None:
    server.replies["/"], kind, part = TOO_MUCH[case]
    started = time.monotonic()
    error = fault(f"{server.url}/a")
    assert time.monotonic() - started < 8
    assert (error.kind, part in str(error)) == (kind, True), str(error)


def test_bytes_that_unpack_to_nothing_count(server: Scripted) -> None:
    begin = gzip.compress(b"")[:10]
    server.replies["/"] = Reply(body=begin + _EMPTY_BLOCKS * 60, headers={"Content-Encoding": "gzip"})
    assert "1,000,000 bytes" in str(fault(f"{server.url}/a"))


def test_a_bomb_is_not_unpacked(server: Scripted) -> None:
    server.replies["/"] = packed(bytes(200_000_000))
    tracemalloc.start()
    try:
        error = fault(f"{server.url}/a", limits=Limits(seconds=60, size=1_000_000))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.kind == "malformed"
    assert most < 20_000_000


def test_all_requests_of_a_client_share_its_time(server: Scripted) -> None:
    server.replies["/"] = Reply(body=b"x" * 1000, drip_s=0.2)
    started = time.monotonic()
    with Client(Network(), Limits(seconds=60), seconds=1) as client:
        for _ in range(5):
            with pytest.raises(HttpError):
                client.get(server.url)
    assert time.monotonic() - started < 8
    assert len(server.asked) == 1


class _Enough(Exception):
    pass


def test_the_caller_gives_up_when_it_likes(server: Scripted) -> None:
    server.replies["/"] = Reply(after_s=30)
    enough = threading.Event()
    threading.Timer(0.3, enough.set).start()

    def tick() -> None:
        if enough.is_set():
            raise _Enough

    started = time.monotonic()
    with Client(Network(), Limits(seconds=60), tick=tick) as client:
        with pytest.raises(_Enough):
            client.get(server.url)
        with pytest.raises(_Enough):
            client.get(server.url)
    assert time.monotonic() - started < 5
    assert len(server.asked) == 1


def test_closing_ends_the_waiting_of_other_threads(server: Scripted) -> None:
    server.replies["/"] = Reply(after_s=30)
    seen: list[BaseException] = []
    client = Client(Network(), Limits(seconds=60))

    def ask() -> None:
        try:
            client.get(server.url)
        except HttpError as error:
            seen.append(error)

    with client:
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.3)
    thread.join(5)
    assert [type(error) for error in seen] == [HttpError]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://no-such-host.invalid/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "a"]
)
def test_where_nothing_answers(url: str) -> None:
    assert fault(url).kind == "unreachable"


def test_an_error_keeps_nothing_of_what_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def parrot() -> None:
            with listener.accept()[0] as peer:
                peer.sendall(b"NOPE " + peer.recv(65536).replace(b"\r\n", b" ") + b"\r\n\r\n")

        threading.Thread(target=parrot, daemon=True).start()
        error = fault(f"http://127.0.0.1:{listener.getsockname()[1]}", **ME)
    assert (error.__cause__, error.__context__) == (None, None)
    assert "httpx" not in "".join(traceback.format_exception(error))


# -- redirects ------------------------------------------------------------------------------------------------------


def test_redirects_are_followed_to_a_bound(server: Scripted) -> None:
    server.replies |= {"/a": Reply(302, headers={"Location": "b"}), "/b": Reply(body=b"here")}
    assert get(f"{server.url}/a").content == b"here"
    server.replies["/b"] = Reply(307, headers={"Location": "/a"})
    error = fault(f"{server.url}/a")
    assert (error.kind, "10 times" in str(error)) == ("malformed", True)
    assert len(server.asked) == 2 + 11
    assert get(f"{server.url}/a", limits=Limits(redirects=0)).headers["location"] == "b"


def test_credentials_stay_with_their_origin(server: Scripted) -> None:
    with Scripted(replies={"/": Reply(body=b"there")}) as other:
        there = other.url.replace("//", "//you:are@")
        server.replies |= {
            "/away": Reply(302, headers={"Location": f"{there}/a"}),
            "/same": Reply(302, headers={"Location": "/last"}),
            "/last": Reply(body=b"here"),
        }
        own = server.url.replace("//", "//me:pw@")
        network = Network(users=(f"{own}/simple",))
        assert get(f"{server.url}/away", **ME).content == b"there"
        assert get(f"{own}/away").content == b"there"
        assert get(f"{server.url}/away", network=network).content == b"there"
        assert [one.authorization for one in other.asked] == ["", "", ""]
        server.asked.clear()
        get(f"{server.url}/same", **ME)
        get(f"{own}/same")
        get(f"{server.url}/same", network=network)
        mine = ["Bearer a-secret-of-mine"] * 2 + ["Basic bWU6cHc="] * 4
        assert [one.authorization for one in server.asked] == mine


def test_a_netrc_file_speaks_of_hosts(server: Scripted, tmp_path: Path) -> None:
    server.replies["/"] = Reply()
    for text, sent in (("machine 127.0.0.1 login me password pw\n", "Basic bWU6cHc="), ("machine", "")):
        (tmp_path / "netrc").write_text(text)
        get(server.url, network=Network(netrc=str(tmp_path / "netrc")))
        assert server.asked[-1].authorization == sent
    get(server.url, network=Network(netrc=str(tmp_path / "gone")))


def test_nothing_leads_from_https_to_http(server: Scripted, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    authority = Authority(tmp_path / "authority").make()
    network = Network(authorities=(str(authority.bundle),))
    with Scripted(replies={"/": Reply(302, headers={"Location": server.url})}, context=authority.context()) as secure:
        assert fault(secure.url).kind == "unreachable"
        assert "without encryption" in str(fault(secure.url, network=network))
        assert server.asked == []
        # One that was asked without encryption first is verified all the same.
        server.replies["/"] = Reply(302, headers={"Location": secure.url})
        assert "CERTIFICATE_VERIFY_FAILED" in str(fault(server.url))
        secure.replies["/"] = Reply(body=b"sealed")
        assert get(secure.url, network=network).content == b"sealed"
        assert get(secure.url, network=Network(trusted_hosts=(f"127.0.0.1:{secure.port}",))).content == b"sealed"
        assert fault(secure.url, network=Network(authorities=(str(tmp_path / "gone"),))).kind == "unreachable"


# -- proxies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "environ", "proxy"),
    [
        ("models.example", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("models.example", {"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:2"}, "http://p:1"),
        ("models.example", {"http_proxy": "p:1"}, "http://p:1"),
        ("models.example", {"https_proxy": "http://p:1"}, None),
        ("models.example", {"http_proxy": "http://p:1", "all_proxy": "http://q:2"}, "http://p:1"),
        ("models.example", {"ALL_PROXY": "http://q:2"}, "http://q:2"),
        ("models.example", {"http_proxy": ""}, None),
        ("models.example", {"http_proxy": "http://p:1", "no_proxy": "*"}, None),
        ("models.example", {"http_proxy": "http://p:1", "no_proxy": "a, Example"}, None),
        ("models.example", {"http_proxy": "http://p:1", "NO_PROXY": ".example"}, None),
        ("models.example", {"http_proxy": "http://p:1", "no_proxy": "dels.example"}, "http://p:1"),
        ("models.example", {"http_proxy": "http://p:1", "no_proxy": "models.example:9997"}, None),
        ("models.example", {"http_proxy": "http://p:1", "no_proxy": "models.example:80"}, "http://p:1"),
        ("10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "10.1.2.3"}, None),
        ("10.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "*"}, "http://p:1"),
        ("11.1.2.3", {"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8,1.2.3"}, "http://p:1"),
        ("fd00::1", {"http_proxy": "http://p:1", "no_proxy": "fd00::/8"}, None),
    ],
)
def test_which_proxy_is_used(host: str, environ: dict[str, str], proxy: str | None) -> None:
    proxies, spared = environment_proxies(environ)
    assert Network(proxies=proxies, no_proxy=spared).proxy("http", host, 9997) == proxy


def test_a_proxy_is_asked_for_the_whole_address(server: Scripted) -> None:
    server.replies["/"] = Reply(body=b"by proxy")
    network = Network(proxies={"http": server.url})
    assert get("http://models.example/a", network=network).content == b"by proxy"
    assert server.asked[-1].path == "http://models.example/a"
    assert fault("http://a.example", network=Network(proxies={"http": "gopher://me:secret@p:1"})).kind == "proxy"


def test_what_is_shown_of_a_network_has_no_secret() -> None:
    network = Network(proxies={"http": "http://me:secret@p"}, users=("http://me:secret@h",), netrc="secret")
    assert "secret" not in repr(network)
