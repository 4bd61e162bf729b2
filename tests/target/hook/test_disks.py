"""Which disk MAAS means: as /sys and udev show SAS, NVMe, multipath and device-mapper disks, and near-equal names."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.contract.desired_host import Disk
from esxforge_target.hook.disks import Disks
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.errors import ForgeError
from target.hook.bench import Bench

GB = 10**9
SERIAL = "64cd98f0a1b2c300"
WWN = "0x64cd98f0a1b2c3002d1e2f3a4b5c6d7e"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "machine")


def node_of(bench: Bench, name: str) -> Path:
    """A disk's directory in /sys."""
    return (bench.root / "sys/block" / name).resolve()


def disks(bench: Bench) -> Disks:
    return Disks(LinuxHost(str(bench.root)))


def found(bench: Bench, serial: str = "", wwn: str = "") -> str:
    return disks(bench).matching(Disk("sda", serial=serial, wwn=wwn)).name


def why_not(bench: Bench, serial: str = "", wwn: str = "") -> str:
    with pytest.raises(ForgeError) as caught:
        disks(bench).matching(Disk("sda", serial=serial, wwn=wwn))
    assert caught.value.hint
    return caught.value.message


def device_mapper(bench: Bench, name: str, uuid: str, *slaves: str) -> Path:
    """A device-mapper device on others, linked both ways as the kernel does."""
    node = bench.root / "sys/devices/virtual/block" / name
    for directory in ("slaves", "holders", "dm", "queue"):
        (node / directory).mkdir(parents=True, exist_ok=True)
    (node / "dm/uuid").write_text(uuid + "\n")
    (node / "size").write_text(f"{140 * GB // 512}\n")
    number = f"252:{name.removeprefix('dm-')}"
    (node / "dev").write_text(number + "\n")
    for directory, link in (("sys/block", name), ("sys/class/block", name), ("sys/dev/block", number)):
        (bench.root / directory / link).symlink_to(node)
    for slave in slaves:
        below = (bench.root / "sys/class/block" / slave).resolve()
        (node / "slaves" / slave).symlink_to(below)
        (below / "holders").mkdir(exist_ok=True)
        (below / "holders" / name).symlink_to(node)
    return node


@pytest.mark.parametrize(
    "name",
    ["ID_SERIAL", "ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "SCSI_IDENT_SERIAL"],
)
def test_the_long_and_the_short_serial_are_known(name: str, bench: Bench) -> None:
    bench.disk("sda", 140 * GB, image=None, **{name: "SAMSUNG_MZ7_S5Y1"})
    bench.disk("sdb", 140 * GB, "S5Y1")
    assert found(bench, serial="SAMSUNG_MZ7_S5Y1") == "sda"
    assert found(bench, serial="S5Y1") == "sdb"


def test_blanks_in_a_serial_are_udevs_underscores(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, ID_SERIAL="QEMU_HARDDISK_QM  1")
    assert found(bench, serial="QEMU_HARDDISK_QM_1") == found(bench, serial="QEMU HARDDISK  QM 1") == "sda"


def test_a_serial_that_only_the_kernel_shows_is_known(bench: Bench) -> None:
    bench.disk("nvme0n1", 140 * GB)
    (node_of(bench, "nvme0n1") / "device/serial").write_text("PHLN123400AB1P0  \n")
    bench.disk("vda", 140 * GB)
    (node_of(bench, "vda") / "serial").write_text("virtio-1\n")
    bench.disk("sda", 140 * GB)
    (node_of(bench, "sda") / "device/vpd_pg80").write_bytes(b"\0\x80\0\x08  SAS-01")
    assert found(bench, serial="PHLN123400AB1P0") == "nvme0n1"
    assert found(bench, serial="virtio-1") == "vda"
    assert found(bench, serial="SAS-01") == "sda"


@pytest.mark.parametrize("desired", [WWN, WWN.upper().replace("0X", "0x"), "naa." + WWN[2:], WWN[2:]])
def test_a_wwn_is_the_same_in_each_of_its_spellings(desired: str, bench: Bench) -> None:
    bench.disk("sda", 140 * GB, ID_WWN_WITH_EXTENSION=WWN)
    bench.disk("sdb", 140 * GB, ID_WWN_WITH_EXTENSION=WWN[:-1] + "f")
    assert found(bench, wwn=desired) == "sda"
    assert "no disk of this machine has the WWN" in why_not(bench, wwn=desired[:-1])


def test_a_part_of_a_serial_is_not_the_serial(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, SERIAL + "A")
    bench.disk("sdb", 140 * GB, SERIAL)
    assert found(bench, serial=SERIAL) == "sdb"
    assert found(bench, serial=SERIAL + "A") == "sda"
    assert "It has: sda (140 GB, serial" in why_not(bench, serial=SERIAL[:-1])
    assert "no disk" in why_not(bench, serial=SERIAL.upper())


def test_of_two_disks_with_one_serial_the_wwn_decides(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, SERIAL, ID_WWN_WITH_EXTENSION=WWN)
    bench.disk("sdb", 140 * GB, SERIAL, ID_WWN_WITH_EXTENSION=WWN[:-1] + "f")
    assert found(bench, serial=SERIAL, wwn=WWN) == "sda"
    assert "2 disks have the serial" in why_not(bench, serial=SERIAL)


def test_serial_and_wwn_of_different_disks_are_no_disk(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, SERIAL, ID_WWN_WITH_EXTENSION=WWN)
    bench.disk("sdb", 140 * GB, "OTHER", ID_WWN_WITH_EXTENSION=WWN[:-1] + "f")
    assert "no disk of this machine has the serial" in why_not(bench, serial=SERIAL, wwn=WWN[:-1] + "f")


def test_the_paths_of_an_nvme_disk_are_not_disks_of_their_own(bench: Bench) -> None:
    """With native multipath Linux shows nvme0n1 and, hidden, a path such as nvme0c0n1 with the same names."""
    for name in ("nvme0n1", "nvme0c0n1", "nvme0c1n1"):
        bench.disk(name, 140 * GB, "" if "c" in name else "PHLN123400AB1P0")
        (node_of(bench, name) / "device/serial").write_text("PHLN123400AB1P0\n")
        (node_of(bench, name) / "hidden").write_text("1\n" if "c" in name else "0\n")
    assert found(bench, serial="PHLN123400AB1P0") == "nvme0n1"
    assert [disk.name for disk in disks(bench).disks] == ["nvme0n1"]


def test_a_multipath_disk_is_one_disk_and_its_partitions_lie_on_it(bench: Bench) -> None:
    for name in ("sda", "sdb"):
        bench.disk(name, 140 * GB, SERIAL)
    device_mapper(bench, "dm-0", "mpath-3600508b1", "sda", "sdb")
    device_mapper(bench, "dm-1", "part1-mpath-3600508b1", "dm-0")
    bench.mount("252:1", "/dev/mapper/mpatha-part1")
    there = disks(bench)
    assert [(disk.name, disk.multipath) for disk in there.disks] == [("dm-0", True)]
    assert there.matching(Disk("sda", serial=SERIAL)).name == there.of_mount(str(bench.target)).name == "dm-0"


@pytest.mark.parametrize(("disk", "partition"), [("nvme0n1", "nvme0n1p1"), ("sda", "sda1"), ("mmcblk1", "mmcblk1p12")])
def test_a_partitions_disk_is_the_directory_that_it_lies_in(disk: str, partition: str, bench: Bench) -> None:
    bench.disk(disk, 140 * GB, SERIAL)
    bench.disk(disk + "0", 140 * GB, "OTHER")
    bench.disk(disk[:-1], 140 * GB, "THIRD")
    bench.partition(disk, partition)
    bench.mount((bench.root / "sys/class/block" / partition / "dev").read_text().strip(), f"/dev/{partition}")
    assert disks(bench).of_mount(str(bench.target)).name == disk


def test_a_volume_over_two_disks_has_no_one_disk(bench: Bench) -> None:
    for name in ("sda", "sdb"):
        bench.disk(name, 140 * GB, name)
    device_mapper(bench, "dm-0", "LVM-abc", "sda", "sdb")
    bench.mount("252:0", "/dev/mapper/vg-root")
    with pytest.raises(ForgeError, match="is unknown: Linux names sda, sdb"):
        disks(bench).of_mount(str(bench.target))


def test_a_volume_on_one_disk_lies_on_that_disk(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, "sda")
    bench.partition("sda", "sda1")
    device_mapper(bench, "dm-0", "CRYPT-abc", "sda1")
    device_mapper(bench, "dm-1", "LVM-abc", "dm-0")
    bench.mount("252:1", "/dev/mapper/vg-root")
    assert disks(bench).of_mount(str(bench.target)).name == "sda"


def test_loops_and_cd_drives_are_no_disks(bench: Bench) -> None:
    bench.disk("sda", 140 * GB, "sda")
    bench.disk("sr0", GB, "cd")
    (node_of(bench, "sr0") / "device/type").write_text("5\n")
    bench.disk("sdb", 0, "empty card reader")
    loop = node_of(bench, "sda").parent / "loop0"
    loop.mkdir()
    (loop / "size").write_text("2048\n")
    (bench.root / "sys/block/loop0").symlink_to(loop)
    assert [disk.name for disk in disks(bench).disks] == ["sda"]
