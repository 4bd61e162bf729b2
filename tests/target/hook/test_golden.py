"""The hook on golden images: captured disks get this host's module and identifiers of their own, or a reason not to."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from esxforge.image.bios_start import bios_start
from esxforge.image.capture import CaptureOptions, capture_disk
from esxforge.image.host_settings import captured_settings
from esxforge.recipe.load import load_recipe
from esxforge_target.contract import agent_start
from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.fat_volume import FatVolume
from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.manifest import MANIFEST_PATH, Manifest
from esxforge_target.formats.tar_module import read
from esxforge_target.runtime.blocks import FileBlocks, Window
from esxforge_target.runtime.errors import FormatError
from standin import installed
from target.hook.bench import CREDENTIALS, Bench, Overlay, Recorded
from target.plan.configs import sample

MIB = 1 << 20
GB = 10**9
HASH = "$6$saltsalt$" + "a" * 86
WISHES = {
    "8.0": installed.InstalledLayout(size=400 * MIB),
    "6.7": installed.InstalledLayout("6.7.0", "6.7.0-3.73.14320388", size=400 * MIB),
    "guid": installed.InstalledLayout(size=400 * MIB, bios="guid"),
    "attribute": installed.InstalledLayout(size=400 * MIB, bios="attribute"),
}
PLAIN = "boots plain ESXi"
COMPLETE = "is complete"


def ignore(event: object) -> None:
    """Listen to nothing."""


@pytest.fixture(scope="module")
def golden_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """A raw golden image of a stand-in for an installed disk."""
    directory = tmp_path_factory.mktemp("golden")
    made: dict[str, Path] = {}

    def make(release: str = "8.0", **recipe: Any) -> Path:
        key = f"{release} {recipe}"
        if key not in made:
            disk = directory / "installed.raw"
            installed.make(disk, WISHES[release])
            layout = load_recipe(None, {**recipe, "image": {"format": "raw"}})
            made[key] = directory / f"{len(made)}.raw"
            capture_disk(
                disk,
                layout,
                lambda version: captured_settings(layout, version, ignore),
                CaptureOptions(made[key]),
                ignore,
            )
            disk.unlink()
        return made[key]

    yield make
    for path in made.values():
        path.unlink()


Deployed = Callable[..., tuple[Bench, dict[str, Any]]]


@pytest.fixture
def deployed(tmp_path: Path, golden_of: Callable[..., Path]) -> Deployed:
    """A machine whose boot disk holds the image, and its configuration."""

    def make(name: str = "simple-static", of: str = "", **recipe: Any) -> tuple[Bench, dict[str, Any]]:
        config = sample(name)
        bench = Bench(tmp_path / "machine")
        image = golden_of(of or ("6.7" if "esxi67" in name else "8.0"), **recipe)
        for index, disk in enumerate(entry for entry in config["storage"]["config"] if entry["type"] == "disk"):
            bench.disk(
                disk["name"], (240 if index else 140) * GB // 512 * 512, disk["serial"], None if index else image
            )
        bench.partition("sda", "sda1")
        bench.credentials("sda", config)
        return bench, config

    return make


def bank_files(bench: Bench) -> dict[str, bytes]:
    """The host module in the boot bank, found by mtools, unpacked by gzip."""
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        offset, _ = read_table(disk).table.byte_range(5)
    packed = installed.get(bench.root / "dev/sda", offset, "esxforge.tgz")
    tar = subprocess.run(["gzip", "-dc"], input=packed, check=True, capture_output=True).stdout
    return {entry.name: entry.data for entry in read(tar)}


def serials_of(path: Path) -> dict[int, bytes]:
    """The serial number of each FAT volume."""
    found = {}
    with FileBlocks(str(path)) as disk:
        for number, _ in read_table(disk).table.partitions:
            with suppress(FormatError):
                found[number] = FatVolume(Window(disk, *read_table(disk).table.byte_range(number))).serial()
    return found


def uuids_of(path: Path) -> dict[int, bytes]:
    """VMware's UUID of each FAT volume that has one."""
    found = {}
    with FileBlocks(str(path)) as disk:
        for number, _ in read_table(disk).table.partitions:
            window = Window(disk, *read_table(disk).table.byte_range(number))
            if window.read_at(512, 16) == b"VMWARE FAT16    ":
                found[number] = window.read_at(528, 16)
    return found


@pytest.mark.parametrize("name", ["simple-static", "vmfs7-bond", "esxi67"])
def test_a_golden_image_becomes_this_hosts_disk(
    name: str, deployed: Deployed, golden_of: Callable[..., Path], tmp_path: Path
) -> None:
    bench, config = deployed(name, root_password={"hash": HASH})
    image = golden_of("6.7" if "esxi67" in name else "8.0", root_password={"hash": HASH})
    assert bench.run(config) == 0, bench.output
    disk = bench.root / "dev/sda"
    said = subprocess.run(["sgdisk", "-v", str(disk)], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in said, said
    with FileBlocks(str(image)) as before, FileBlocks(str(disk)) as after:
        old, new = read_table(before).table, read_table(after)
    assert new.problems == ()
    assert {old.disk_guid, *(one.guid for _, one in old.partitions)}.isdisjoint(
        {new.table.disk_guid, *(one.guid for _, one in new.table.partitions)}
    )
    places = [[(number, one.first_lba, one.last_lba) for number, one in table.partitions] for table in (old, new.table)]
    assert places[0] == places[1]
    assert set(serials_of(disk)) == set(serials_of(image)) > set(uuids_of(image))
    assert set(serials_of(disk).values()).isdisjoint(serials_of(image).values())
    assert set(uuids_of(disk)) == set(uuids_of(image)) == ({2, 5, 6, 8} if "esxi67" in name else {5, 6})
    assert set(uuids_of(disk).values()).isdisjoint(uuids_of(image).values())
    files = bank_files(bench)
    host = json.loads(files["esxforge/host.json"])
    desired = desired_host_from_json(files["esxforge/desired.json"].decode())
    assert host["kind"] == "golden"
    assert str(new.table.disk_guid) == desired.disk("sda").disk_guid
    assert files[agent_start.PATH.lstrip("/")] == agent_start.SCRIPT.encode()
    assert "esxforge/ks.cfg" not in files
    assert "esxforge/lib/esxforge_target/esxi/banks.py" in files
    check_volumes(disk, tmp_path)


def check_volumes(disk: Path, tmp_path: Path) -> None:
    """fsck.fat finds nothing wrong with any FAT volume."""
    with FileBlocks(str(disk)) as blocks:
        for number in (1, *uuids_of(disk)):
            offset, length = read_table(blocks).table.byte_range(number)
            volume = tmp_path / "volume"
            command = ["dd", f"if={disk}", f"of={volume}", "bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes"]
            subprocess.run([*command, f"skip={offset}", f"count={length}", "status=none"], check=True)
            with volume.open("ab") as file:
                file.truncate(length)
            checked = subprocess.run(["fsck.fat", "-n", str(volume)], capture_output=True, text=True, check=False)
            volume.unlink()
            assert checked.returncode == 0, checked.stdout + checked.stderr


def test_secrets_stand_in_the_banks_module_alone(deployed: Deployed) -> None:
    bench, config = deployed(root_password={"hash": HASH})
    assert bench.run(config) == 0, bench.output
    extent = json.loads(bank_files(bench)["esxforge/host.json"])["secrets"]
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        document = json.loads(disk.read_at(extent["offset"], extent["length"]))
        assert document["rootpw"] == "rootpw --iscrypted " + HASH
        table = read_table(disk).table
        for number in (1, 5, 6):
            offset, _ = table.byte_range(number)
            whole = disk.read_at(offset, 24 << 20)
            for secret in (HASH.encode(), config["reporting"]["maas"]["token_secret"].encode()):
                assert whole.count(secret) == (1 if number == 5 else 0)
        volume = FatVolume(Window(disk, *table.byte_range(1)))
        assert volume.find("curtin") is None
        assert volume.find(CREDENTIALS) is None


def test_a_captured_disk_keeps_roots_password_unless_the_recipe_gives_one(deployed: Deployed) -> None:
    bench, config = deployed()
    assert bench.run(config) == 0, bench.output
    extent = json.loads(bank_files(bench)["esxforge/host.json"])["secrets"]
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        assert json.loads(disk.read_at(extent["offset"], extent["length"]))["rootpw"] == ""


def state_of(disk: Overlay) -> str:
    """What this disk starts; AssertionError where it is neither plain ESXi nor a complete host."""
    table = read_table(disk).table
    bank = FatVolume(Window(disk, *table.byte_range(5)))
    cfg = BootCfg.parse(bank.read_file("boot.cfg"))
    assert cfg.modules[-1].name == "esxforge.tgz"
    assert bank.vmware_uuid()
    module = bank.read_file("esxforge.tgz")
    if module[:2] != b"\x1f\x8b":
        assert not any(module[:512]), "the loader would stop at this module"
        return PLAIN
    names = {entry.name for entry in read(gzip.decompress(module))}
    if "esxforge/host.json" not in names:
        return PLAIN
    volume = FatVolume(Window(disk, *table.byte_range(1)))
    assert volume.find("curtin") is None
    assert volume.find(CREDENTIALS) is None
    return COMPLETE


def test_a_power_cut_after_every_write_leaves_plain_esxi_or_a_complete_host(
    deployed: Deployed, golden_of: Callable[..., Path], tmp_path: Path
) -> None:
    bench, config = deployed()
    before = tmp_path / "before"
    subprocess.run(["cp", "--sparse=always", str(bench.root / "dev/sda"), str(before)], check=True)
    assert bench.run(config) == 0, bench.output
    with FileBlocks(str(before)) as blocks:
        disk = Overlay(blocks)
        states = [state_of(disk)]
        for _, offset, data in bench.writes:
            torn = len(data) // 2 // 512 * 512
            if torn:
                disk.write_at(offset, data[:torn])
                states.append(state_of(disk))
            disk.write_at(offset, data)
            states.append(state_of(disk))
    assert states[0] == PLAIN
    assert states.count(COMPLETE) == 1, "the module's first sector was not the last write"
    assert states[-1] == COMPLETE


def test_a_second_run_is_refused(deployed: Deployed) -> None:
    bench, config = deployed()
    bench.fail_at = 12
    assert bench.run(config) == 1
    assert "writing at byte" in bench.said
    bench.fail_at = -1
    writes = len(bench.writes)
    assert bench.run(config) == 1
    assert "Redeploy the machine" in bench.said
    assert len(bench.writes) == writes


def multipath(bench: Bench, config: dict[str, Any]) -> None:
    node = (bench.root / "sys/block/sda").resolve()
    (node / "dm").mkdir()
    (node / "dm/uuid").write_text("mpath-3600")


def san(bench: Bench, config: dict[str, Any]) -> None:
    old = (bench.root / "sys/block/sda").resolve()
    new = bench.root / "sys/devices/platform/host7/session1/target7:0:0/block/sda"
    new.parent.mkdir(parents=True)
    shutil.move(old, new)
    for link in (*(bench.root / "sys/class/block").iterdir(), *(bench.root / "sys/dev/block").iterdir()):
        if not link.exists():
            target = new if link.name in ("sda", "8:0") else new / "sda1"
            link.unlink()
            link.symlink_to(target)
    (bench.root / "sys/block/sda").unlink()
    (bench.root / "sys/block/sda").symlink_to(new)


def over_tcp(bench: Bench, config: dict[str, Any]) -> None:
    (bench.root / "sys/block/sda/device/transport").write_text("tcp\n")


def of_subsystem(bench: Bench, **transports: str) -> None:
    """The boot disk as Linux's native multipath shows it, with these controllers."""
    subsystem = bench.root / "sys/devices/virtual/nvme-subsystem/nvme-subsys0"
    for name, transport in transports.items():
        controller = bench.root / "sys/devices/controllers" / name
        controller.mkdir(parents=True)
        (controller / "transport").write_text(transport + "\n")
        subsystem.mkdir(parents=True, exist_ok=True)
        (subsystem / name).symlink_to(controller)
    device = bench.root / "sys/block/sda/device"
    for path in device.iterdir():
        shutil.copy(path, subsystem / path.name)
    shutil.rmtree(device)
    device.symlink_to(subsystem)


def over_tcp_by_several_controllers(bench: Bench, config: dict[str, Any]) -> None:
    of_subsystem(bench, nvme0="tcp", nvme1="rdma")


def small(bench: Bench, config: dict[str, Any]) -> None:
    (bench.root / "sys/block/sda/size").write_text(str(300 * MIB // 512))


def large_datastore(bench: Bench, config: dict[str, Any]) -> None:
    part = next(entry for entry in config["storage"]["config"] if entry["id"] == "sda-part8")
    part["size"] = "150000000000B"


def secure_boot(bench: Bench, config: dict[str, Any]) -> None:
    bench.variable("SecureBoot", b"\1")


def damaged(bench: Bench, config: dict[str, Any]) -> None:
    with FileBlocks(str(bench.root / "dev/sda"), True) as disk:
        offset, length = read_table(disk).table.byte_range(7)
        disk.write_at(offset + length // 2 + 20000, b"damage")


def told_otherwise(bench: Bench, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the manifest says of the captured disk."""
    with FileBlocks(str(bench.root / "dev/sda"), True) as disk:
        esp = Window(disk, *read_table(disk).table.byte_range(1))
        ((offset, length),) = FatVolume(esp).extents(MANIFEST_PATH)
        manifest = Manifest.parse(esp.read_at(offset, length))
        change(manifest.details["golden"])
        esp.write_at(offset, manifest.to_bytes(length))


def for_bios_only(bench: Bench, config: dict[str, Any]) -> None:
    told_otherwise(bench, lambda golden: golden.update(firmware=["BIOS"]))


def in_bios_mode(bench: Bench, config: dict[str, Any]) -> None:
    shutil.rmtree(bench.root / "sys/firmware")


def of_an_older_esxforge(bench: Bench, config: dict[str, Any]) -> None:
    """It said BIOS for any boot code, and not why."""
    told_otherwise(bench, lambda golden: golden.pop("bios"))
    told_otherwise(bench, lambda golden: golden.update(firmware=["UEFI", "BIOS"]))
    in_bios_mode(bench, config)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (for_bios_only, "the captured disk has no EFI program"),
        (in_bios_mode, "which does not start the captured disk: the boot code in the first sector names no partition"),
        (of_an_older_esxforge, "the image was built by an esxforge that did not look"),
        (multipath, "several paths (multipath)"),
        (san, "is on a SAN"),
        (over_tcp, "NVMe by tcp"),
        (over_tcp_by_several_controllers, "NVMe by rdma, tcp"),
        (small, "choose a larger disk in MAAS, or build with a smaller golden.disk_size"),
        (large_datastore, "of which the golden image takes 419430400"),
        (secure_boot, "disable Secure Boot"),
        (damaged, "7/data"),
    ],
)
def test_what_a_golden_image_must_not_go_to_is_refused_before_the_first_write(
    change: Callable[[Bench, dict[str, Any]], None], said: str, deployed: Deployed
) -> None:
    bench, config = deployed()
    change(bench, config)
    assert bench.run(config) == 1
    assert said in bench.said
    assert bench.writes == []


def test_a_local_nvme_disk_with_two_ports_is_no_san(deployed: Deployed) -> None:
    bench, config = deployed()
    of_subsystem(bench, nvme0="pcie", nvme1="pcie")
    assert bench.run(config) == 0, bench.output


@pytest.mark.parametrize(("kind", "way"), [("guid", "its GUID"), ("attribute", "its attribute")])
def test_a_machine_in_bios_mode_gets_a_disk_that_starts_so(kind: str, way: str, deployed: Deployed) -> None:
    bench, config = deployed(of=kind)
    in_bios_mode(bench, config)
    assert bench.run(config) == 0, bench.output
    assert f"legacy BIOS mode, which starts this disk, too: the boot code finds partition 1 by {way}" in bench.said
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        assert bios_start(disk, read_table(disk).table, disk.read_at(0, 512)).starts


def test_boot_code_that_goes_by_guid_names_this_hosts_partition(deployed: Deployed) -> None:
    bench, config = deployed(of="guid")
    disk = bench.root / "dev/sda"
    before = installed.partition_guid(disk, 1)
    assert bench.run(config) == 0, bench.output
    after = installed.partition_guid(disk, 1)
    with disk.open("rb") as file:
        first = file.read(512)
    assert before != after
    assert first[424:440] == after.bytes_le
    assert first.startswith(b"\xeb\xfe boot code of syslinux 3.86")


def test_boot_code_that_goes_by_attribute_stays_as_it_is(deployed: Deployed) -> None:
    bench, config = deployed(of="attribute")
    assert bench.run(config) == 0, bench.output
    code = (installed.SYSLINUX / "mbr/gptmbr.bin").read_bytes()
    with (bench.root / "dev/sda").open("rb") as file:
        assert file.read(len(code)) == code


def bios_finds_its_partition(disk: Overlay) -> bool:
    """The rule of syslinux 3.86, by bytes: an entry of the primary table whose unique GUID is the sector's."""
    named, entries = disk.read_at(424, 16), disk.read_at(1024, 128 * 128)
    return named in [entries[at + 16 : at + 32] for at in range(0, len(entries), 128)]


def test_a_power_cut_leaves_a_bios_without_its_partition_between_two_writes_of_the_table_at_most(
    deployed: Deployed, tmp_path: Path
) -> None:
    bench, config = deployed(of="guid")
    before = tmp_path / "before"
    subprocess.run(["cp", "--sparse=always", str(bench.root / "dev/sda"), str(before)], check=True)
    assert bench.run(config) == 0, bench.output
    with FileBlocks(str(before)) as blocks:
        disk = Overlay(blocks)
        states = [bios_finds_its_partition(disk)]
        for _, offset, data in bench.writes:
            disk.write_at(offset, data)
            states.append(bios_finds_its_partition(disk))
    lost = [number for number, found in enumerate(states) if not found]
    assert len(lost) <= 1
    for number in lost:
        assert bench.writes[number - 1][1] == 1024, "the entries are there"
        assert bench.writes[number][1] == 0, "the sector that names one of them comes next"
    assert states[-1]


def test_a_disk_that_loses_the_write_of_the_first_sector_is_failing(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, config = deployed(of="guid")
    write = Recorded.write_at

    def losing(self: Recorded, offset: int, data: bytes) -> None:
        if offset:
            write(self, offset, data)

    monkeypatch.setattr(Recorded, "write_at", losing)
    assert bench.run(config) == 1
    assert "The partition table reads back different from what was written." in bench.said


def test_what_curtin_changes_by_mounting_is_no_damage(deployed: Deployed) -> None:
    bench, config = deployed()
    with FileBlocks(str(bench.root / "dev/sda"), True) as disk:
        for number in (1, 5, 6):
            offset, _ = read_table(disk).table.byte_range(number)
            disk.write_at(offset + 0x25, b"\x01")  # FAT16's mark of a volume that is mounted
    assert bench.run(config) == 0, bench.output
