"""Disks, labels and volumes of the fake, held against sgdisk and the real tables."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from esxforge_target.inventory.disk_identities import DeviceDirectory
from standin.esxi import FakeEsxi
from standin.esxi.presets import disk

DEVICES = "/vmfs/devices/disks/"
BOOT = "naa.61866da06831a30030a6d34907c62a3a"
DATA = "naa.5000039b98d0a1b1"
MORE = "naa.5000039b98d0a1b5"
OLD = "naa.5000039b98d0a1b9"
VMFS = "AA31E02A400F11DB9590000C2911D1B8"
TABLES = (Path(__file__).parents[1] / "data/esxi/partedUtil-getptbl.txt").read_text(encoding="utf-8")
GIB = 1 << 30


@pytest.fixture
def fake(tmp_path: Path) -> FakeEsxi:
    return FakeEsxi.create(str(tmp_path))


def run(fake: FakeEsxi, *words: str, stdin: str = "") -> str:
    result = fake.run(list(words), stdin=stdin)
    assert result.status == 0, result
    return result.stdout


def fails(fake: FakeEsxi, *words: str, stdin: str = "") -> str:
    before = {name: label_bytes(fake, name) for name in (BOOT, DATA, MORE, OLD)}
    result = fake.run(list(words), stdin=stdin)
    assert result.status != 0
    assert {name: label_bytes(fake, name) for name in before} == before
    return result.stdout


def names_in(fake: FakeEsxi, start: str = "") -> list[str]:
    return [path.name for path in Path(fake.devices).iterdir() if path.name.startswith(start)]


def label_bytes(fake: FakeEsxi, name: str) -> bytes:
    with (Path(fake.devices) / name).open("rb") as stream:
        head = stream.read(4 << 20)
        stream.seek(-34 * 512, 2)
        return head + stream.read()


def sgdisk(fake: FakeEsxi, name: str, *words: str) -> str:
    program = shutil.which("sgdisk")
    if program is None:
        pytest.skip("sgdisk (Debian package gdisk) is not installed")
    path = str(Path(fake.devices) / name)
    return subprocess.run([program, *words, path], capture_output=True, text=True, check=True).stdout


def printed(fake: FakeEsxi, name: str) -> list[tuple[int, int, int]]:
    """Number, first and last sector of each partition, as sgdisk sees them; its verdict must be clean."""
    assert "No problems found" in sgdisk(fake, name, "--verify")
    text = sgdisk(fake, name, "--print")
    rows = re.findall(r"^ +(\d+) +(\d+) +(\d+) ", text, re.MULTILINE)
    return [(int(number), int(first), int(last)) for number, first, last in rows]


def vmfs_label(fake: FakeEsxi, name: str, *spans: tuple[int, int]) -> None:
    lines = [f"{number} {first} {last} {VMFS} 0" for number, (first, last) in enumerate(spans, 1)]
    run(fake, "partedUtil", "setptbl", DEVICES + name, "gpt", *lines)


def real_table(heading: str) -> list[str]:
    found = re.search(r"^## " + re.escape(heading) + r".*\n((?:(?!##).*\n)*)", TABLES, re.MULTILINE)
    assert found
    return [line for line in found.group(1).splitlines() if line and not line.startswith("[") and line.count(" ") > 2]


@pytest.mark.parametrize(
    ("heading", "release", "sectors"),
    [("A.", "6.7.0", 33554432), ("C.", "8.0.3", 2343043072), ("D.", "7.0.3", 20971520)],
)
def test_a_fresh_boot_disk_has_the_table_of_a_real_one(
    tmp_path: Path, heading: str, release: str, sectors: int
) -> None:
    fake = FakeEsxi.create(str(tmp_path), release=release, disks=[disk(BOOT, sectors * 512, "sas", boot=True)])
    lines = run(fake, "partedUtil", "getptbl", DEVICES + BOOT).splitlines()
    real = real_table(heading)[1:]
    # In the samples C and D the last partition was made or left at another size than a fresh install's.
    assert lines[0] == "gpt"
    assert [line.split()[:2] + line.split()[3:] for line in lines[2:]] == [
        line.split()[:2] + line.split()[3:] for line in real[: len(lines) - 2]
    ]
    assert len(printed(fake, BOOT)) == len(lines) - 2
    assert lines[1] == f"{sectors // 16065} 255 63 {sectors}"


def test_usable_sectors_are_those_of_the_real_disk(fake: FakeEsxi) -> None:
    assert run(fake, "partedUtil", "getUsableSectors", DEVICES + BOOT) == "34 2343043038\n"


def test_a_disk_without_label_is_unknown(fake: FakeEsxi) -> None:
    assert run(fake, "partedUtil", "getptbl", DEVICES + DATA).splitlines()[0] == "unknown"
    assert "Error" in fails(fake, "partedUtil", "add", DEVICES + DATA, "gpt", f"1 2048 {GIB // 512} {VMFS} 0")


def test_what_partedutil_changes_sgdisk_reads(fake: FakeEsxi) -> None:
    device = DEVICES + DATA
    echoed = run(
        fake, "partedUtil", "setptbl", device, "gpt", f"1 2048 4196351 {VMFS} 0", f"3 4196352 8390655 {VMFS} 0"
    )
    assert echoed == f"gpt\n0 0 0 0\n1 2048 4196351 {VMFS} 0\n3 4196352 8390655 {VMFS} 0\n"
    assert printed(fake, DATA) == [(1, 2048, 4196351), (3, 4196352, 8390655)]
    run(fake, "partedUtil", "delete", device, "3")
    run(fake, "partedUtil", "resize", device, "1", "2048", "8390655")
    run(fake, "partedUtil", "add", device, "gpt", f"2 8390656 12584959 {VMFS} 0")
    assert printed(fake, DATA) == [(1, 2048, 8390655), (2, 8390656, 12584959)]
    assert sorted(names_in(fake, DATA)) == [DATA, f"{DATA}:1", f"{DATA}:2"]


def test_what_sgdisk_makes_partedutil_reads(fake: FakeEsxi) -> None:
    sgdisk(fake, DATA, "-o", "-n", "2:2048:+2G", "-t", "2:" + "AA31E02A-400F-11DB-9590-000C2911D1B8")
    assert run(fake, "partedUtil", "getptbl", DEVICES + DATA).splitlines()[2:] == [f"2 2048 4196351 {VMFS} vmfs 0"]


def test_a_grown_disk_is_refused_until_fixed(fake: FakeEsxi) -> None:
    vmfs_label(fake, DATA, (2048, 8390655))
    path = Path(fake.devices) / DATA
    os.truncate(path, path.stat().st_size + GIB)
    result = fake.run(["partedUtil", "getptbl", DEVICES + DATA])
    assert "backup GPT table is not at the end" in result.stdout
    run(fake, "partedUtil", "fixGpt", DEVICES + DATA)
    assert printed(fake, DATA) == [(1, 2048, 8390655)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["getptbl", DEVICES + "naa.0"], "Could not stat device"),
        (["getptbl", DATA], "Could not stat device"),
        (["getptbl"], "wrong number of arguments"),
        (["show", DEVICES + DATA], "Not a valid command"),
        (["add", DEVICES + DATA, "gpt", f"2 4096 9000000 {VMFS} 0"], "overlapping"),
        (["add", DEVICES + DATA, "gpt", f"1 9000000 9999999 {VMFS} 0"], "already exists"),
        (["add", DEVICES + DATA, "gpt", f"2 9000000 1258291199 {VMFS} 0"], "outside the disk"),
        (["add", DEVICES + DATA, "gpt", f"2 20 30 {VMFS} 0"], "outside the disk"),
        (["add", DEVICES + DATA, "gpt", "2 9000000 9999999 vmfs 0"], "type GUID"),
        (["add", DEVICES + DATA, "gpt", "2 9000000 9999999"], "Invalid Partition information"),
        (["add", DEVICES + DATA, "msdos", f"2 9000000 9999999 {VMFS} 0"], "Unknown label type"),
        (["delete", DEVICES + DATA, "9"], "does not exist"),
        (["delete", DEVICES + BOOT, "5"], "busy"),
        (["delete", DEVICES + BOOT, "8"], "busy"),
        (["delete", DEVICES + OLD, "1"], "busy"),
        (["mklabel", DEVICES + OLD, "gpt"], "busy"),
        (["setptbl", DEVICES + OLD, "gpt"], "busy"),
        (["resize", DEVICES + OLD, "1", "2048", "9000000"], "busy"),
    ],
)
def test_partedutil_refuses(fake: FakeEsxi, words: list[str], said: str) -> None:
    vmfs_label(fake, DATA, (2048, 8390655))
    assert said in fails(fake, "partedUtil", *words)


def test_a_volume_is_made_extended_grown_and_seen_everywhere(fake: FakeEsxi) -> None:
    for name in (DATA, MORE):
        vmfs_label(fake, name, (2048, 8390655))
    said = run(fake, "vmkfstools", "-C", "vmfs6", "-S", "ds1", f"{DEVICES}{DATA}:1")
    identity = said.split("Successfully created new volume: ")[1].strip()
    assert str(Path(fake.path("/vmfs/volumes/ds1")).readlink()) == identity
    asked = fails(fake, "vmkfstools", "-Z", f"{DEVICES}{MORE}:1", f"{DEVICES}{DATA}:1", stdin="1\n")
    assert "0) _Yes" in asked
    fails(fake, "vmkfstools", "-Z", f"{DEVICES}{MORE}:1", f"{DEVICES}{DATA}:1")
    run(fake, "vmkfstools", "-Z", f"{DEVICES}{MORE}:1", f"{DEVICES}{DATA}:1", stdin="0\n")
    extents = run(fake, "esxcli", "storage", "vmfs", "extent", "list")
    assert re.findall(r"^ds1 .* (\d) +(naa\S+) +1$", extents, re.MULTILINE) == [("0", DATA), ("1", MORE)]
    asked = run(fake, "vmkfstools", "-P", "/vmfs/volumes/ds1")
    assert "spanning 2 partitions" in asked
    assert f"\t{DATA}:1\n\t{MORE}:1\n" in asked
    run(fake, "partedUtil", "resize", f"{DEVICES}{MORE}", "1", "2048", "16779263")
    run(fake, "vmkfstools", "--growfs", f"{DEVICES}{MORE}:1", f"{DEVICES}{MORE}:1")
    assert f"Capacity {(4 + 8) * GIB} " in run(fake, "vmkfstools", "-P", "/vmfs/volumes/ds1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}naa.0:1"], "Unable to find device"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{DATA}:7"], "No such file"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{DATA}"], "No such file"),
        (["-C", "ext4", "-S", "x", f"{DEVICES}{DATA}:1"], "Invalid file system type"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{DATA}:2"], "too small"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{DATA}:3"], "unaligned"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{DATA}:4"], "linuxNative"),
        (["-C", "vmfs6l", "-S", "x", f"{DEVICES}{DATA}:1"], "vmfs, not one for vmfs6l"),
        (["-C", "vmfs6", "-S", "datastore1", f"{DEVICES}{DATA}:1"], "exists already"),
        (["-C", "vmfs6", "-S", "x", f"{DEVICES}{OLD}:1"], "in use"),
        (["-C", "vmfs6", "-S", "x", "--force", f"{DEVICES}{DATA}:1"], "unrecognized option"),
        (["-C", "vmfs6", "-S", "x"], "exactly one path"),
        (["-Z", f"{DEVICES}{OLD}:1", f"{DEVICES}{BOOT}:8"], "in use"),
        (["-Z", f"{DEVICES}{DATA}:1", f"{DEVICES}{DATA}:5"], "not the head"),
        (["-G", f"{DEVICES}{OLD}:1", f"{DEVICES}{OLD}:1"], "no room to grow"),
        (["-P", "/vmfs/volumes/nothing"], "No such file"),
    ],
)
def test_vmkfstools_refuses(fake: FakeEsxi, words: list[str], said: str) -> None:
    basic = "EBD0A0A2B9E5443387C068B6B72699C7"
    lines = [f"1 2048 8390655 {VMFS} 0", f"2 8390656 8392703 {VMFS} 0", f"3 8392705 16779263 {VMFS} 0"]
    lines += [f"4 16779264 25165823 {basic} 0", f"5 25165824 33554431 {VMFS} 0"]
    run(fake, "partedUtil", "setptbl", DEVICES + DATA, "gpt", *lines)
    assert said in fails(fake, "vmkfstools", *words, stdin="0\n")


def test_a_datastore_is_renamed_unmounted_and_its_place_used_again(fake: FakeEsxi) -> None:
    run(fake, "vim-cmd", "hostsvc/datastore/rename", "datastore1", "local")
    assert "local" in run(fake, "esxcli", "storage", "vmfs", "extent", "list")
    assert fake.run(["vim-cmd", "hostsvc/datastore/rename", "local", "old-datastore"]).status == 1
    run(fake, "esxcli", "storage", "filesystem", "unmount", "-l", "local")
    assert not os.path.lexists(fake.path("/vmfs/volumes/local"))
    assert fake.run(["esxcli", "storage", "filesystem", "unmount", "-l", "local"]).status == 1
    run(fake, "vmkfstools", "-C", "vmfs6", "-S", "local", f"{DEVICES}{BOOT}:8")
    run(fake, "esxcli", "storage", "filesystem", "unmount", "-l", "local")
    run(fake, "partedUtil", "delete", DEVICES + BOOT, "8")
    assert "local" not in run(fake, "esxcli", "storage", "filesystem", "list")


def test_volumes_survive_a_power_cut_and_go_with_their_partition(fake: FakeEsxi) -> None:
    vmfs_label(fake, DATA, (2048, 8390655))
    run(fake, "vmkfstools", "-C", "vmfs6", "-S", "ds1", f"{DEVICES}{DATA}:1")
    Path(fake.path("/vmfs/volumes/ds1/file")).write_text("kept", encoding="ascii")
    fake.power_cut()
    fake.boot()
    assert Path(fake.path("/vmfs/volumes/ds1/file")).read_text(encoding="ascii") == "kept"
    sgdisk(fake, DATA, "-d", "1")
    run(fake, "esxcli", "storage", "core", "adapter", "rescan", "--all")
    assert "ds1" not in run(fake, "esxcli", "storage", "filesystem", "list")


def test_the_boot_device_is_told_in_two_ways(fake: FakeEsxi) -> None:
    assert f"\t{BOOT}:5\n" in run(fake, "vmkfstools", "-P", "/bootbank")
    listed = run(fake, "esxcli", "storage", "core", "device", "list", "-d", BOOT)
    assert "Is Boot Device: true" in listed
    bank = Path(fake.path("/bootbank")).resolve().name
    assert bank in run(fake, "esxcli", "system", "boot", "device", "get")


def test_the_directory_of_devices_holds_every_disk_more_than_once(fake: FakeEsxi) -> None:
    names = names_in(fake)
    assert {BOOT, f"{BOOT}:1", f"{BOOT}:8"} <= set(names)
    links = [name for name in names if name.startswith("vml.") and ":" not in name]
    assert len(links) == 4
    assert sorted(str((Path(fake.devices) / link).readlink()) for link in links) == sorted([BOOT, DATA, MORE, OLD])
    node = Path(fake.devices) / f"{BOOT}:5"
    assert node.stat().st_size == (8595455 - 208896 + 1) * 512
    with node.open("rb") as stream:
        assert stream.read(528)[512:] == b"VMWARE FAT16    "


def test_a_dead_disk_blocks_its_reader_and_the_products_search_goes_on(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path), "dead-lun")
    dead = Path(fake.devices) / "naa.5000144f79272808"
    assert stat.S_ISFIFO(dead.stat().st_mode)
    found = DeviceDirectory(fake.devices, 2.0).stamps()
    assert set(found) == {BOOT, DATA, MORE, OLD}
    assert len(found[BOOT]) == 1
    assert "Status: dead" in run(fake, "esxcli", "storage", "core", "device", "list", "-d", dead.name)
    assert fake.run(["partedUtil", "getptbl", DEVICES + dead.name]).status == 255


@pytest.mark.parametrize("preset", ["sas-12-nics", "sata-2-nics", "nvme-4-nics", "nested-2-nics"])
@pytest.mark.parametrize("release", ["6.7", "7.0", "8.0", "9.0"])
def test_every_preset_boots_every_release(tmp_path: Path, preset: str, release: str) -> None:
    fake = FakeEsxi.create(str(tmp_path), preset, release)
    assert f"Version: {release}." in run(fake, "esxcli", "system", "version", "get")
    for one in fake.hardware["disks"]:
        if one["boot"]:
            assert len(printed(fake, one["name"])) >= 4
    assert fake.reaches("10.0.0.2"), fake.why_not("10.0.0.2")


def test_type_guids_are_listed(fake: FakeEsxi) -> None:
    assert VMFS in run(fake, "partedUtil", "showGuids")
