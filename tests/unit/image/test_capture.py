"""Capturing an installed disk: judged by sgdisk, fsck.fat and mtools; what does not travel; what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esxforge.errors import FormatError, ImageError, InputError, OutputError
from esxforge.events import BytesDone, Event, Notice, ignore
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.host_settings import captured_settings
from esxforge.image.image_files import BuildResult
from esxforge.image.inspect import describe
from esxforge.image.verify import verify_image
from esxforge.recipe.load import load_recipe
from esxforge_target.formats.gpt import VMFS, VMFS_L
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.runtime.blocks import FileBlocks
from standin import installed
from standin.esxi import label as labels

GIB = 1 << 30
MIB = 1 << 20
SIX = installed.InstalledLayout("6.7.0", "6.7.0-3.73.14320388", size=400 * MIB)
SEVEN = installed.InstalledLayout(size=400 * MIB)
REAL = (
    installed.InstalledLayout("6.7.0", "6.7.0-3.73.14320388", size=9 * GIB),
    installed.InstalledLayout(size=10 * GIB),
    installed.InstalledLayout("7.0.3", "7.0.3-0.55.20328353", size=160 * GIB),
)


def capture(
    disk: Path, output: Path, listener: Callable[[Event], None] = ignore, *, allow: bool = False, **recipe: Any
) -> BuildResult:
    """Capture with a recipe."""
    layout = load_recipe(None, {"image": {"kind": "golden"}, **recipe})
    return capture_disk(
        disk,
        layout,
        lambda release: captured_settings(layout, release, listener),
        CaptureOptions(output, allow_booted=allow),
        listener,
    )


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with installed disks, and images of them."""
    directory = tmp_path_factory.mktemp("disks")
    for name, layout in (("six", SIX), ("seven", SEVEN)):
        installed.make(directory / f"{name}.raw", layout)
        capture(directory / f"{name}.raw", directory / f"{name}.dd.gz")
        unpacked = directory / f"{name}.unpacked"
        with gzip.open(directory / f"{name}.dd.gz") as packed, unpacked.open("wb") as plain:
            while chunk := packed.read(1 << 20):
                plain.seek(len(chunk), 1) if not any(chunk) else plain.write(chunk)
            plain.truncate(plain.tell())
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def disk(tmp_path: Path, disks: Path) -> Path:
    """A copy of the disk of 7.0 and later, to be changed."""
    path = tmp_path / "disk.raw"
    subprocess.run(["cp", "--sparse=always", str(disks / "seven.raw"), str(path)], check=True)
    return path


def volume_of(path: Path, number: int, tmp_path: Path) -> Path:
    """A partition in a file of its own."""
    with FileBlocks(str(path)) as blocks:
        offset, length = read_table(blocks).table.byte_range(number)
    volume = tmp_path / f"volume{number}"
    command = ["dd", f"if={path}", f"of={volume}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"]
    subprocess.run([*command, f"skip={offset}", f"count={length}", "status=none"], check=True)
    os.truncate(volume, length)
    return volume


@pytest.mark.parametrize(("name", "volumes"), [("six", (1, 2, 5, 6, 8)), ("seven", (1, 5, 6))])
def test_an_image_passes_every_judge(name: str, volumes: tuple[int, ...], disks: Path, tmp_path: Path) -> None:
    image = disks / f"{name}.unpacked"
    said = subprocess.run(["sgdisk", "-v", str(image)], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in said, said
    for number in volumes:
        checked = subprocess.run(
            ["fsck.fat", "-n", str(volume_of(image, number, tmp_path))], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, (number, checked.stdout)
    bank = volume_of(image, 5, tmp_path)
    before = volume_of(disks / f"{name}.raw", 5, tmp_path / "..")
    for module in ("b.b00", *installed.MODULES):
        assert installed.get(bank, 0, module) == installed.get(before, 0, module)
    cfg = installed.get(bank, 0, "boot.cfg").decode()
    old = installed.get(before, 0, "boot.cfg").decode()
    assert cfg == old.replace(" --- onetime.tgz", " --- onetime.tgz --- esxforge.tgz")
    subprocess.run(["gzip", "-t"], input=installed.get(bank, 0, "esxforge.tgz"), check=True)
    esp = volume_of(image, 1, tmp_path)
    assert installed.get(esp, 0, "curtin/curtin-hooks").startswith(b"#!/usr/bin/env python3\n")
    assert json.loads(installed.get(esp, 0, "curtin/settings.json"))["root_password_mode"] == "kept"
    before.unlink()


@pytest.mark.parametrize("name", ["six", "seven"])
def test_everything_else_of_the_disk_travels_byte_for_byte(name: str, disks: Path) -> None:
    with FileBlocks(str(disks / f"{name}.raw")) as old, FileBlocks(str(disks / f"{name}.unpacked")) as new:
        table = read_table(new).table
        for number, partition in table.partitions:
            if partition.type_guid == VMFS_L:
                offset, length = table.byte_range(number)
                for at in range(offset, offset + length, 1 << 24):
                    size = min(1 << 24, offset + length - at)
                    assert old.read_at(at, size) == new.read_at(at, size), (number, at)
        assert old.read_at(0, 440) == new.read_at(0, 440) != bytes(440)


def test_datastores_core_dumps_deleted_files_and_gaps_do_not_travel(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    label = installed.make(disk, SIX)
    start = label.partitions[5].first * 512
    installed.put(disk, start, "deleted.txt", b"LEAK-9c1f that was deleted" * 3000)
    subprocess.run(
        ["mdel", "-i", f"{disk}@@{start}", "::/deleted.txt"], check=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    )
    with disk.open("r+b") as stream:
        stream.seek(label.partitions[7].first * 512)
        stream.write(b"LEAK-9c1f in a core dump")
        stream.seek(label.partitions[3].first * 512 + 12345)
        stream.write(b"LEAK-9c1f of a virtual machine")
        stream.seek(8200 * 512)
        stream.write(b"LEAK-9c1f between partitions")
    told: list[Event] = []
    result = capture(disk, tmp_path / "image.dd.gz", told.append)
    with gzip.open(result.image) as raw:
        while chunk := raw.read(1 << 24):
            assert b"LEAK-9c1f" not in chunk
    assert result.raw_size < 262 * MIB
    (notice,) = [event.text for event in told if isinstance(event, Notice)]
    assert "partition 3: the datastore of" in notice
    with FileBlocks(str(disk)) as blocks:
        assert any(one.type_guid == VMFS for _, one in read_table(blocks).table.partitions), "the disk was changed"


@pytest.mark.slow
@pytest.mark.parametrize("layout", REAL, ids=lambda layout: f"{layout.release}-{layout.size >> 30}")
def test_the_installers_own_tables_are_kept_but_for_the_datastore(
    layout: installed.InstalledLayout, tmp_path: Path
) -> None:
    disk, image = tmp_path / "disk.raw", tmp_path / "image.raw"
    label = installed.make(disk, layout)
    system = [one for one in label.in_order() if one.type != labels.VMFS]
    result = capture(disk, tmp_path / "image.dd.gz")
    last = max(one.last for one in system)
    assert 0 <= result.raw_size - (last + 34) * 512 < MIB
    with gzip.open(result.image) as packed, image.open("wb") as head:
        head.write(packed.read(MIB))
    os.truncate(image, result.raw_size)
    with FileBlocks(str(image)) as blocks:
        table = read_table(blocks).table
    found = [(number, one.first_lba, one.last_lba, one.name) for number, one in table.partitions]
    assert found == sorted((one.number, one.first, one.last, one.name) for one in system)


def test_the_disk_is_only_read_and_the_same_disk_gives_the_same_image(disk: Path, tmp_path: Path) -> None:
    disk.chmod(0o400)
    before = hashlib.sha256(disk.read_bytes()).digest()
    first = capture(disk, tmp_path / "first.dd.gz")
    holes_filled = tmp_path / "full.raw"
    subprocess.run(["cp", "--sparse=never", str(disk), str(holes_filled)], check=True)
    second = capture(holes_filled, tmp_path / "second.dd.gz")
    assert hashlib.sha256(disk.read_bytes()).digest() == before
    assert first.sha256 == second.sha256
    assert first.document["files"] == second.document["files"]


def test_identifiers_of_the_image_are_others_than_the_disks(disks: Path) -> None:
    with FileBlocks(str(disks / "six.raw")) as old, FileBlocks(str(disks / "six.unpacked")) as new:
        tables = [read_table(blocks).table for blocks in (old, new)]
        assert tables[0].disk_guid != tables[1].disk_guid
        for number, partition in tables[1].partitions:
            before = tables[0].partition(number)
            assert before.guid != partition.guid
            assert (before.first_lba, before.last_lba, before.type_guid, before.attributes) == (
                partition.first_lba,
                partition.last_lba,
                partition.type_guid,
                partition.attributes,
            )
            second = partition.first_lba * 512 + 512
            if new.read_at(second, 16) == b"VMWARE FAT16    ":
                assert old.read_at(second + 16, 16) != new.read_at(second + 16, 16)
                assert old.read_at(second + 32, 480) == new.read_at(second + 32, 480)


def test_verify_and_inspect_tell_what_it_is(disks: Path) -> None:
    verified = verify_image(disks / "six.dd.gz", ignore)
    assert (verified.manifest.kind, verified.maas_name) == ("golden", "esxi/6.7.0")
    document = describe(disks / "six.dd.gz", ignore)
    assert document["kind"] == "golden"
    assert document["changed_at_deploy"] == ["5/esxforge.tgz"]
    assert "5/esxforge.tgz" in document["added"]
    assert document["golden"]["renewed_volumes"] == [2, 5, 6, 8]
    assert any("OSDATA" in line for line in document["golden"]["shared_by_all_hosts"])
    assert document["release"]["build"] == "14320388"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("5/s.v00", "5/s.v00 is damaged"),
        ("7/data 2", "7/data 2 is damaged"),
        ("boot record", "boot record is damaged"),
        ("5/file system", "5/file system is damaged"),
        ("GPT", "GPT"),
        ("backup", "backup GPT"),
        ("manifest", "manifest is damaged"),
        ("before OSDATA's data", "is not zero"),
        ("after the last data", "is not zero"),
    ],
)
def test_one_changed_byte_is_found(place: str, said: str, disks: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    subprocess.run(["cp", "--sparse=always", str(disks / "seven.unpacked"), str(image)], check=True)
    document = json.loads((disks / "seven.dd.gz.manifest.json").read_bytes())
    records = {one["path"]: one for one in (*document["files"], *document["details"]["golden"]["structures"])}
    size = image.stat().st_size
    with image.open("r+b") as stream:
        if place == "manifest":
            offset = next(at for at in _places(stream.read(8 << 20), b"ESXFORGE-MANIFEST 1 0")) + 300
        elif place == "before OSDATA's data":
            offset = records["7/data 2"]["offset"] - 1
        elif place == "after the last data":
            offset = max(one["offset"] + one["length"] for one in records.values()) + 5
        elif place in records:
            offset = records[place]["offset"] + min(records[place]["length"] // 2, 300)
        else:
            offset = {"GPT": 1024 + 40, "backup": size - 512 + 60}[place]
        stream.seek(offset)
        byte = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte[0] ^ 0x55]))
    with pytest.raises(ImageError, match=said):
        verify_image(image, ignore)


def _places(data: bytes, sought: bytes) -> Iterator[int]:
    at = data.find(sought)
    while at >= 0:
        yield at
        at = data.find(sought, at + 1)


@pytest.mark.parametrize("keep", [0.001, 0.3, 0.9999])
def test_a_cut_image_is_found(keep: float, disks: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.dd.gz"
    shutil.copy(disks / "seven.dd.gz", image)
    os.truncate(image, int(image.stat().st_size * keep))
    with pytest.raises(ImageError):
        verify_image(image, ignore)


@pytest.mark.parametrize(
    "layout",
    [
        installed.InstalledLayout("6.7.0", SIX.build, size=2 * GIB, esp_filler_bytes=3_000_000, module_bytes=9_000_000),
        installed.InstalledLayout("6.7.0", SIX.build, size=9 * GIB, esp_filler_bytes=3_000_000),
        installed.InstalledLayout(size=400 * MIB, esp_filler_bytes=103_400_000),
    ],
    ids=lambda layout: f"{layout.release}-{layout.size >> 20}",
)
def test_where_the_system_partition_is_full_the_hook_goes_into_the_boot_bank(
    layout: installed.InstalledLayout, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    installed.make(disk, layout)
    result = capture(disk, tmp_path / "image.dd.gz")
    paths = [record["path"] for record in result.document["files"]]
    assert "5/curtin/curtin-hooks" in paths
    assert not any(path.startswith("1/curtin") for path in paths)
    assert verify_image(result.image, ignore).manifest.kind == "golden"


def test_a_hook_that_verify_would_not_reach_gives_no_image(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    boots = {"bootstate": "0", "updated": "2", "build": SEVEN.build, "modules": "k.b00"}
    label = installed.make(disk, installed.InstalledLayout(esp_filler_bytes=103_400_000, bank_cfg={6: boots}))
    for name in ("b.b00", "k.b00"):
        installed.put(disk, label.partitions[6].first * 512, name, b"x")
    with pytest.raises(ImageError, match="in the boot bank on partition 6 the hook would start at byte"):
        capture(disk, tmp_path / "image.dd.gz")
    assert not (tmp_path / "image.dd.gz").exists()


def with_foreign_partition(disk: Path) -> None:
    label = labels.read_label(str(disk))
    label.add(labels.Partition(9, 2048 * 350, 2048 * 360, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"))
    label.partitions[7].last = 2048 * 349
    labels.write_label(str(disk), label)


def without_bank(disk: Path) -> None:
    label = labels.read_label(str(disk))
    del label.partitions[6]
    labels.write_label(str(disk), label)


def with_dirty_bank(disk: Path) -> None:
    start = labels.read_label(str(disk)).partitions[5].first * 512
    cfg = installed.get(disk, start, "boot.cfg").replace(b"bootstate=0", b"bootstate=3")
    installed.put(disk, start, "boot.cfg", cfg)


def without_table(disk: Path) -> None:
    labels.erase(str(disk))


def with_damaged_bank(disk: Path) -> None:
    start = labels.read_label(str(disk)).partitions[5].first * 512
    with disk.open("r+b") as stream:
        stream.seek(start + 4 * 512)
        stream.write(b"\xf8\xff\xff\xff" + b"\x02\x00" * 2000)  # every chain is a loop


def with_file(number: int, name: str) -> Callable[[Path], None]:
    """A change that puts a file on a volume."""

    def put(disk: Path) -> None:
        installed.put(disk, labels.read_label(str(disk)).partitions[number].first * 512, name, b"x")

    return put


def with_build(build: str) -> Callable[[Path], None]:
    """A change of the release that the bank which boots names."""

    def put(disk: Path) -> None:
        start = labels.read_label(str(disk)).partitions[5].first * 512
        cfg = installed.get(disk, start, "boot.cfg").replace(SEVEN.build.encode(), build.encode())
        installed.put(disk, start, "boot.cfg", cfg)

    return put


def delete(disk: Path, number: int, *names: str) -> None:
    """Delete files from a FAT volume, with mtools."""
    start = labels.read_label(str(disk)).partitions[number].first * 512
    for name in names:
        command = ["mdel", "-i", f"{disk}@@{start}", "::/" + name]
        subprocess.run(command, check=True, env={**os.environ, "MTOOLS_SKIP_CHECK": "1"})


def without_kernel(disk: Path) -> None:
    delete(disk, 5, "b.b00", "k.b00")


def with_empty_module(disk: Path) -> None:
    installed.put(disk, labels.read_label(str(disk)).partitions[5].first * 512, "s.v00", b"")


def without_boot_loaders(disk: Path) -> None:
    delete(disk, 1, "EFI/BOOT/BOOTX64.EFI")
    with disk.open("r+b") as stream:
        stream.write(bytes(440))


def with_blank_osdata(disk: Path) -> None:
    osdata = labels.read_label(str(disk)).partitions[7]
    start, length = osdata.first * 512, (osdata.last - osdata.first + 1) * 512
    subprocess.run(["fallocate", "-p", "-o", str(start), "-l", str(length), str(disk)], check=True)


def naming_a_uuid(disk: Path) -> None:
    start = labels.read_label(str(disk)).partitions[5].first * 512
    with disk.open("rb") as stream:
        stream.seek(start + 512 + 16)
        own = stream.read(16).hex()
    cfg = installed.get(disk, start, "boot.cfg").replace(b"kernelopt=", f"kernelopt=scratch={own} ".encode())
    installed.put(disk, start, "boot.cfg", cfg)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_foreign_partition, "holds what ESXi's installer does not make: partition 9"),
        (without_bank, "partition 6 is missing"),
        (with_dirty_bank, "partition 5: its boot.cfg says bootstate=3"),
        (without_table, "is not a disk with an installed ESXi"),
        (with_damaged_bank, "chain"),
        (with_file(5, "esxforge.tgz"), "partition 5 holds esxforge.tgz already"),
        (with_file(6, "esxforge.tgz"), "partition 6 holds esxforge.tgz already"),
        *(
            (with_file(number, "curtin/curtin-hooks"), f"Partition {number} holds a directory curtin already")
            for number in (1, 5, 6)
        ),
        (with_build("6.0.0-3.73.14320388"), "holds ESXi 6.0.0; releases 6.5 to 9 are known"),
        (with_build("10.0.0-0.1.99999999"), "holds ESXi 10.0.0; releases 6.5 to 9 are known"),
        (with_build("unknown"), "build=unknown, from which the boot loader cannot tell the release, so it stops"),
        (without_kernel, "partition 5 lacks what its boot.cfg loads: b.b00 is missing; k.b00 is missing."),
        (with_empty_module, "partition 5 lacks what its boot.cfg loads: s.v00 is empty."),
        (
            without_boot_loaders,
            "for UEFI partition 1 has no EFI/BOOT/BOOTX64.EFI; for a legacy BIOS there is no boot code",
        ),
        (naming_a_uuid, "names partition 5 by its UUID"),
    ],
)
def test_disks_that_hold_no_clean_esxi_are_refused(
    change: Callable[[Path], None], said: str, disk: Path, tmp_path: Path
) -> None:
    change(disk)
    with pytest.raises((ImageError, FormatError)) as caught:
        capture(disk, tmp_path / "image.dd.gz")
    assert said in caught.value.message
    assert "Build the image again" not in caught.value.hint
    assert not (tmp_path / "image.dd.gz").exists()


def test_a_disk_without_an_efi_program_is_said_to_start_by_legacy_bios_only(disk: Path, tmp_path: Path) -> None:
    installed.make_bios_bootable(disk, "guid")
    delete(disk, 1, "EFI/BOOT/BOOTX64.EFI")
    told: list[Event] = []
    result = capture(disk, tmp_path / "image.dd.gz", told.append)
    assert result.document["details"]["golden"]["firmware"] == ["BIOS"]
    assert any(isinstance(event, Notice) and event.warning and "legacy BIOS only" in event.text for event in told)


def test_an_osdata_that_was_never_formatted_is_a_warning_as_what_formats_it_is_a_conclusion(
    disk: Path, tmp_path: Path
) -> None:
    with_blank_osdata(disk)
    told: list[Event] = []
    capture(disk, tmp_path / "image.dd.gz", told.append)
    warnings = [event.text for event in told if isinstance(event, Notice) and event.warning]
    assert any("partition 7 (OSDATA) was never formatted" in text for text in warnings)


@pytest.mark.parametrize("state", [installed.STARTED_FILES, "encrypted"])
def test_a_system_that_was_started_is_refused_unless_that_is_accepted(
    state: tuple[str, ...] | str, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    installed.make(disk, installed.InstalledLayout(size=400 * MIB, state=state))
    with pytest.raises(ImageError, match="started before") as caught:
        capture(disk, tmp_path / "image.dd.gz")
    assert "SSH host keys" in caught.value.message
    assert "--allow-booted" in caught.value.hint
    told: list[Event] = []
    result = capture(disk, tmp_path / "image.dd.gz", told.append, allow=True)
    assert any(isinstance(event, Notice) and event.warning and "SSH host keys" in event.text for event in told)
    golden = result.document["details"]["golden"]
    assert golden["life"] != "never-started"
    assert "SSH host keys and the host's certificate" in golden["shared_by_all_hosts"]


@pytest.mark.parametrize(
    ("state", "life"), [(installed.STARTED_FILES, "started"), ("encrypted", "unknown"), (installed.FRESH_FILES, "")]
)
def test_what_was_saved_in_the_other_bank_counts_too(
    state: tuple[str, ...] | str, life: str, disk: Path, tmp_path: Path
) -> None:
    installed.put(disk, labels.read_label(str(disk)).partitions[6].first * 512, "state.tgz", installed.state_of(state))
    if life:
        with pytest.raises(ImageError, match="started before"):
            capture(disk, tmp_path / "image.dd.gz")
    result = capture(disk, tmp_path / "image.dd.gz", allow=bool(life))
    assert result.document["details"]["golden"]["life"] == (life or "never-started")


def test_a_saved_configuration_without_host_keys_was_never_started(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    installed.make(disk, installed.InstalledLayout(size=400 * MIB, state=installed.FRESH_FILES))
    assert capture(disk, tmp_path / "image.dd.gz").document["details"]["golden"]["life"] == "never-started"


def test_of_a_started_6x_only_the_banks_get_another_uuid(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    installed.make(disk, installed.InstalledLayout("6.7.0", SIX.build, size=400 * MIB, state=installed.STARTED_FILES))
    result = capture(disk, tmp_path / "image.dd.gz", allow=True)
    assert result.document["details"]["golden"]["renewed_volumes"] == [5, 6]


def test_an_old_boot_uuid_in_the_kernel_options_is_dropped(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    installed.make(disk, installed.InstalledLayout(size=400 * MIB, kernelopt="no-auto-partition bootUUID=" + "ab" * 16))
    told: list[Event] = []
    capture(disk, tmp_path / "image.dd.gz", told.append)
    assert any(isinstance(event, Notice) and "bootUUID= was removed" in event.text for event in told)


@pytest.mark.parametrize(
    ("head", "said", "hint"),
    [
        (b"QFI\xfb", "qcow2", "qemu-img convert -O raw"),
        (b"KDMV", "vmdk", "qemu-img convert -O raw"),
        (b"\x1f\x8b", "gzip", "gunzip"),
        (b"", "not a disk with an installed ESXi", "machine"),
    ],
)
def test_what_is_no_raw_disk_is_named(head: bytes, said: str, hint: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(head.ljust(4 << 20, b"\0"))
    with pytest.raises(ImageError) as caught:
        capture(disk, tmp_path / "image.dd.gz")
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_commands_in_hints_work_when_they_are_pasted(tmp_path: Path) -> None:
    directory = tmp_path / "my disks"
    directory.mkdir()
    for name, target in (("a disk.dd.gz", "a disk.dd"), ("packed", "packed.raw")):
        with gzip.open(directory / name, "wb") as packed:
            packed.write(b"content")
        with pytest.raises(ImageError, match="is a gzip") as caught:
            capture(directory / name, tmp_path / "image.dd.gz")
        subprocess.run(["sh", "-c", caught.value.hint.partition(": ")[2]], cwd=tmp_path, check=True)
        assert (directory / target).read_bytes() == b"content"
        assert (directory / name).exists()
    for name, target in (("my disk.qcow2", "my disk.raw"), ("odd.raw", "odd.raw.raw")):
        (directory / name).write_bytes(b"QFI\xfb")
        with pytest.raises(ImageError, match="is a qcow2 disk") as caught:
            capture(directory / name, tmp_path / "image.dd.gz")
        words = shlex.split(caught.value.hint.partition(": ")[2])
        assert words == ["qemu-img", "convert", "-O", "raw", str(directory / name), str(directory / target)]


def test_directories_fifos_and_missing_files_are_not_disks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, words in ((".", "is a directory"), ("fifo", "is a FIFO"), ("absent", "There is no file")):
        with pytest.raises(InputError, match=words):
            capture(tmp_path / name, tmp_path / "image.dd.gz")


def test_an_installers_image_is_no_installed_disk(built: BuildResult, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="an installer's disk, not an installed one"):
        capture(built.image, tmp_path / "image.dd.gz")


def test_the_disk_itself_is_never_overwritten(disk: Path) -> None:
    layout = load_recipe(None, {})
    with pytest.raises(OutputError, match="is the disk itself"):
        capture_disk(
            disk, layout, lambda release: captured_settings(layout, release, ignore), CaptureOptions(disk, True), ignore
        )


def test_a_disk_that_changes_while_it_is_read_gives_no_image(disk: Path, tmp_path: Path) -> None:
    def meddle(event: Event) -> None:
        if isinstance(event, BytesDone) and event.step == "reading the installed disk":
            return
        if getattr(event, "step", "") == "writing the image":
            with disk.open("r+b") as stream:
                stream.seek(labels.read_label(str(disk)).partitions[7].first * 512 + 100)
                stream.write(b"a virtual machine still runs")

    with pytest.raises(ImageError, match="changed while it was read: 7/data 1"):
        capture(disk, tmp_path / "image.dd.gz", meddle)
    assert not list(tmp_path.glob("image*"))


def test_what_a_recipe_says_of_the_installation_is_left_out_with_a_warning(disk: Path, tmp_path: Path) -> None:
    ks = tmp_path / "ks.cfg"
    ks.write_text("vmaccepteula\n")
    told: list[Event] = []
    capture(disk, tmp_path / "image.dd.gz", told.append, install={"kickstart": str(ks)})
    assert any(isinstance(event, Notice) and event.warning and "installed already" in event.text for event in told)


def test_the_command_line_tells_one_document(disk: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "esxforge", "capture", str(disk), "-o", str(tmp_path / "image.dd.gz"), "--json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "golden"
    again = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr
