"""The proof of a shell: others may write in it, and what they install there wins over the environment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from venvkit.base.process import Runner
from venvkit.formats.pointer import COPY, STAND_IN
from venvkit.formats.receipt import Receipt
from venvkit.host.distribution import Distribution, scan
from venvkit.proof.start import Starter, expected_names, verify_start


def site_packages_of(shell: Path, receipt: Receipt) -> Path:
    """Return the site-packages of a shell: it lies there as in the environment."""
    return shell / Path(receipt.site_packages).relative_to(receipt.path)


def intruders(shell: Path, receipt: Receipt) -> tuple[Distribution, ...]:
    """Return the distributions that others installed into a shell."""
    return tuple(item for item in _own(shell, receipt) if not _installer(item).startswith(STAND_IN))


def _own(shell: Path, receipt: Receipt) -> tuple[Distribution, ...]:
    """Return the distributions that lie in a shell itself."""
    return tuple(scan([str(site_packages_of(shell, receipt))])[0])


def _installer(item: Distribution) -> bytes:
    try:
        return Path(item.location, "INSTALLER").read_bytes()
    except OSError:
        return b""


def prove_shell(shell: Path, receipt: Receipt, runner: Runner, relied: Iterable[Distribution] = ()) -> None:
    """Start the interpreter of a shell, and hold what it sees against the environment.

    Args:
        relied: The distributions of the host that have to be seen behind it.

    Raises:
        ProofError: It does not start (`child-broken`), does not see the environment (`hook-missing`), or would import
            another copy of what the environment has (`shadow-hidden`).
        MachineError: It does not answer in time (`timeout`).
    """
    starter = Starter(shell / "bin" / "python", runner, receipt.libraries)
    try:
        copies = (item for item in _own(shell, receipt) if _installer(item) == COPY)
        owners = expected_names([*relied, *scan([receipt.site_packages])[0], *copies])
        starter.ask(owners)
        verify_start(
            starter.answer(),
            owners,
            site_packages=Path(receipt.site_packages),
            prefix=Path(receipt.path),
            shadowed={item.name for item in receipt.plan.shadow},
        )
    finally:
        starter.close()
