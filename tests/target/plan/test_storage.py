"""Datastores: what the template gets wrong, what the issue asks, and any mixture that hypothesis finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.preview.assumed import assumed_inventory, stamped
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.inventory.model import Device, Extent, FileSystem, Inventory, PartitionTable
from esxforge_target.plan.differences import storage_differences
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import Plan
from esxforge_target.plan.storage import VMFS_TYPE
from target.plan.configs import sample, simple
from target.plan.test_convergence import run

GIB = 1 << 30


def both(config: Any, version: str = "8.0.3") -> tuple[DesiredHost, Inventory]:
    desired = stamped(desired_host_from_config(config))
    return desired, assumed_inventory(desired, version)


def storage_commands(plan: Plan) -> list[str]:
    return [" ".join(step.command) for step in plan.steps if step.phase == "storage"]


def renamed(host: Inventory, old: str, new: str) -> Inventory:
    """The host with a device of another name."""
    devices = tuple(
        one.replace(name=new, path=f"/vmfs/devices/disks/{new}") if one.name == old else one for one in host.devices
    )
    extents = tuple(one.replace(device=new) if one.device == old else one for one in host.extents)
    bank = new if host.boot_bank_device == old else host.boot_bank_device
    return host.replace(devices=devices, extents=extents, boot_bank_device=bank)


def boot(host: Inventory) -> Device:
    (found,) = [device for device in host.devices if device.boot]
    return found


def with_boot_table(host: Inventory, table: PartitionTable, *, datastore: bool) -> Inventory:
    devices = tuple(one.replace(table=table) if one.boot else one for one in host.devices)
    host = host.replace(devices=devices)
    return host if datastore else host.replace(extents=(), file_systems=())


def without_vmfs(table: PartitionTable) -> PartitionTable:
    return table.replace(partitions=tuple(one for one in table.partitions if one.type_guid != VMFS_TYPE))


def with_format(host: Inventory, name: str, *, sector_size: int, ssd: bool = False) -> Inventory:
    """The host with a data disk of another sector format."""
    (found,) = [one for one in host.devices if one.name == name]
    assert found.table is not None
    changed = found.replace(table=found.table.replace(sector_size=sector_size), ssd=ssd)
    devices = [changed if one.name == name else one for one in host.devices]
    return host.replace(devices=tuple(devices))


@pytest.mark.parametrize(
    ("version", "ssd", "reason"),
    [
        ("6.5.0", False, "which ESXi knows from 6.7 on"),
        ("6.7.0", False, ""),
        ("8.0.3", False, ""),
        ("8.0.3", True, "is an SSD with sectors of 4096 bytes (4Kn), which ESXi knows from 9.0 on"),
        ("9.0.0", True, ""),
    ],
)
def test_a_disk_of_4096_bytes_is_refused_where_the_release_cannot_use_it(version: str, ssd: bool, reason: str) -> None:
    desired, host = both(sample("vmfs7-bond"), version)
    names = [one.name for one in host.devices if not one.boot]
    for name in names:
        host = with_format(host, name, sector_size=4096, ssd=ssd)
    errors = " ".join(make_plan(desired, host).errors)
    assert (reason in errors) if reason else (errors == "")


def test_a_datastore_over_two_sector_formats_is_refused() -> None:
    config = simple()
    config["storage"]["config"] += [
        {"type": "disk", "id": "sdb", "serial": "b"},
        {"type": "disk", "id": "sdc", "serial": "c"},
        {"type": "partition", "id": "sdb1", "device": "sdb", "number": 1, "size": "5G"},
        {"type": "partition", "id": "sdc1", "device": "sdc", "number": 1, "size": "5G"},
        {"type": "vmfs6", "id": "wide", "name": "wide", "devices": ["sdb1", "sdc1"]},
    ]
    desired, host = both(config)
    assert not make_plan(desired, host).errors
    (error,) = make_plan(desired, with_format(host, "<sdc>", sector_size=4096)).errors
    assert error.startswith(
        "storage wide: <sdb> has sectors of 512 bytes, <sdc> has sectors of 4096 bytes; all extents"
    )


def test_disks_are_found_by_stamp_whatever_esxi_calls_them() -> None:
    desired, host = both(sample("vmfs7-bond"))
    host = renamed(host, "<sdb>", "naa.61866da06831a30030a6d34907c62a3a")
    host = renamed(host, "<sdc>", "t10.ATA_____samsung_ssd_870_evo____________________s5y1ng0p____")
    assert storage_commands(make_plan(desired, host)) == [
        "vmkfstools -C vmfs6 -S datastore2 /vmfs/devices/disks/naa.61866da06831a30030a6d34907c62a3a:1",
        (
            "vmkfstools -Z /vmfs/devices/disks/t10.ATA_____samsung_ssd_870_evo____________________s5y1ng0p____:1 "
            "/vmfs/devices/disks/naa.61866da06831a30030a6d34907c62a3a:1"
        ),
    ]


def test_adding_an_extent_answers_the_question() -> None:
    desired, host = both(sample("vmfs7-bond"))
    (step,) = [step for step in make_plan(desired, host).steps if "-Z" in step.command]
    assert step.stdin == "0\n"


def test_the_datastore_on_p8_of_the_boot_disk_is_made_where_the_installer_made_none() -> None:
    desired, host = both(sample("simple-static"))
    table = boot(host).table
    assert table is not None
    host = with_boot_table(host, without_vmfs(table), datastore=False)
    plan = make_plan(desired, host)
    assert [line.split()[0] for line in storage_commands(plan)] == ["partedUtil", "vmkfstools"]
    done = run(host, plan.steps)
    assert storage_differences(desired, done) == []
    last = boot(done).table
    assert last is not None
    made = last.partition(8)
    assert made is not None
    assert made.first * 512 % (1 << 20) == 0
    assert made.last == last.last_usable
    assert make_plan(desired, done).steps == ()


def test_on_6_x_it_is_p3() -> None:
    desired, host = both(sample("esxi67"), "6.7.0")
    table = boot(host).table
    assert table is not None
    host = with_boot_table(host, without_vmfs(table), datastore=False)
    done = run(host, make_plan(desired, host).steps)
    assert [one.partition for one in done.extents if one.volume == "datastore1"] == [3]
    assert storage_differences(desired, done) == []


def test_a_cut_between_partition_and_file_system_is_mended() -> None:
    desired, host = both(sample("simple-static"))
    host = host.replace(extents=(), file_systems=())
    assert storage_commands(make_plan(desired, host)) == [
        "vmkfstools -C vmfs6 -S datastore1 /vmfs/devices/disks/<sda>:8"
    ]


def test_the_installers_datastore_is_renamed() -> None:
    config = simple()
    for entry in config["storage"]["config"]:
        if entry["type"] == "vmfs6":
            entry["name"] = "fast and local"
    desired, host = both(config)
    assert make_plan(desired, host).steps[-1].command == (
        "vim-cmd",
        "hostsvc/datastore/rename",
        "datastore1",
        "fast and local",
    )


def test_the_installers_datastore_grows_to_what_remains() -> None:
    desired, host = both(sample("vmfs7-bond"))
    table = boot(host).table
    assert table is not None
    short = table.replace(
        partitions=tuple(
            one.replace(last=one.last - 40 * GIB // 512) if one.number == 8 else one for one in table.partitions
        )
    )
    host = with_boot_table(host, short, datastore=True)
    host = host.replace(file_systems=tuple(one.replace(size=one.size - 40 * GIB) for one in host.file_systems))
    plan = make_plan(desired, host)
    assert [line.split()[:2] for line in storage_commands(plan)] == [
        ["vmkfstools", "-C"],
        ["partedUtil", "resize"],  # from here on nothing can be undone: VMFS never shrinks
        ["vmkfstools", "--growfs"],
        ["vmkfstools", "-Z"],
    ]
    for cut in range(len(plan.steps) + 1):
        done = run(host, plan.steps[:cut])
        done = run(done, make_plan(desired, done).steps)
        assert make_plan(desired, done).steps == ()
        assert boot(done).table == table


def test_a_name_that_the_installer_took_is_freed() -> None:
    config = sample("vmfs7-bond")
    entries = config["storage"]["config"]
    config["storage"]["config"] = [
        one for one in entries if not one["id"].startswith("datastore1") and one["type"] not in ("mount", "format")
    ]
    for entry in config["storage"]["config"]:
        if entry["type"] == "vmfs6":
            entry["name"] = "datastore1"
        if entry["id"] == "sda-part8":
            entry["size"] = "400G"  # room for the installer's own datastore
    desired, host = both(config)
    plan = make_plan(desired, host)
    assert storage_commands(plan)[0] == "vim-cmd hostsvc/datastore/rename datastore1 datastore1-boot"
    done = run(host, plan.steps)
    assert storage_differences(desired, done) == []
    assert make_plan(desired, done).steps == ()


def test_a_name_taken_by_a_shared_volume_is_refused() -> None:
    desired, host = both(sample("vmfs7-bond"))
    host = host.replace(extents=(*host.extents, Extent("datastore2", "other", 0, "naa.6000144f79272808", 1)))
    assert make_plan(desired, host).errors == (
        (
            "storage datastore2: a volume of this name exists on naa.6000144f79272808 already; rename it or choose "
            "another "
            "name in MAAS."
        ),
    )


def test_no_partition_is_touched_when_the_boot_disk_is_in_doubt() -> None:
    desired, host = both(sample("simple-static"))
    plan = make_plan(desired, host.replace(boot_bank_device="naa.other", extents=(), file_systems=()))
    assert plan.steps == ()
    assert plan.errors == (
        (
            "storage datastore1: no partition of the boot disk is touched, because ESXi calls <sda> its boot disk, but "
            "its "
            "boot bank is on naa.other."
        ),
    )


def test_a_disk_without_its_stamp_is_refused_with_the_likely_cause() -> None:
    desired, host = both(sample("vmfs7-bond"))
    plan = make_plan(desired, host.replace(devices=tuple(one for one in host.devices if one.name != "<sdc>")))
    assert plan.errors == (
        (
            "storage sdc-part1: no disks of this host carry the stamp of sdc (Samsung SSD 870, S5Y1NG0P); ESXi may "
            "have "
            "no "
            "driver for its controller, or it is gone."
        ),
    )


def test_a_stamp_on_two_disks_is_refused() -> None:
    desired, host = both(sample("vmfs7-bond"))
    copy = next(one for one in host.devices if one.name == "<sdc>").replace(name="copy", path="/copy")
    plan = make_plan(desired, host.replace(devices=(*host.devices, copy)))
    assert "2 disks of this host carry the stamp of sdc" in plan.errors[0]


def test_disks_without_model_and_serial_are_no_trouble() -> None:
    config = sample("vmfs7-bond")
    for entry in config["storage"]["config"]:
        if entry["type"] == "disk":
            entry.pop("model")
            entry["path"] = f"/dev/{entry.pop('name')}"
            entry.pop("serial")
    desired, host = both(config)
    assert len(storage_commands(make_plan(desired, host))) == 2


def test_nothing_is_unmounted_wiped_or_relabelled() -> None:
    desired, host = both(sample("vmfs7-bond"))
    foreign = Device("naa.foreign", "/vmfs/devices/disks/naa.foreign", 10 * GIB, disk_guids=("feed",))
    host = host.replace(
        devices=(*host.devices, foreign),
        extents=(*host.extents, Extent("vms", "u9", 0, "naa.foreign", 1)),
        file_systems=(*host.file_systems, FileSystem("vms", "u9", "/vmfs/volumes/u9", "VMFS-6", True, GIB, GIB)),
    )
    lines = storage_commands(make_plan(desired, host))
    assert not [
        line for line in lines if "naa.foreign" in line or "unmount" in line or "mklabel" in line or line[:2] == "dd"
    ]


def test_without_datastores_vmwares_defaults_stay() -> None:
    config = simple()
    config["storage"]["config"] = [one for one in config["storage"]["config"] if one["type"] == "disk"]
    desired, host = both(config)
    plan = make_plan(desired, host)
    assert storage_commands(plan) == []
    assert "storage: MAAS asks for no datastore; VMware's own layout stays." in plan.notices


def test_a_boot_disk_without_room_is_refused_with_the_figures() -> None:
    desired, host = both(sample("simple-static"))
    table = boot(host).table
    assert table is not None
    full = without_vmfs(table)
    last = full.partitions[-1].replace(last=table.last_usable)
    host = with_boot_table(host, full.replace(partitions=(*full.partitions[:-1], last)), datastore=False)
    (reason,) = make_plan(desired, host).errors
    assert "leaves 0 bytes of the boot disk <sda>, and a datastore needs 1395864371" in reason


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_datastores_are_made_from_every_cut(data: st.DataObject) -> None:
    disks = [f"sd{letter}" for letter in "bcde"]
    entries: list[dict[str, Any]] = [{"type": "disk", "id": "sda", "grub_device": True, "serial": "A"}]
    entries += [{"type": "disk", "id": disk, "serial": disk} for disk in disks]
    free = []
    for disk in disks:
        for number in range(1, data.draw(st.integers(1, 3)) + 1):
            size = data.draw(st.integers(2, 900))
            entries.append(
                {"type": "partition", "id": f"{disk}{number}", "device": disk, "number": number, "size": f"{size}G"}
            )
            free.append(f"{disk}{number}")
    entries.append({"type": "partition", "id": "sda8", "device": "sda", "number": 8, "size": "200G"})
    names = data.draw(
        st.lists(st.sampled_from(["datastore1", "fast", "vms 2", "ISO"]), min_size=1, max_size=3, unique=True)
    )
    free = data.draw(st.permutations(free))
    at = 0
    for index, name in enumerate(names):
        count = data.draw(st.integers(1, 2))
        parts = free[at : at + count]
        at += count
        if index == 0 and data.draw(st.booleans()):
            parts = ["sda8", *parts[1:]]
        if parts:
            entries.append({"type": "vmfs6", "id": name, "name": name, "devices": list(parts)})
    config = simple()
    config["storage"]["config"] = entries
    version = data.draw(st.sampled_from(["6.7.0", "7.0.3", "9.0.0"]))
    desired, host = both(config, version)
    if data.draw(st.booleans(), "installed without a datastore"):
        table = boot(host).table
        assert table is not None
        host = with_boot_table(host, without_vmfs(table), datastore=False)
    plan = make_plan(desired, host)
    assert plan.errors == ()
    cut = run(host, plan.steps[: data.draw(st.integers(0, len(plan.steps)))])
    done = run(cut, make_plan(desired, cut).steps)
    assert storage_differences(desired, done) == []
    assert make_plan(desired, done).steps == ()


def test_what_cannot_be_undone_comes_last() -> None:
    desired, host = both(sample("vmfs7-bond"))
    steps = [step for step in make_plan(desired, host).steps if step.phase == "storage"]
    assert [bool(step.undo) for step in steps] == sorted((bool(step.undo) for step in steps), reverse=True)
    assert not steps[-1].undo


def test_an_empty_partition_that_was_made_larger_is_made_smaller_again() -> None:
    desired, host = both(sample("vmfs7-bond"))
    table = boot(host).table
    assert table is not None
    short = table.replace(
        partitions=tuple(
            one.replace(last=one.last - 40 * GIB // 512) if one.number == 8 else one for one in table.partitions
        )
    )
    host = with_boot_table(host, short, datastore=False)
    (resize,) = [step for step in make_plan(desired, host).steps if step.command[1] == "resize"]
    assert [command[-1] for command in resize.undo] == [
        str(entry.last) for entry in short.partitions if entry.number == 8
    ]
