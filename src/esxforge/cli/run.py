"""``esxforge run IMAGE``: boot a built image in QEMU, with hardware that ESXi supports, leaving the image as it is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from esxforge.cli.maas_options import JsonOption
from esxforge.cli.machine_options import (
    AccelOption,
    FirmwareOption,
    HardwareOptions,
    ReleaseOption,
    VncOptions,
    accelerator,
)
from esxforge.cli.render import listener, print_json


def run(
    image: Annotated[Path, typer.Argument(help="Image to boot (.dd.gz or raw).", show_default=False, readable=False)],
    *,
    release: ReleaseOption = None,
    firmware: FirmwareOption = "uefi",
    accel: AccelOption = "auto",
    hardware: HardwareOptions,
    disk_size: Annotated[
        int | None,
        typer.Option(
            "--disk-size", min=1, help="Disk size in GiB. [default: as the release needs]", show_default=False
        ),
    ] = None,
    vnc: VncOptions,
    serial: Annotated[
        bool, typer.Option("--serial", help="Connect the serial console to this terminal; Ctrl-A x exits.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the screen on a local web page.")] = False,
    timeout: Annotated[float | None, typer.Option("--timeout", min=1, help="Maximum run time in seconds.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Boot an image in QEMU until it powers off. Writes go to an overlay; the image is not changed.

    Without --vnc, --serial or --watch, the screen is shown on a local web page.
    """
    from dataclasses import replace

    from esxforge.image.hardware_release import hardware_release
    from esxforge.local.interrupts import termination_as_interrupt
    from esxforge.local.workspace import work_directory
    from esxforge.vm import accelerator as accelerators
    from esxforge.vm import disks
    from esxforge.vm.deployed import deployed_host, machine_name
    from esxforge.vm.failure import MachineFailedError
    from esxforge.vm.firmware import find_ovmf, private_copy
    from esxforge.vm.hardware import Disk, SeaBios, SerialToFile, SerialToTerminal, hardware_for
    from esxforge.vm.unattended import Limits, run_until_power_off

    if as_json and serial:
        raise typer.BadParameter("the console and the document both go to stdout: choose one", param_hint="--json")
    if release:  # a mistake is told before the image is unpacked
        hardware_for(release)
    display = vnc.display()
    packed = disks.is_gzip(image)
    chosen = accelerators.choose(accelerator(accel))
    limits = Limits(timeout or math.inf, restarts=sys.maxsize)  # installing, ESXi restarts as it should
    with (
        termination_as_interrupt(),
        work_directory(keep_after=(MachineFailedError,)) as directory,
        listener() as listen,
        _terminal_restored(desired=serial),
    ):
        raw = directory / "image.raw" if packed else image
        if packed:
            disks.unpack(image, raw, listen)
        disks.check_bootable(raw)
        release = hardware_release(raw, release)
        supported = hardware_for(release)
        overlay = directory / "disk.qcow2"
        disks.create_overlay(raw, overlay, (disk_size or supported.smallest_disk_gib) << 30)
        host = deployed_host(
            release,
            Disk(overlay, "qcow2", boot_index=0),
            private_copy(find_ovmf(supported.chipset), directory) if firmware == "uefi" else SeaBios(),
            chosen,
            changes=hardware.changes(),
            serial=SerialToTerminal() if serial else SerialToFile(directory / "serial.log"),
            vnc=display,
        )
        machine = replace(host, name=machine_name(image))
        show = watch or (display is None and not serial)
        report = run_until_power_off(machine, directory, limits, listener=listen, watch=show)
    if as_json:
        print_json({"image": str(image), "release": release, "seconds": round(report.seconds, 1)})


@contextmanager
def _terminal_restored(*, desired: bool) -> Iterator[None]:
    """QEMU makes the terminal raw; when it is killed it cannot undo that."""
    if not (desired and sys.stdin.isatty()):
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
