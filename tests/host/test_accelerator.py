from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from venvkit.base.process import Runner
from venvkit.base.watch import changed
from venvkit.errors import UsageError
from venvkit.host import accelerator as module
from venvkit.host import nvml
from venvkit.host.accelerator import Accelerator, accelerator_watches, detect, parse_accelerator
from venvkit.host.nvml import Cuda, Device
from venvkit.host.snapshot import HostSnapshot, take_snapshot

from .conftest import MakeVenv, PutDistribution

H200 = Device("GPU-aaaa1111", 9, 0)
A100 = Device("GPU-bbbb2222", 8, 0)
T4 = Device("GPU-bbbb3333", 7, 5)


class NVMLError(Exception):
    pass


@dataclass
class FakeDriver:
    """Stands for a driver, because a GPU cannot be had in a test."""

    cuda: int = 13000
    devices: tuple[Device, ...] = (H200, A100, T4)
    lost: tuple[str, ...] = ()
    absent: bool = False
    calls: list[str] = field(default_factory=list)

    def module(self) -> ModuleType:
        fake = ModuleType("pynvml")
        for name in dir(self):
            if name.startswith("nvml"):
                setattr(fake, name, getattr(self, name))
        fake.NVMLError = NVMLError  # type: ignore[attr-defined]
        return fake

    def nvmlInit(self) -> None:
        self.calls.append("init")
        if self.absent:
            raise NVMLError("driver not loaded")

    def nvmlShutdown(self) -> None:
        self.calls.append("shutdown")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        if not self.cuda:
            raise NVMLError("not supported")
        return self.cuda

    def nvmlDeviceGetCount(self) -> int:
        if self.devices == ():
            raise NVMLError("unknown error")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:
        if self.devices[index].uuid in self.lost:
            raise NVMLError("GPU is lost")
        return self.devices[index]

    def nvmlDeviceGetUUID(self, handle: Device) -> bytes | str:
        return handle.uuid.encode() if handle is H200 else handle.uuid

    def nvmlDeviceGetCudaComputeCapability(self, handle: Device) -> tuple[int, int]:
        return handle.major, handle.minor


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeDriver]:
    def install(**facts: object) -> FakeDriver:
        fake = FakeDriver(**facts)  # type: ignore[arg-type]
        monkeypatch.setitem(sys.modules, "pynvml", fake.module())
        monkeypatch.setattr(nvml, "_TRACES", ("/dev/null",))
        return fake

    return install


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any trace of a driver, whatever this one has."""
    monkeypatch.setattr(nvml, "_TRACES", (str(tmp_path / "no-driver"),))
    monkeypatch.setattr(nvml, "_LIBRARIES", (str(tmp_path / "no-library"),))
    monkeypatch.setattr(module, "_DEV", tmp_path)


@pytest.fixture
def host(
    make_venv: MakeVenv, put: PutDistribution, runner: Runner, clean_environ: dict[str, str]
) -> Callable[[str], HostSnapshot]:
    """A real host whose torch has the given version file; none where that is empty."""

    def make(version_file: str) -> HostSnapshot:
        python = make_venv()
        if version_file:
            (site_dir,) = (python.parent.parent / "lib").glob("*/site-packages")
            put(site_dir, "torch", "2.13.0")
            (site_dir / "torch.py").unlink()
            (site_dir / "torch").mkdir()
            (site_dir / "torch" / "version.py").write_text(version_file)
        return take_snapshot(str(python), runner=runner, cache_dir=None, environ=clean_environ)

    return make


@pytest.mark.usefixtures("bare")
def test_nothing_there_costs_nothing_and_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        assert detect(None, cache_dir=tmp_path / "cache", environ={}) == Accelerator()
        best = min(best, time.perf_counter() - started)
    assert best < 0.005
    assert "pynvml" not in sys.modules
    assert not (tmp_path / "cache").exists()


def test_this_machine_never_raises(tmp_path: Path) -> None:
    found = detect(None, cache_dir=tmp_path, environ={})
    assert found.has_cuda == (found.cuda_arch is not None)


def test_the_driver_is_asked_once_per_boot(
    driver: Callable[..., FakeDriver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = driver()
    boot, cache = tmp_path / "boot_id", tmp_path / "cache"
    boot.write_text("one boot")
    monkeypatch.setattr(module, "_FACT_FILES", (str(boot),))
    monkeypatch.setattr(module, "_DEV", tmp_path)
    (tmp_path / "nvidiactl").write_text("")
    expected = Accelerator(has_cuda=True, cuda_version="13.0", cuda_arch="sm_75")
    assert detect(None, cache_dir=cache, environ={}) == expected
    assert detect(None, cache_dir=cache, environ={}) == expected
    assert fake.calls == ["init", "shutdown"]
    # The selection of devices is not part of what is kept.
    assert detect(None, cache_dir=cache, environ={"CUDA_VISIBLE_DEVICES": "0"}).cuda_arch == "sm_90"
    assert fake.calls == ["init", "shutdown"]
    boot.write_text("another boot")
    assert detect(None, cache_dir=cache, environ={}) == expected
    assert len(fake.calls) == 4
    (cache / "accelerator-2.json").write_text("{}")
    assert detect(None, cache_dir=cache, environ={}) == expected
    assert len(fake.calls) == 6


@pytest.mark.parametrize(
    ("selection", "arch"),
    [
        (None, "sm_75"),
        ("", None),
        ("-1", None),
        ("0", "sm_90"),
        ("1, 0", "sm_80"),
        ("0,-1,2", "sm_90"),
        ("0,7,2", "sm_90"),
        ("GPU-aaaa", "sm_90"),
        ("GPU-bbbb", None),
        ("GPU-bbbb2222,0", "sm_80"),
        ("MIG-1234", "sm_75"),
        ("nonsense", None),
    ],
)
def test_visible_devices(driver: Callable[..., FakeDriver], selection: str | None, arch: str | None) -> None:
    driver()
    environ = {} if selection is None else {"CUDA_VISIBLE_DEVICES": selection}
    found = detect(None, cache_dir=None, environ=environ)
    assert (found.has_cuda, found.cuda_arch) == (arch is not None, arch)
    assert found.cuda_version == ("13.0" if arch else None)


@pytest.mark.parametrize(
    ("version_file", "cuda", "expected"),
    [
        ("", 13000, "13.0"),
        ("", 12080, "12.8"),
        ("cuda: Optional[str] = '12.8'\n", 13000, "12.8"),
        ('__version__ = "2.13.0"\ncuda = "13.0"\n', 13010, "13.0"),
        ("cuda = '12.9'\n", 12080, "12.9"),
        ("cuda = '13.0'\n", 12080, "12.8"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2'\n", 13000, "13.0"),
        ("cuda = '12.8'\n", 0, "12.8"),
        ("", 0, None),
    ],
)
def test_the_version_is_what_torch_was_built_for_if_the_driver_can_run_it(
    driver: Callable[..., FakeDriver],
    host: Callable[[str], HostSnapshot],
    version_file: str,
    cuda: int,
    expected: str | None,
) -> None:
    driver(cuda=cuda)
    assert detect(host(version_file), cache_dir=None, environ={}).cuda_version == expected


def test_a_lost_device_hides_no_other(driver: Callable[..., FakeDriver]) -> None:
    driver(lost=(T4.uuid,))
    assert detect(None, cache_dir=None, environ={}).cuda_arch == "sm_80"


@pytest.mark.parametrize("facts", [{"absent": True}, {"devices": ()}])
def test_a_driver_that_fails_is_no_device_and_is_asked_again(
    driver: Callable[..., FakeDriver], tmp_path: Path, facts: dict[str, object]
) -> None:
    fake = driver(**facts)
    assert detect(None, cache_dir=tmp_path, environ={}) == Accelerator()
    assert detect(None, cache_dir=tmp_path, environ={}) == Accelerator()
    assert fake.calls.count("init") == 2
    assert list(tmp_path.iterdir()) == []


def test_without_the_binding_there_is_no_device(
    driver: Callable[..., FakeDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.query() is None


def test_a_library_that_cannot_be_loaded_is_passed_over(
    driver: Callable[..., FakeDriver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver()
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    monkeypatch.setattr(nvml, "_LIBRARIES", (str(tmp_path / "libnvidia-ml.so.1"),))
    assert nvml.query() == Cuda("13.0", (H200, A100, T4))


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("nodes", "expected"), [((), False), (("davinci_manager",), False), (("davinci0",), False)])
def test_an_npu_needs_its_manager_and_a_device(tmp_path: Path, nodes: tuple[str, ...], expected: bool) -> None:
    for node in nodes:
        (tmp_path / node).write_text("")
    assert detect(None, cache_dir=None, environ={}).has_npu is expected


@pytest.mark.usefixtures("bare")
def test_an_npu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "davinci_manager").write_text("")
    (tmp_path / "davinci0").write_text("")
    assert detect(None, cache_dir=None, environ={}) == Accelerator(has_npu=True)


@pytest.mark.usefixtures("bare")
def test_the_watches_hold_and_know_the_boot(tmp_path: Path) -> None:
    (tmp_path / "nvidiactl").write_text("")
    watches = accelerator_watches()
    assert changed(watches) is None
    boot = next(watch for watch in watches if str(watch[1]).endswith("boot_id"))
    boot[2] = "another"
    assert changed(watches) == boot[1]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("node", ["nvidiactl", "nvidia0", "nvidia2", "davinci_manager", "davinci0"])
def test_a_device_that_comes_is_noticed(tmp_path: Path, node: str) -> None:
    if node == "nvidia2":
        (tmp_path / "nvidia0").write_text("")
        (tmp_path / "nvidia1").write_text("")
    watches = accelerator_watches()
    assert changed(watches) is None
    (tmp_path / node).write_text("")
    # The first device of a machine shows in the folder.
    assert changed(watches) in (str(tmp_path / node), str(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Accelerator()),
        ("npu", Accelerator(has_npu=True)),
        ("cuda=13.0,arch=sm_90", Accelerator(has_cuda=True, cuda_version="13.0", cuda_arch="sm_90")),
        (" cuda=12.8 , arch=sm_100 ", Accelerator(has_cuda=True, cuda_version="12.8", cuda_arch="sm_100")),
        ("cuda=13", Accelerator(has_cuda=True, cuda_version="13.0")),
        ("npu,cuda=12.8", Accelerator(has_cuda=True, has_npu=True, cuda_version="12.8")),
    ],
)
def test_stated_accelerators(text: str, expected: Accelerator) -> None:
    assert parse_accelerator(text) == expected


@pytest.mark.parametrize(
    "text",
    """|cuda|cuda=|cuda=new|cuda=13.0.1.2|arch=sm_90|cuda=13.0,arch=90|none,npu|npu=1|rocm|cuda=13.0,cuda=12.8
    |cuda=13.0,|cuda=13.0,arch=sm_90,x=1|cuda=,arch=sm_90""".replace("\n    ", "").split("|"),
)
def test_what_states_no_accelerator(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_accelerator(text, where="VENVKIT_ACCELERATOR")
    assert (caught.value.code, caught.value.where) == ("accelerator-invalid", "VENVKIT_ACCELERATOR")
    assert "cuda=13.0,arch=sm_90" in caught.value.remedy
