"""``esxforge libvirt-xml IMAGE``: the same machine that ``run`` starts, as a libvirt domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli import machine_options
from esxforge.cli.maas_options import JsonOption
from esxforge.cli.machine_options import is_uefi, network_card
from esxforge.cli.render import print_json


def libvirt_xml(
    image: Annotated[Path, typer.Argument(help="A raw disk image.", show_default=False, readable=False)],
    *,
    release: machine_options.ReleaseOption = None,
    firmware: Annotated[str, typer.Option("--firmware", help="uefi or bios.")] = "uefi",
    accel: Annotated[str, typer.Option("--accel", help="kvm, or tcg (slow, without KVM).")] = "kvm",
    memory: Annotated[int | None, typer.Option("--memory", min=64, help="Memory in MiB.")] = None,
    cpus: Annotated[int | None, typer.Option("--cpus", min=1, max=64, help="Processor cores.")] = None,
    nic: Annotated[str | None, typer.Option("--nic", help="e1000, e1000e or vmxnet3.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The domain's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a libvirt domain that boots IMAGE, for “virsh define”. libvirt writes to the image itself."""
    from dataclasses import replace

    from esxforge.cli.machine_options import accelerator
    from esxforge.errors import ImageError
    from esxforge.image.hardware_release import hardware_release
    from esxforge.vm import disks
    from esxforge.vm.deployed import Changes, deployed_host
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
        find_ovmf(hardware_for(release).chipset) if is_uefi(firmware) else SeaBios(),
        accelerator(accel) or Accelerator.KVM,
        changes=Changes(memory, cpus, network_card(nic)),
    )
    domain = domain_xml(replace(machine, name=name or machine.name))
    if as_json:
        print_json({"image": str(image), "name": name or machine.name, "domain": domain})
    else:
        typer.echo(domain, nl=False)
