"""The machine that curtin runs on: its disks, its network, its mounts."""

from __future__ import annotations

import os
import re
import subprocess
import time

from standin.curtin.choices import InstallationError

MEBIBYTE = 1 << 20
_WAIT_FOR_PARTITIONS = 30.0
_DHCP_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
"""


class Log:
    """curtin's log: a file, and the console."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "wb"):
            pass

    def say(self, text: str) -> None:
        """Add lines."""
        with open(self.path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text.rstrip("\n") + "\n")
        print(f"curtin: {text.rstrip()}", flush=True)

    def read(self) -> bytes:
        """All of it."""
        with open(self.path, "rb") as file:
            return file.read()


def text_of(path: str) -> str:
    """A small file's text, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def wipe(path: str) -> None:
    """Zeros over the first and the last MiB of a disk."""
    with open(path, "r+b", buffering=0) as disk:
        size = disk.seek(0, os.SEEK_END)
        for start in (0, max(0, size - MEBIBYTE)):
            disk.seek(start)
            disk.write(bytes(min(MEBIBYTE, size - start)))
        os.fsync(disk.fileno())


def whole_disks() -> list[str]:
    """Names of whole disks, such as sda."""
    return sorted(name for name in os.listdir("/sys/block") if os.path.isdir(f"/sys/block/{name}/device"))


def write_udev_database(directory: str = "/run/udev/data") -> dict[str, str]:
    """What udev's rules (60-persistent-storage.rules, ata_id) find of SATA disks; {name in by-id: device}."""
    os.makedirs(directory, exist_ok=True)
    names = {}
    for disk in whole_disks():
        place = f"/sys/block/{disk}/device"
        model = re.sub(r"\s+", "_", text_of(f"{place}/model"))
        try:
            with open(f"{place}/vpd_pg80", "rb") as page:
                serial = page.read()[4:].decode("ascii", "replace").strip("\0 ")
        except OSError:
            continue  # no ATA disk
        values = {"ID_BUS": "ata", "ID_MODEL": model, "ID_SERIAL": f"{model}_{serial}", "ID_SERIAL_SHORT": serial}
        number = text_of(f"/sys/block/{disk}/dev")
        with open(f"{directory}/b{number}", "w", encoding="utf-8") as file:
            file.write(f"S:disk/by-id/ata-{model}_{serial}\n")
            file.writelines(f"E:{key}={value}\n" for key, value in values.items())
        names[f"ata-{model}_{serial}"] = f"/dev/{disk}"
    return names


def start_network(boot_interface: str) -> None:
    """DHCP on the NIC that booted (``01-52-54-…``). Raises InstallationError."""
    desired = boot_interface.lower().replace("-", ":")[-17:]
    nics = [nic for nic in os.listdir("/sys/class/net") if text_of(f"/sys/class/net/{nic}/address") == desired]
    if not nics:
        raise InstallationError(f"no NIC has the MAC {desired}")
    script = "/run/udhcpc.script"
    with open(script, "w", encoding="utf-8") as file:
        file.write(_DHCP_SCRIPT)
    os.chmod(script, 0o755)  # noqa: S103  a program
    subprocess.run(["ip", "link", "set", nics[0], "up"], check=True)
    subprocess.run(["udhcpc", "-i", nics[0], "-n", "-q", "-f", "-t", "30", "-T", "1", "-s", script], check=True)


def write_image(source: str, device: str, log: Log) -> None:
    """wget, zcat and dd, as curtin joins them: only dd's exit status counts. Raises InstallationError."""
    kind, _, url = source.partition(":")
    if kind != "dd-gz":
        raise InstallationError(f"this is no dd-gz source: {source}")
    command = ["sh", "-c", 'wget "$1" -q -O - | zcat | dd bs=4M of="$2"', "--", url, device]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    log.say(done.stdout.decode("utf-8", "replace"))
    if done.returncode:
        raise InstallationError("dd failed")
    subprocess.run(["sync"], check=True)


def partitions_of(device: str) -> list[str]:
    """Devices of a disk's partitions, in order, once the kernel has read the table again."""
    subprocess.run(["blockdev", "--rereadpt", device], check=True)
    disk = os.path.basename(device)
    deadline = time.monotonic() + _WAIT_FOR_PARTITIONS
    while time.monotonic() < deadline:
        found = [name for name in os.listdir(f"/sys/block/{disk}") if name.startswith(disk)]
        if found and all(os.path.exists(f"/dev/{name}") for name in found):
            return [f"/dev/{name}" for name in sorted(found, key=lambda name: int(re.findall(r"\d+", name)[-1]))]
        time.sleep(0.2)
    raise InstallationError(f"no partition appeared on {device}")


def mount(device: str, directory: str) -> bool:
    """Mount without a type; whether it went."""
    os.makedirs(directory, exist_ok=True)
    return subprocess.run(["mount", device, directory], stderr=subprocess.DEVNULL).returncode == 0


def unmount(directory: str) -> None:
    """Unmount; what was written is on the disk then."""
    subprocess.run(["umount", directory], check=True)
