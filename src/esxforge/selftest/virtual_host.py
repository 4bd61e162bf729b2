"""The virtual host: its directory with disks, its two NICs, its firmware, and the hook run on it as by curtin."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import replace
from pathlib import Path

from esxforge.formats.efi_variable_store import LARGEST_STORE, read_variable
from esxforge.local import processes
from esxforge.local.reading import read_file
from esxforge.selftest import order as orders
from esxforge.selftest.evidence import HookRun
from esxforge.selftest.file_host import IMAGE_SECURITY, FileHost, HostDirectory
from esxforge.selftest.order import FIRST, SECOND, GuestToken, Order
from esxforge.vm.deployed import Changes, deployed_host
from esxforge.vm.firmware import find_ovmf, find_secure_ovmf, private_copy
from esxforge.vm.hardware import Accelerator, Disk, Forward, Machine, Nic, Ovmf, SeaBios, hardware_for
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.hook.main import main
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.runtime.report import Report

BOOT_DISK, DATA_DISK = "sda", "sdb"
HTTPS = 443


class VirtualHost:
    """A host in ``directory``, which must be empty. The image is written to ``boot_disk`` first, as MAAS would.

    ``secure_boot``: its firmware enforces Secure Boot, with its default keys.
    """

    def __init__(
        self, directory: Path, order: Order, accelerator: Accelerator, changes: Changes, *, secure_boot: bool = False
    ) -> None:
        self.directory = directory
        self.order = order
        self._accelerator = accelerator
        self._changes = changes
        self._files = HostDirectory(directory / "host", boot_mac=SECOND.mac)
        self.management_port = free_port()
        self._secure_boot = secure_boot

    @property
    def boot_disk(self) -> Path:
        """File of the first disk."""
        return self._files.device(BOOT_DISK)

    @property
    def data_disk(self) -> Path:
        """File of the second disk."""
        return self._files.device(DATA_DISK)

    def attach_disks(self) -> None:
        """Give both disks their sizes, once the image is on the first."""
        self._files.attach(BOOT_DISK, self.order.boot_bytes, orders.BOOT_SERIAL)
        self._files.attach(DATA_DISK, self.order.data_bytes, orders.DATA_SERIAL)
        self._files.partition(BOOT_DISK, BOOT_DISK + "1")

    def run_hook(self, endpoint: str, token: GuestToken) -> HookRun:
        """Act as curtin does once the image is on the disk: write its configuration there, and start the hook."""
        config = orders.curtin_config(self.order, endpoint, token)
        self._files.credentials(BOOT_DISK, config)
        said = io.StringIO()
        if self._secure_boot:
            self._show_secure_boot()
        host = FileHost(self._files, has_keys=True, maas_time=time.time())
        status = main(host, self._files.variables(config), Report(said))
        lines = tuple(said.getvalue().splitlines())
        if status != 0:
            return HookRun(False, lines)
        return HookRun(True, lines, self._stamps())

    def _show_secure_boot(self) -> None:
        """Let the hook see what Linux would show of this firmware: the databases, and QEMU's clock."""
        store = read_file(self._template().variables, largest=LARGEST_STORE)
        self._files.variable("SecureBoot", b"\1")
        for name in ("db", "dbx"):
            value = read_variable(store, IMAGE_SECURITY, name)
            if value is not None:
                self._files.variable(name, value, IMAGE_SECURITY)
        self._files.hardware_clock(time.time())

    def _template(self) -> Ovmf:
        chipset = hardware_for(self.order.release).chipset
        return find_secure_ovmf(chipset) if self._secure_boot else find_ovmf(chipset)

    def _stamps(self) -> dict[str, str]:
        found = {}
        for name in (BOOT_DISK, DATA_DISK):
            with FileBlocks(str(self._files.device(name))) as disk:
                found[name] = str(read_table(disk).table.disk_guid)
        return found

    # -- as a machine -------------------------------------------------------------------------------------------

    def machine(self, firmware: Ovmf) -> Machine:
        """Return the release's hardware with both disks and both NICs; only the second leads to this computer."""
        return self._machine(firmware, (Disk(self.boot_disk, boot_index=0), Disk(self.data_disk)))

    def machine_on_overlay(self, firmware: Ovmf | SeaBios, overlay: Path) -> Machine:
        """Return the same machine, with one disk that is an overlay."""
        return self._machine(firmware, (Disk(overlay, "qcow2", boot_index=0),))

    def _machine(self, firmware: Ovmf | SeaBios, disks: tuple[Disk, ...]) -> Machine:
        card = self._changes.card or hardware_for(self.order.release).card
        base = deployed_host(self.order.release, disks[0], firmware, self._accelerator, changes=self._changes)
        forward = Forward(self.management_port, SECOND.address, HTTPS)
        nics = (
            Nic(card, FIRST.mac, connected=FIRST.reaches_us, subnet=FIRST.subnet),
            Nic(card, SECOND.mac, connected=SECOND.reaches_us, subnet=SECOND.subnet, forwards=(forward,)),
        )
        return replace(base, name="esxforge-selftest", disks=disks, nics=nics)

    def firmware(self, name: str) -> Ovmf:
        """Return UEFI with variables of its own, in a directory of that name; they persist from start to start."""
        place = self.directory / name
        template = self._template()
        if place.is_dir():
            return replace(template, variables=place / f"firmware-variables.{template.variables_format}")
        place.mkdir()
        return private_copy(template, place)

    # -- while it is off ----------------------------------------------------------------------------------------

    def add_kernel_options(self, partition: int, options: tuple[str, ...]) -> None:
        """Add kernel options to the boot.cfg of a bank: the installer does not pass on its own."""
        with FileBlocks(str(self.boot_disk), True) as disk:
            volume = FatEditor(Window(disk, *read_table(disk).table.byte_range(partition)))
            cfg = BootCfg.parse(volume.read_file("boot.cfg"))
            new = [word for word in options if word not in cfg.kernelopt]
            volume.write_file("boot.cfg", cfg.with_kernelopt([*cfg.kernelopt, *new]).to_bytes())

    def differs(self, image: Path, overlay: Path) -> bool:
        """Return whether the guest has changed anything on the overlay over ``image``."""
        program = processes.find_program("qemu-img", hint="Install it: “qemu-utils” on Debian and Ubuntu.")
        compared = processes.run(
            [program, "compare", "-q", "-f", "raw", "-F", "qcow2", str(image), str(overlay)], timeout=600, check=False
        )
        return compared.status != 0


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
