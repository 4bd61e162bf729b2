"""What ``tools/guest-linux`` fetched from the distribution's packages, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esxforge.errors import ProcessError

CHECKOUT = Path(__file__).parents[3]
DIRECTORY = CHECKOUT / "build" / "guest-linux"


@dataclass(frozen=True, slots=True)
class GuestLinux:
    """A kernel, systemd's EFI stub, and the directory ``lib/modules/VERSION`` with modules.dep in it."""

    kernel: Path
    stub: Path
    modules: Path

    @property
    def version(self) -> str:
        """As ``uname -r`` says it."""
        return self.modules.name


def find_guest_linux(directory: Path = DIRECTORY) -> GuestLinux:
    """What was fetched. Raises :class:`ProcessError`, with how to fetch it, when there is nothing."""
    modules = sorted(directory.glob("lib/modules/*/modules.dep"))
    kernel, stub = directory / "vmlinuz", directory / "linuxx64.efi.stub"
    if not modules or not kernel.is_file() or not stub.is_file():
        raise ProcessError(
            f"There is no Linux for test guests in {directory}.",
            f"In the checkout {CHECKOUT} say “make .stamps/debian”, or “tools/guest-linux build/guest-linux”.",
        )
    return GuestLinux(kernel, stub, modules[-1].parent)
