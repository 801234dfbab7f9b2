"""The CUDA devices of this machine, asked from its driver through NVML."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from types import ModuleType

from msgspec import Struct

# Where the driver leaves a trace that costs microseconds to see; the last two are the driver of WSL and the
# place where some container platforms mount its libraries.
_TRACES = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/dxg",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/libnvidia-ml.so.1",
)
_LIBRARIES = ("/usr/lib/wsl/lib/libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1")


class Device(Struct, frozen=True):
    """One device: its identity and its compute capability."""

    uuid: str
    major: int
    minor: int


class Cuda(Struct, frozen=True):
    """The newest CUDA version the driver runs (`13.0`), and the devices in the order of the PCI bus."""

    driver: str | None = None
    devices: tuple[Device, ...] = ()

    def visible(self, selection: str | None) -> tuple[Device, ...]:
        """Return the devices that CUDA_VISIBLE_DEVICES leaves, by CUDA's own rules.

        Args:
            selection: Indexes or identities (also shortened ones), separated by commas; the first that is no
                device ends the list. None leaves all. A slice of a device (MIG) has the capability of its
                device; which one that is cannot be told from its identity, so all are taken for visible.
        """
        if selection is None:
            return self.devices
        chosen: list[Device] = []
        for token in map(str.strip, selection.split(",")):
            if token.startswith("MIG-"):
                return self.devices
            device = self._device(token)
            if device is None:
                break
            chosen.append(device)
        return tuple(chosen)

    def _device(self, token: str) -> Device | None:
        if token.isdecimal():
            return self.devices[int(token)] if int(token) < len(self.devices) else None
        matching = [device for device in self.devices if token and device.uuid.startswith(token)]
        return matching[0] if len(matching) == 1 else None


def plausible() -> bool:
    """Return whether anything of an NVIDIA driver is there; loading NVML only to hear no costs 40 ms."""
    return any(map(os.path.exists, (*_TRACES, *_LIBRARIES)))


def query() -> Cuda | None:
    """Return the devices that the driver lists, or None when it cannot be asked (not loaded, no permission)."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None
    # Where the loader does not look, an absolute path loads it once for everybody who asks for it by name.
    for library in filter(os.path.exists, _LIBRARIES):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return Cuda(_driver_version(pynvml), tuple(_devices(pynvml)))
    except pynvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _driver_version(pynvml: ModuleType) -> str | None:
    ask: Callable[[], int] = pynvml.nvmlSystemGetCudaDriverVersion_v2
    try:
        number = ask()
    except pynvml.NVMLError:
        return None
    return f"{number // 1000}.{number % 1000 // 10}"


def _devices(pynvml: ModuleType) -> Iterator[Device]:
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            uuid = pynvml.nvmlDeviceGetUUID(handle)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        except pynvml.NVMLError:  # one that fell off the bus hides no other
            continue
        yield Device(uuid if isinstance(uuid, str) else uuid.decode(), major, minor)
