"""The machine that represents a host onto which an image was deployed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esxforge.vm.hardware import (
    Accelerator,
    Disk,
    Machine,
    NetworkCard,
    Nic,
    Ovmf,
    SeaBios,
    Serial,
    Vnc,
    hardware_for,
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to the release's defaults. ``memory_mib``: mebibytes."""

    memory_mib: int | None = None
    cpus: int | None = None
    card: NetworkCard | None = None


def deployed_host(
    release: str,
    disk: Disk,
    firmware: Ovmf | SeaBios,
    accelerator: Accelerator,
    *,
    changes: Changes | None = None,
    serial: Serial | None = None,
    vnc: Vnc | None = None,
) -> Machine:
    """Return a machine of the release's hardware that boots ``disk``. Raises :class:`~esxforge.errors.RecipeError`."""
    hardware = hardware_for(release)
    changes = changes or Changes()
    return Machine(
        name=machine_name(disk.path),
        chipset=hardware.chipset,
        accelerator=accelerator,
        cpus=changes.cpus or hardware.cpus,
        memory_mib=changes.memory_mib or hardware.memory_mib,
        firmware=firmware,
        disks=(disk,),
        nics=(Nic(changes.card or hardware.card),),
        serial=serial,
        vnc=vnc,
    )


def machine_name(image: Path) -> str:
    """Return the image's name without packing suffixes, in characters that libvirt and QEMU accept."""
    name = image.name
    for ending in (".gz", ".dd", ".raw", ".img", ".qcow2"):
        name = name.removesuffix(ending)
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
    return kept.strip(".-") or "esxi"
