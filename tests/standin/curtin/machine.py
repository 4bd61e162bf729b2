"""The machine that curtin runs on: its disks, its network, its mounts."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from standin.curtin import clearing
from standin.curtin.choices import Devices, InstallationError
from standin.curtin.commands import Log

GIBIBYTE = 1 << 30
_WAIT_FOR_PARTITIONS = 30.0
# A directory at the top of a file system that makes it a root of curtin's.
_ROOTS = ("curtin", "system-data/var/lib/snapd", "snaps")
_ROUNDS_OF_UDEV = 3
_DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
"""


def text_of(path: str | Path) -> str:
    """A small file's text, or nothing."""
    try:
        return Path(path).read_text("utf-8", "replace").strip()
    except OSError:
        return ""


class Machine:
    """The effects of curtin on a machine; the seam for tests."""

    def __init__(self) -> None:
        self.by_id = Path("/dev/disk/by-id")

    def devices(self) -> Devices:
        """The block devices as they are now."""
        write_udev_database(self.by_id)
        # In the order in which the directory lists them, as curtin does.
        by_id = {entry.name: os.path.realpath(entry.path) for entry in os.scandir(self.by_id)}
        return Devices(by_id, [f"/dev/{name}" for name in os.listdir("/sys/class/block")], _installable())

    def clear(self, devices: Iterable[str], log: Log) -> None:
        """Take down and wipe what lies on disks and partitions."""
        clearing.clear(devices, log)

    def write_image(self, address: str, device: str, log: Log) -> None:
        """wget, zcat and dd in a pipe: only dd's exit status counts. Then make its partitions appear.

        Raises InstallationError.
        """
        log.run(image_command(address, device))
        log.run(["partprobe", device])
        for _ in range(_ROUNDS_OF_UDEV):
            self.devices()
            clearing.activate_volume_groups(log)

    def partitions(self, device: str) -> list[str]:
        """Devices of a disk's partitions, in order; none where the table has none."""
        disk = os.path.basename(device)
        deadline = time.monotonic() + _WAIT_FOR_PARTITIONS
        while True:
            found = [name for name in os.listdir(f"/sys/block/{disk}") if name.startswith(disk)]
            if all(os.path.exists(f"/dev/{name}") for name in found):
                return [f"/dev/{name}" for name in sorted(found, key=lambda name: int(re.findall(r"\d+", name)[-1]))]
            if time.monotonic() > deadline:
                raise InstallationError(f"the partitions of {device} have no devices")
            time.sleep(0.2)

    def is_root(self, partition: str, directory: str) -> bool:
        """Mount a partition at ``directory`` for a moment: is it a root of curtin's? Not where it cannot be mounted."""
        os.makedirs(directory, exist_ok=True)
        if subprocess.run(["mount", partition, directory], stderr=subprocess.DEVNULL).returncode:
            return False
        try:
            return any(os.path.isdir(f"{directory}/{root}") for root in _ROOTS)
        finally:
            self.unmount(directory)

    def mount(self, device: str, directory: str, log: Log) -> None:
        """Mount without a type, to be written to. Raises InstallationError."""
        log.run(["mount", device, directory])

    def unmount(self, directory: str) -> None:
        """Unmount, where something is mounted; what was written is on the disk then."""
        if os.path.ismount(directory):
            subprocess.run(["umount", directory], check=True)


def image_command(address: str, device: str) -> list[str]:
    """The command that brings the image to the disk."""
    return ["sh", "-c", 'wget "$1" --progress=dot:mega -O - | zcat | dd bs=4M of="$2"', "--", address, device]


def whole_disks() -> list[str]:
    """Names of whole disks, such as sda."""
    return sorted(name for name in os.listdir("/sys/block") if os.path.isdir(f"/sys/block/{name}/device"))


def _installable() -> list[str]:
    nodes = {name: Path("/sys/block") / name for name in whole_disks()}
    return [
        name
        for name, node in nodes.items()
        if text_of(node / "removable") == text_of(node / "ro") == "0" and int(text_of(node / "size")) * 512 >= GIBIBYTE
    ]


def write_udev_database(by_id: Path, directory: str = "/run/udev/data") -> None:
    """Write udev's database and its links in by-id for SATA disks (60-persistent-storage.rules, ata_id)."""
    os.makedirs(directory, exist_ok=True)
    by_id.mkdir(parents=True, exist_ok=True)
    for link in by_id.iterdir():
        link.unlink()
    for disk in whole_disks():
        values = _ata_values(f"/sys/block/{disk}/device")
        if not values:
            continue
        names = [f"ata-{values['ID_SERIAL']}", *([f"wwn-{values['ID_WWN']}"] if "ID_WWN" in values else [])]
        with open(f"{directory}/b{text_of(f'/sys/block/{disk}/dev')}", "w", encoding="utf-8") as file:
            file.writelines(f"S:disk/by-id/{name}\n" for name in names)
            file.writelines(f"E:{key}={value}\n" for key, value in values.items())
        for device, end in _with_partitions(disk):
            for name in names:
                link = by_id / f"{name}{end}"
                link.unlink(missing_ok=True)  # of two disks of one name udev links one
                link.symlink_to(f"../../{device}")


def _with_partitions(disk: str) -> Iterator[tuple[str, str]]:
    yield disk, ""
    for path in Path(f"/sys/block/{disk}").iterdir():
        if (path / "partition").exists():
            yield path.name, f"-part{text_of(path / 'partition')}"


def _ata_values(place: str) -> dict[str, str]:
    model = re.sub(r"\s+", "_", text_of(f"{place}/model"))
    try:
        serial = Path(f"{place}/vpd_pg80").read_bytes()[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        return {}  # no ATA disk
    values = {"ID_BUS": "ata", "ID_MODEL": model, "ID_SERIAL": f"{model}_{serial}", "ID_SERIAL_SHORT": serial}
    wwn = text_of(f"{place}/wwid")
    return {**values, "ID_WWN": "0x" + wwn.removeprefix("naa.")} if wwn.startswith("naa.") else values


def start_network(boot_interface: str) -> None:
    """DHCP on the NIC that booted (``01-52-54-…``). Raises InstallationError."""
    desired = boot_interface.lower().replace("-", ":")[-17:]
    nics = [nic for nic in os.listdir("/sys/class/net") if text_of(f"/sys/class/net/{nic}/address") == desired]
    if not nics:
        raise InstallationError(f"no NIC has the MAC {desired}")
    script = "/run/udhcpc.script"
    Path(script).write_text(_DHCP_SCRIPT, "utf-8")
    os.chmod(script, 0o755)  # noqa: S103  a program
    subprocess.run(["ip", "link", "set", nics[0], "up"], check=True)
    subprocess.run(["udhcpc", "-i", nics[0], "-n", "-q", "-f", "-t", "30", "-T", "1", "-s", script], check=True)
