"""The accelerator of the machine, detected without importing torch, and only when something depends on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from venvkit.base import cachefile
from venvkit.base.watch import Watch, changed, exists_watch, stat_watch, text_watch
from venvkit.errors import UsageError
from venvkit.host import nvml
from venvkit.host.metadata import read_text
from venvkit.host.snapshot import HostSnapshot
from venvkit.settings.kinds import ACCELERATOR, accelerator_facts

_CACHE_NAME = "accelerator-2.json"
_FACT_FILES = ("/proc/sys/kernel/random/boot_id", "/sys/module/nvidia/version", "/proc/driver/nvidia/version")
_DEV = Path("/dev")
_TORCH_CUDA = re.compile(r"^cuda\s*(?::[^=\n]*)?=\s*['\"](\d+(?:\.\d+)*)['\"]", re.MULTILINE)


class Accelerator(Struct, frozen=True):
    """The accelerator facts of the requirement language.

    Args:
        has_cuda: Whether a CUDA device is visible.
        has_npu: Whether an Ascend NPU is there.
        has_rocm: Whether an AMD GPU can be used for computing.
        cuda_version: The CUDA version that packages must fit, `13.0`; None without a device.
        cuda_arch: The lowest compute capability of the visible devices, `sm_90`; None without a device.
    """

    has_cuda: bool = False
    has_npu: bool = False
    cuda_version: str | None = None
    cuda_arch: str | None = None
    has_rocm: bool = False


class _Kept(Struct, frozen=True):
    """The form of the cached facts."""

    watches: tuple[Watch, ...]
    cuda: nvml.Cuda


def detect(snapshot: HostSnapshot | None, *, cache_dir: Path | None, environ: Mapping[str, str]) -> Accelerator:
    """Return the accelerator of this machine; never raises, and takes less than 5 ms without one.

    `cuda_version` is the one the host's torch was built for, because what is installed must match it; where
    the host has no torch, one built without CUDA, or one built for a newer major version than the driver can
    run (within one major version every driver runs every build), it is the newest that the driver runs.

    Args:
        snapshot: The host, for its torch; None where no host is visible.
        cache_dir: Where the facts of the driver are kept, per boot, driver version and device nodes.
        environ: For CUDA_VISIBLE_DEVICES; its indexes are taken in the order of the PCI bus.
    """
    has_npu, has_rocm = _has_npu(), (_DEV / "kfd").exists()
    facts = _driver_facts(cache_dir)
    visible = facts.visible(environ.get("CUDA_VISIBLE_DEVICES"))
    if not visible:
        return Accelerator(has_npu=has_npu, has_rocm=has_rocm)
    major, minor = min((device.major, device.minor) for device in visible)
    version = _cuda_version(facts.driver, _torch_cuda(snapshot) if snapshot else None)
    return Accelerator(
        has_cuda=True, has_npu=has_npu, cuda_version=version, cuda_arch=f"sm_{major}{minor}", has_rocm=has_rocm
    )


def accelerator_watches() -> list[Watch]:
    """Return the watches under which an earlier `detect` is still true, beside the host and `environ`."""
    nodes = [_DEV / name for name in ("nvidiactl", "dxg", "davinci_manager", "kfd")]
    nodes += [*_numbered("nvidia"), *_numbered("davinci")]
    if not any(node.exists() for node in nodes):
        # Every launch looks at what is watched. A device that comes changes the folder; a boot by itself brings none.
        return [stat_watch(str(_DEV))]
    return [text_watch(path) for path in _FACT_FILES] + [exists_watch(str(node)) for node in nodes]


def parse_accelerator(text: str, *, where: str = "accelerator") -> Accelerator:
    """Return the facts that `text` states for another machine than this one.

    >>> parse_accelerator("cuda=13.0,arch=sm_90").cuda_arch
    'sm_90'

    Args:
        text: `none`, `npu`, `cuda=VERSION` or `cuda=VERSION,arch=sm_NN`; `npu` may stand beside CUDA.
        where: The option or variable it comes from, for the error.

    Raises:
        UsageError: It is none of these (`accelerator-invalid`).
    """
    try:
        cuda, arch, npu = accelerator_facts(text)
    except ValueError:
        raise UsageError(
            f"{text!r} describes no accelerator",
            code="accelerator-invalid",
            where=where,
            remedy=f"accepted are: {ACCELERATOR.accepts}",
        ) from None
    version = f"{cuda}.0" if cuda and "." not in cuda else cuda or None
    return Accelerator(has_cuda=bool(cuda), has_npu=npu, cuda_version=version, cuda_arch=arch or None)


def _driver_facts(cache_dir: Path | None) -> nvml.Cuda:
    if not nvml.plausible():
        return nvml.Cuda()
    path = cache_dir / _CACHE_NAME if cache_dir else None
    kept = cachefile.load(path, _Kept) if path else None
    if kept is not None and changed(kept.watches) is None:
        return kept.cuda
    watches = tuple(accelerator_watches())
    facts = nvml.query()
    if facts is None:  # it may answer in a moment (a driver being loaded): nothing to keep
        return nvml.Cuda()
    if path:
        cachefile.store(path, _Kept(watches, facts))
    return facts


def _has_npu() -> bool:
    return (_DEV / "davinci_manager").exists() and any(_DEV.glob("davinci[0-9]*"))


def _numbered(stem: str) -> list[Path]:
    """Return the device nodes `stem0`, `stem1`, ... that are there, and the first that is not."""
    nodes = [_DEV / f"{stem}0"]
    while nodes[-1].exists():
        nodes.append(_DEV / f"{stem}{len(nodes)}")
    return nodes


def _cuda_version(driver: str | None, built_for: str | None) -> str | None:
    if built_for is None or driver is None:
        return built_for or driver
    return built_for if _major(built_for) <= _major(driver) else driver


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _torch_cuda(snapshot: HostSnapshot) -> str | None:
    """Return the CUDA version in the version file of the host's torch, None where it has none."""
    torch = snapshot.find("torch")
    if torch is None:
        return None
    found: Iterable[re.Match[str] | None] = (
        _TORCH_CUDA.search(text)
        for site_dir in (torch.site_dir, *snapshot.interpreter.site_dirs)
        if (text := read_text(f"{site_dir}/torch/version.py")) is not None
    )
    # The first file there is decides, whether it names a version or says None.
    match = next(iter(found), None)
    return match[1] if match else None
