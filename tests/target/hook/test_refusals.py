"""Each reason not to deploy, with its sentence; and that nothing was written then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.formats.gpt_disk import read_table
from esxforge_target.formats.manifest import MANIFEST_PATH, Manifest
from esxforge_target.runtime.blocks import FileBlocks
from target.hook.bench import Bench, FileHost, Recorded
from target.hook.conftest import Deployed

Change = Callable[[Bench, dict[str, Any]], None]


def disk_entry(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A disk in a configuration."""
    found: dict[str, Any] = next(entry for entry in config["storage"]["config"] if entry["id"] == name)
    return found


def secure_boot(bench: Bench, config: dict[str, Any]) -> None:
    bench.variable("SecureBoot", b"\1")


def legacy(bench: Bench, config: dict[str, Any]) -> None:
    shutil.rmtree(bench.root / "sys/firmware")


def bridge(bench: Bench, config: dict[str, Any]) -> None:
    config["network"]["config"].append(
        {"id": "br0", "name": "br0", "type": "bridge", "bridge_interfaces": ["eno1"], "subnets": [{"type": "dhcp"}]}
    )


def other_serial(bench: Bench, config: dict[str, Any]) -> None:
    disk_entry(config, "sda")["serial"] = "64cd98f0a1b2c3"  # curtin would take it: it is a part of the real one


def meant_the_other(bench: Bench, config: dict[str, Any]) -> None:
    bench.disk("sdx", 10**12, "64cd98f0a1b2c3")
    disk_entry(config, "sda")["serial"] = "64cd98f0a1b2c3"


def twins(bench: Bench, config: dict[str, Any]) -> None:
    bench.disk("sdx", 10**12, "64cd98f0a1b2c300")


def too_small(bench: Bench, config: dict[str, Any]) -> None:
    (bench.root / "sys/block/sda/size").write_text(str(7 * 10**9 // 512))


def too_large_a_datastore(bench: Bench, config: dict[str, Any]) -> None:
    disk_entry(config, "sda-part8")["size"] = "120000000000B"


def no_way_to_a_name(bench: Bench, config: dict[str, Any]) -> None:
    config["reporting"]["maas"]["endpoint"] = "http://maas.example:5248/MAAS/metadata/status/a"
    config["network"]["config"] = [
        {
            "id": "eno1",
            "name": "eno1",
            "type": "physical",
            "mac_address": "52:54:00:00:00:01",
            "subnets": [{"type": "static", "address": "203.0.113.5/24"}],
        }
    ]


def no_token(bench: Bench, config: dict[str, Any]) -> None:
    del config["reporting"]["maas"]["token_secret"]


def damaged(bench: Bench, config: dict[str, Any]) -> None:
    with FileBlocks(str(bench.root / "dev/sda"), True) as disk:
        volume = FileHost(bench).open_volume("", disk)
        manifest = Manifest.parse(volume.read(MANIFEST_PATH))
        record = max((one for one in manifest.files if not one.at_deploy), key=lambda one: one.length)
        byte = disk.read_at(record.offset + record.length - 1, 1)
        disk.write_at(record.offset + record.length - 1, bytes([byte[0] ^ 1]))


def cut_short(bench: Bench, config: dict[str, Any]) -> None:
    with FileBlocks(str(bench.root / "dev/sda"), True) as disk:
        offset, _ = read_table(disk).table.byte_range(1)
        volume = FileHost(bench).open_volume("", disk)
        record = Manifest.parse(volume.read(MANIFEST_PATH)).files[-1]
        for at in range(record.offset, record.offset + (64 << 10), 512):
            disk.write_at(at, bytes(512))
        assert record.offset > offset


def no_mount(bench: Bench, config: dict[str, Any]) -> None:
    (bench.root / "proc/self/mountinfo").write_text("")


REFUSALS: list[tuple[Change, str]] = [
    (secure_boot, "disable Secure Boot: nobody has seen ESXi start with a module"),
    (legacy, "legacy BIOS mode, and an installer image starts by UEFI only; set UEFI in the machine's setup and"),
    (legacy, "or deploy a golden image, captured from a disk that starts by legacy BIOS too."),
    (bridge, "br0"),
    (other_serial, 'no disk of this machine has the serial "64cd98f0a1b2c3". It has: sda (140 GB, serial'),
    (meant_the_other, "MAAS means sdx (1000 GB, serial 64cd98f0a1b2c3), but curtin wrote the image to sda"),
    (twins, '2 disks have the serial "64cd98f0a1b2c300"'),
    (too_small, "7000000000 bytes"),
    (too_large_a_datastore, "MAAS asks for a datastore of 120000000000"),
    (no_way_to_a_name, "network: no interface leads to MAAS ("),
    (no_token, "token_secret"),
    (damaged, "is not as built: the image was cut short or damaged on its way"),
    (cut_short, "damaged"),
    (no_mount, "Nothing is mounted at"),
]


@pytest.mark.parametrize(
    ("change", "sentence"), REFUSALS, ids=[f"{number}-{change.__name__}" for number, (change, _) in enumerate(REFUSALS)]
)
def test_each_refusal_has_its_sentence_and_writes_nothing(change: Change, sentence: str, deployed: Deployed) -> None:
    bench, config = deployed()
    change(bench, config)
    assert bench.run(config) == 1
    said = bench.said
    assert bench.output.isascii()
    assert sentence in said, said
    assert "what to do:" in said
    assert "this hook changed no disk" in said
    assert bench.writes == []
    assert not any(writable for _, writable in bench.opened)
    assert config["reporting"]["maas"].get("token_secret", "absent") not in said


def test_all_reasons_are_told_at_once(deployed: Deployed) -> None:
    bench, config = deployed()
    for change in (secure_boot, bridge, no_token):
        change(bench, config)
    assert bench.run(config) == 1
    for sentence in ("Secure Boot", "br0", "token_secret"):
        assert sentence in bench.said


@pytest.mark.parametrize(("rotational", "sentence"), [("0", "is an SSD with sectors of 4096 bytes (4Kn)"), ("1", "")])
def test_datastores_are_refused_on_sectors_that_the_release_cannot_use(
    rotational: str, sentence: str, deployed: Deployed
) -> None:
    bench, config = deployed("vmfs7-bond")
    for entry in config["storage"]["config"]:
        if entry["type"] == "disk" and entry["id"] != "sda":
            queue = bench.root / "sys/block" / entry["name"] / "queue"
            (queue / "logical_block_size").write_text("4096\n")
            (queue / "rotational").write_text(f"{rotational}\n")
    assert bench.run(config) == (1 if sentence else 0)
    assert sentence in bench.said
    if sentence:
        assert bench.writes == []


def test_a_datastore_over_two_sector_formats_is_refused(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    (spanned,) = [one for one in config["storage"]["config"] if one["type"] == "vmfs6" and len(one["devices"]) > 1]
    by_id = {one["id"]: one for one in config["storage"]["config"]}
    last = by_id[by_id[spanned["devices"][-1]]["device"]]
    (bench.root / "sys/block" / last["name"] / "queue/logical_block_size").write_text("4096\n")
    assert bench.run(config) == 1
    assert "all extents of a datastore must have one sector format" in bench.said


def test_an_image_for_sectors_of_512_bytes_is_refused_on_a_disk_with_4096(deployed: Deployed) -> None:
    bench, config = deployed()
    (bench.root / "sys/block/sda/queue/logical_block_size").write_text("4096\n")
    assert bench.run(config) == 1
    assert "Build it with --sector-size 4096" in bench.said
    assert bench.writes == []


def test_a_random_password_without_any_key_is_refused_unless_maas_has_one(deployed: Deployed) -> None:
    bench, config = deployed(root_password={"random": True})
    assert bench.run(config) == 1
    assert "no one could log in" in bench.said
    assert bench.writes == []
    bench.maas_has_keys = True
    assert bench.run(config) == 0, bench.output


def test_a_random_password_with_a_vcenter_to_join_is_taken_with_a_warning(deployed: Deployed) -> None:
    vcenter = {"server": "vc.example", "datacenter": "DC1", "thumbprint": "ab" * 32}
    bench, config = deployed(root_password={"random": True}, vcenter=vcenter)
    assert bench.run(config) == 0, bench.output
    assert "this host is reached through vCenter only" in bench.said


@pytest.mark.parametrize("loses", ["the primary header", "the backup"])
def test_a_disk_that_keeps_another_table_than_was_written_is_failing(
    loses: str, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk (or its controller) that acknowledges writes to its end or start, and loses them."""
    bench, config = deployed()
    write = Recorded.write_at

    def losing(self: Recorded, offset: int, data: bytes) -> None:
        lost = offset == 512 if loses == "the primary header" else offset > self.size // 2
        if not lost:
            write(self, offset, data)

    monkeypatch.setattr(Recorded, "write_at", losing)
    assert bench.run(config) == 1
    assert "The partition table reads back different from what was written." in bench.said
    assert "what to do: The disk is failing: replace it." in bench.said


def test_without_serials_the_path_decides_and_a_wrong_one_is_refused(deployed: Deployed) -> None:
    bench, config = deployed()
    entry = disk_entry(config, "sda")
    del entry["serial"], entry["model"]
    bench.disk("sdb", 10**12)
    entry["path"] = "/dev/sdb"
    assert bench.run(config) == 1
    assert "MAAS means sdb" in bench.said
    assert "without one curtin takes the first by name of the disks that it cleared" in bench.said
    (bench.root / "dev/disk/by-id/ata-0").symlink_to("../../sda")
    entry["path"] = "/dev/disk/by-id/ata-0"
    assert bench.run(config) == 0, bench.output


def test_another_disk_with_an_efi_system_partition_is_named(deployed: Deployed, image_of: Callable[..., Path]) -> None:
    bench, config = deployed()
    bench.disk("sdz", 10**12, "OTHER", image_of())
    assert bench.run(config) == 0, bench.output
    assert "sdz (1000 GB, serial OTHER) has an EFI system partition too" in bench.said
    assert ("sdz", True) not in bench.opened


def told_changes(bench: Bench) -> list[str]:
    """What stands below the reasons."""
    lines = [line.removeprefix("esxforge: ") for line in bench.output.splitlines()]
    return [line for line in lines if line.startswith(("before this hook ran", "this hook "))]


IMAGE = "before this hook ran, curtin wrote the image to sda (140 GB, serial 64cd98f0a1b2c300)"
NOTHING = "this hook changed no disk"


def test_a_refusal_tells_which_disks_curtin_had_cleared(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    bridge(bench, config)
    bench.disk("sdx", 10**12, "NOT-IN-THE-LAYOUT")
    assert bench.run(config) == 1
    cleared = "sdb (240 GB, serial S5Y1NG0N), sdc (240 GB, serial S5Y1NG0P), nvme0n1 (240 GB, serial PHLJ1234567890)"
    assert told_changes(bench) == [f"{IMAGE} and cleared {cleared}", NOTHING]
    assert bench.writes == []


def test_a_disk_that_is_not_empty_at_both_ends_is_not_said_to_be_cleared(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    bridge(bench, config)
    for name, offset in (("sdb", 4096), ("sdc", 240 * 10**9 // 4096 * 4096 - 512)):
        with FileBlocks(str(bench.root / "dev" / name), True) as disk:
            disk.write_at(offset, b"data")
    assert bench.run(config) == 1
    (curtin, _) = told_changes(bench)
    assert curtin.startswith(f"{IMAGE} and cleared nvme0n1 (")
    assert "; it is unknown whether it cleared sdb (240 GB, serial S5Y1NG0N), sdc (240 GB, serial S5Y1NG0P)" in curtin


def test_disks_that_curtin_leaves_alone_are_not_said_to_be_cleared(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    bridge(bench, config)
    del disk_entry(config, "nvme0n1")["wipe"]
    disk_entry(config, "sdc")["serial"] = "GONE"
    assert bench.run(config) == 1
    assert told_changes(bench) == [f"{IMAGE} and cleared sdb (240 GB, serial S5Y1NG0N)", NOTHING]


def test_an_image_on_a_data_disk_is_refused_and_both_disks_are_named(deployed: Deployed) -> None:
    """The boot disk's serial is gone: curtin skips it, and takes the first disk that it cleared."""
    bench, config = deployed("vmfs7-bond")
    boot, data = disk_entry(config, "sda"), disk_entry(config, "sdb")
    boot["serial"], data["serial"] = "GONE", boot["serial"]
    assert bench.run(config) == 1
    assert 'no disk of this machine has the serial "GONE"' in bench.said
    (curtin, hook) = told_changes(bench)
    assert curtin.startswith(f"{IMAGE} and cleared sdc (")
    assert hook == NOTHING
    assert bench.writes == []


def test_twin_disks_by_path_are_told_apart_and_a_wrong_choice_of_curtin_is_refused(deployed: Deployed) -> None:
    """MAAS sends by-id paths where model and serial repeat; curtin ignores the boot disk's."""
    bench, config = deployed("vmfs7-bond")
    for name, link in (("sda", "wwn-0x5000c500a1b2c3d4"), ("sdb", "wwn-0x5000c500a1b2c3d5")):
        (bench.root / "dev/disk/by-id" / link).symlink_to(f"../../{name}")
        entry = disk_entry(config, name)
        del entry["serial"], entry["model"]
        entry["path"] = f"/dev/disk/by-id/{link}"
    del disk_entry(config, "sda")["grub_device"]
    disk_entry(config, "sdb")["grub_device"] = True
    assert bench.run(config) == 1
    assert "MAAS means sdb (240 GB, serial S5Y1NG0N), but curtin wrote the image to sda" in bench.said
    assert "Make that disk the boot disk in MAAS" in bench.said
    del disk_entry(config, "sdb")["grub_device"]
    disk_entry(config, "sda")["grub_device"] = True
    assert bench.run(config) == 0, bench.output


def test_a_write_that_fails_names_the_disks_that_were_changed_by_then(deployed: Deployed) -> None:
    bench, config = deployed("vmfs7-bond")
    assert bench.run(config) == 0
    first = [name for name, _, _ in bench.writes].index("sdc")
    (bench.root).rename(bench.root.with_name("whole"))
    bench, config = deployed("vmfs7-bond")
    bench.fail_at = first + 1
    assert bench.run(config) == 1
    (curtin, hook) = told_changes(bench)
    assert curtin.startswith(f"{IMAGE} and cleared ")
    assert curtin.endswith("nvme0n1 (240 GB, serial PHLJ1234567890)"), "sdb has a table by now"
    assert hook == "this hook changed sdb ({}), and began to change sdc ({}) and did not finish".format(
        "240 GB, serial S5Y1NG0N", "240 GB, serial S5Y1NG0P"
    )


@pytest.mark.parametrize("storage", [None, [], {"config": None}, {"config": [None, {}, {"type": "disk", "wipe": []}]}])
def test_whatever_the_storage_section_is_a_refusal_stays_one(storage: object, deployed: Deployed) -> None:
    bench, config = deployed()
    config["storage"] = storage
    assert bench.run(config) == 1
    assert told_changes(bench) == [IMAGE, NOTHING]


def test_by_hand_the_hook_says_that_it_is_for_curtin(capsys: pytest.CaptureFixture[str]) -> None:
    from esxforge_target.hook.main import main

    assert main(variables={}) == 1
    assert "started by curtin" in capsys.readouterr().out


def test_an_odd_error_names_its_place_and_no_value(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, config = deployed()

    def broken(self: FileHost, host: str) -> list[str]:
        raise KeyError(config["reporting"]["maas"]["token_secret"])

    config["reporting"]["maas"]["endpoint"] = "http://maas.example:5248/MAAS/metadata/status/nqfwhy"
    monkeypatch.setattr(FileHost, "resolve", broken)
    assert bench.run(config) == 1
    assert "KeyError at" in bench.said
    assert config["reporting"]["maas"]["token_secret"] not in bench.output
