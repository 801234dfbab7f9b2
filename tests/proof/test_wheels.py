"""Linkage over wheels and hosts as they are published: pairs of torch and torchvision, and popular compiled wheels.

VENVKIT_TEST_HOSTS   interpreters of hosts with torch (the catalogue harness's, a CUDA image), by `:`
VENVKIT_TEST_PAIRS   folders that hold torchvision alone, with `:` between
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from tests.catalogue.hosts import cache_folder
from venvkit import ensure_env
from venvkit.base.process import Runner
from venvkit.events import Event, Warned
from venvkit.host.distribution import Distribution, scan
from venvkit.host.elf import read_shared_object
from venvkit.host.snapshot import HostSnapshot, take_snapshot
from venvkit.proof.linkage import Linkage, shared_objects

pytestmark = [pytest.mark.network, pytest.mark.skipif(sys.platform != "linux", reason="linkage is read on Linux")]

# Read before a fixture clears the environment.
HOSTS, PAIRS = os.environ.get("VENVKIT_TEST_HOSTS", ""), os.environ.get("VENVKIT_TEST_PAIRS", "")
CERTIFICATES = os.environ.get("SSL_CERT_FILE", "")
# torchcodec is for the CPU up to 0.13: later builds of the index need the libraries of CUDA, which host A lacks.
POPULAR = [
    "torchcodec==0.13.0", "onnxruntime", "bitsandbytes", "opencv-python-headless", "pyarrow", "scipy", "grpcio",
    "numba", "llvmlite", "pandas", "scikit-learn", "lxml", "pillow", "cryptography", "tokenizers", "safetensors",
    "sentencepiece", "tiktoken", "orjson", "ujson", "msgpack", "pyzmq", "psutil", "regex", "aiohttp", "uvloop",
    "httptools", "pydantic-core", "cffi", "markupsafe", "pyyaml", "protobuf", "matplotlib", "h5py", "shapely",
    "polars", "duckdb", "xxhash", "zstandard", "lz4", "brotli", "greenlet", "pymupdf", "rpds-py", "soxr",
    "soundfile", "av", "ctranslate2", "faiss-cpu", "lightgbm", "numpy", "cupy-cuda12x",
]  # fmt: skip
_CUDA = ("libc10_cuda.so", "libtorch_cuda.so")
_CHECK = "_ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb"
_STREAMS = (
    "_ZN3c104cuda12device_countEv", "_ZN3c104cuda14ExchangeDeviceEa", "_ZN3c104cuda14MaybeSetDeviceEa",
    "_ZN3c104cuda17getStreamFromPoolEba", "_ZN3c104cuda17getStreamFromPoolEia",
    "_ZN3c104cuda20CUDACachingAllocator9allocatorE", "_ZN3c104cuda20getCurrentCUDAStreamEa",
    "_ZN3c104cuda20getDefaultCUDAStreamEa", "_ZN3c104cuda20setCurrentCUDAStreamENS0_10CUDAStreamE", _CHECK,
    "_ZN3c104cuda9GetDeviceEPa", "_ZN3c104cuda9SetDeviceEab", "_ZNK3c104cuda10CUDAStream11synchronizeEv",
    "_ZNK3c104cuda10CUDAStream5queryEv", "_ZNK3c104cuda10CUDAStream6streamEv",
)  # fmt: skip
# (torch, torchvision) -> object -> libraries and symbols that are nowhere.
FITS: dict[tuple[str, str], dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    ("2.13.0+cpu", "0.28.0"): {
        "_C.so": (_CUDA, tuple(sorted((*_STREAMS, "_ZN2at4cuda26getCurrentDevicePropertiesEv")))),
        "image.so": (_CUDA, tuple(sorted((*_STREAMS, "_ZN3c104cuda14current_deviceEv")))),
    },
    ("2.13.0+cpu", "0.29.1"): {
        "_C_stable.so": (
            _CUDA,
            ("aoti_torch_get_current_cuda_stream", "torch_c10_cuda_check_msg", "torch_c10_cuda_free_error_msg"),
        ),
        "image_stable.so": (_CUDA, ("aoti_torch_get_current_cuda_stream", "torch_get_cuda_stream_from_pool")),
    },
    ("2.14.1", "0.28.0"): {"_C.so": ((), (_CHECK,)), "image.so": ((), (_CHECK,))},
    ("2.14.1", "0.29.1"): {},
}


def _hosts() -> Iterator[str]:
    yield from filter(None, HOSTS.split(":"))


def _snapshot(python: str) -> HostSnapshot:
    return take_snapshot(python, runner=Runner(), cache_dir=None, environ={})


def _torchvisions() -> Iterator[Distribution]:
    for folder in filter(None, PAIRS.split(":")):
        yield from (item for item in scan([folder])[0] if item.name == "torchvision")


def test_torchvision_fits_its_own_torch_alone() -> None:
    """Which symbols are missing, exactly."""
    found = {}
    for python in _hosts():
        host = [item for item in _snapshot(python).distributions if item.name != "torchvision"]
        torch = next(item.version for item in host if item.name == "torch")
        for vision in _torchvisions():
            suspects = Linkage([vision, *host], python).suspects(["torchvision"])
            found[torch, vision.version] = {Path(one.path).name: (one.libraries, one.symbols) for one in suspects}
    if not found:
        pytest.skip("no hosts were named")
    assert found == {pair: FITS[pair] for pair in found}


def test_the_reader_agrees_with_pyelftools_on_real_wheels() -> None:
    """At least 300 objects: needed libraries, paths, names and symbols."""
    compared = 0
    for python in _hosts():
        paths = (path for item in _snapshot(python).distributions for path in shared_objects(item))
        for path in sorted({path for path in paths if Path(path).stat().st_size < 8_000_000})[:250]:
            _compare(path)
            compared += 1
    if not compared:
        pytest.skip("no hosts were named")
    assert compared >= 300


def _compare(path: str) -> None:
    ours = read_shared_object(path)
    with Path(path).open("rb") as file:
        elf = ELFFile(file)
        dynamic = next((one for one in elf.iter_segments() if isinstance(one, DynamicSegment)), None)
        if dynamic is None:
            assert ours is None, path
            return
        assert ours is not None, path
        assert list(ours.needed) == [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")], path
        assert [ours.soname] == ([tag.soname for tag in dynamic.iter_tags("DT_SONAME")] or [""]), path
        rows = [symbol for symbol in dynamic.iter_symbols() if symbol.name]
    defined = {symbol.name for symbol in rows if symbol["st_info"]["bind"] != "STB_LOCAL" and _is_defined(symbol)}
    needed = {symbol.name for symbol in rows if symbol["st_info"]["bind"] not in ("STB_LOCAL", "STB_WEAK")} - defined
    assert {name.partition("@")[0] for name in ours.defined} == {name.partition("@")[0] for name in defined}, path
    assert {name.partition("@")[0] for name in ours.undefined} >= {name.partition("@")[0] for name in needed}, path


def _is_defined(symbol: object) -> bool:
    return symbol["st_shndx"] != "SHN_UNDEF"  # type: ignore[index]


def test_time_for_each_gigabyte() -> None:
    """All objects of a host, as when everything of it is new."""
    timed = 0
    for python in _hosts():
        view = _snapshot(python).distributions
        paths = [path for item in view for path in shared_objects(item)]
        size = sum(Path(path).stat().st_size for path in paths)
        began = time.perf_counter()
        suspects = Linkage(view, python).suspects({item.name for item in view})
        seconds = time.perf_counter() - began
        names = sorted({item.distribution for item in suspects})
        print(f"{python}: {len(paths)} objects, {size / 1e9:.2f} GB, {seconds:.2f} s, suspects {names}")
        assert seconds < 2 + 2 * size / 1e9
        timed += 1
    if not timed:
        pytest.skip("no hosts were named")


def test_popular_compiled_wheels_give_no_false_refusal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is installed and imported, over the host of the catalogue's harness."""
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_HTTP_RETRIES", "3")
    if CERTIFICATES:
        monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATES)
    host = _first_host()
    told: list[str] = []

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(f"{event.code}: {event.message}")

    names = [line.partition("==")[0] for line in POPULAR]
    env = ensure_env(_spec(home, POPULAR), host_python=host, no_inherit=names, prove="import", observer=observe)
    print(*told, sep="\n")
    assert env.receipt is not None
    print(len(env.receipt.plan.install), "installed,", len(env.receipt.imports), "modules imported")
    print(*env.receipt.findings, sep="\n")
    assert {item.kind for item in env.receipt.findings} <= {"system-library"}


def _first_host() -> str:
    """Return the interpreter of the harness's host."""
    host = next(_hosts(), str(cache_folder() / "host" / "bin" / "python"))
    if not Path(host).exists():
        pytest.skip("the catalogue's harness makes the host that this is built over")
    return host


def _spec(home: Path, packages: list[str]) -> Path:
    path = home.parent / "popular.json"
    path.write_text(json.dumps({"model_name": "popular", "virtualenv": {"packages": packages}}))
    return path
