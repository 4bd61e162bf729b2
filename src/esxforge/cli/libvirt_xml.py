"""``esxforge libvirt-xml IMAGE``: the same machine that ``run`` starts, as a libvirt domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.machine_options import FirmwareOption, HardwareOptions, ReleaseOption
from esxforge.cli.render import print_json


def libvirt_xml(
    image: Annotated[Path, typer.Argument(help="Raw disk image.", show_default=False, readable=False)],
    *,
    release: ReleaseOption = None,
    firmware: FirmwareOption = "uefi",
    accel: Annotated[
        Literal["kvm", "tcg"], typer.Option("--accel", help="Accelerator; tcg works without KVM, slowly.")
    ] = "kvm",
    hardware: HardwareOptions,
    name: Annotated[str | None, typer.Option("--name", help="Name of the domain.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a libvirt domain that boots an image, for “virsh define”. The domain writes to the image itself."""
    from dataclasses import replace

    from esxforge.errors import ImageError
    from esxforge.image.hardware_release import hardware_release
    from esxforge.vm import disks
    from esxforge.vm.deployed import deployed_host
    from esxforge.vm.firmware import find_ovmf
    from esxforge.vm.hardware import Accelerator, Disk, SeaBios, hardware_for
    from esxforge.vm.libvirt import domain_xml

    if disks.is_gzip(image):
        raise ImageError(
            f"{image} is compressed; libvirt needs a raw disk.",
            f"Unpack a copy for it: {disks.unpack_command(image)}",
        )
    disks.check_bootable(image)
    release = hardware_release(image, release)
    machine = deployed_host(
        release,
        Disk(image.resolve(), boot_index=0),
        find_ovmf(hardware_for(release).chipset) if firmware == "uefi" else SeaBios(),
        Accelerator(accel),
        changes=hardware.changes(),
    )
    domain = domain_xml(replace(machine, name=name or machine.name))
    if as_json:
        print_json({"image": str(image), "name": name or machine.name, "domain": domain})
    else:
        typer.echo(domain, nl=False)
