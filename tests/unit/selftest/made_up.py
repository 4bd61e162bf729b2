"""A run in which all went well, made up; tests change one thing of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from esxforge.selftest.evidence import (
    Asked,
    BankFacts,
    Boot,
    Call,
    DiskFacts,
    Evidence,
    HookRun,
    MaasUpload,
    PartitionFacts,
    ServiceAnswer,
    Snapshot,
    Stage,
    Stop,
    Subject,
)
from esxforge.selftest.judge_host import PHASES
from esxforge.selftest.order import BOOT_DATASTORE, DATA_DATASTORE, FIRST, HOST_NAME, SECOND
from esxforge.vm.phases import Phase
from esxforge_target.formats.gpt import BASIC_DATA, EFI_SYSTEM, VMFS, VMFS_L

MIB = 1 << 20
BOOT_DEVICE, DATA_DEVICE = "t10.ATA_____QEMU_HARDDISK_0", "t10.ATA_____QEMU_HARDDISK_1"
READINESS = "readiness: ESXi's check says that Secure Boot can be enabled."
STAMPS = {"sda": "11111111-1111-1111-1111-111111111111", "sdb": "22222222-2222-2222-2222-222222222222"}
MODULE = {"etc/rc.local.d/999.esxforge.sh": 0o1777, "esxforge/installed.json": 0o644}
SUBJECT = Subject(
    "ab" * 32, 600 * MIB, "8.0.3", "24674464", "8.0U3e", "ESXi-8.0U3e-24674464-standard", "VMware, Inc.", False,
    "cd" * 32, "0.1.0", "9.2", "kvm", "OVMF_CODE_4M.fd", "Some CPU", "q35, 2 cores, 8192 MiB",
)  # fmt: skip
PARTITIONS = (
    PartitionFacts(1, str(EFI_SYSTEM), 32768, 100 * MIB),
    PartitionFacts(5, str(BASIC_DATA), 102 * MIB, 4095 * MIB),
    PartitionFacts(6, str(BASIC_DATA), 4198 * MIB, 4095 * MIB),
    PartitionFacts(7, str(VMFS_L), 8294 * MIB, 25000 * MIB),
)
BANK = BankFacts(
    5, True, "8.0.3-0.70.24674464", 0, 1, ("jumpstrt.gz", "k.b00", "netdrv.v00", "esxforge.tgz"), (),
    (("b.b00", 900), ("netdrv.v00", 500)), MODULE,
    {"version": 1, "device": BOOT_DEVICE, "disk_guid": "3333", "build": "8.0.3"},
)  # fmt: skip
EMPTY_BANK = BankFacts(6, True, "", 3, 0)
DATA = DiskFacts(STAMPS["sdb"], (PartitionFacts(1, str(VMFS), MIB, 8000 * MIB),))
INSTALLED = Snapshot(
    DiskFacts("33333333-3333-3333-3333-333333333333", PARTITIONS, (BANK, EMPTY_BANK), boot_bank=5),
    DATA,
    ("sda, byte 200000, in the host module",),
    (
        (
            "esxfinst.log",
            f"{BOOT_DEVICE} is the boot disk (storage sda)\nthe installer gets: install --disk={BOOT_DEVICE}\n",
        ),
    ),
)
FINISHED = Snapshot(
    DiskFacts(
        INSTALLED.boot.guid,
        (*PARTITIONS, PartitionFacts(8, str(VMFS), 34000 * MIB, 15000 * MIB)),
        (replace(BANK, modules=("jumpstrt.gz", "k.b00", "netdrv.v00"), module=None, installed=None), EMPTY_BANK),
        boot_bank=5,
    ),
    DATA,
    (),
    (
        (
            "esxforge.log",
            f"the firmware's boot order is as before: 0003, 0001\n{READINESS}\n",
        ),
    ),
)


def answer(*structures: dict[str, Any]) -> dict[str, Any]:
    return {"status": 0, "command": "esxcli", "output": json.dumps(list(structures))}


def told(**changes: Any) -> dict[str, Any]:
    """What the host answers; ``changes`` are whole answers by their name."""
    commands = {
        "version": answer({"Product": "VMware ESXi", "Version": "8.0.3"}),
        "nics": answer(
            {"Name": "vmnic0", "MACAddress": FIRST.mac}, {"Name": "vmnic1", "MACAddress": SECOND.mac.upper()}
        ),
        "vswitches": answer({"Name": "vSwitch0", "Uplinks": ["vmnic1"]}),
        "portgroups": answer({"Name": "Management Network", "VirtualSwitch": "vSwitch0", "VLANID": 0}),
        "interfaces": answer({"Name": "vmk0", "Portgroup": "Management Network", "MACAddress": FIRST.mac}),
        "ipv4": answer({"Name": "vmk0", "IPv4Address": SECOND.address, "AddressType": "STATIC"}),
        "devices": answer(
            {"DevfsPath": f"/vmfs/devices/disks/{BOOT_DEVICE}", "IsBootDevice": True},
            {"DevfsPath": f"/vmfs/devices/disks/{DATA_DEVICE}", "IsBootDevice": False},
        ),
        "filesystems": answer(
            {"VolumeName": BOOT_DATASTORE, "Type": "VMFS-6", "Size": 15 << 30},
            {"VolumeName": DATA_DATASTORE, "Type": "VMFS-6", "Size": 8 << 30},
        ),
        "extents": answer(
            {"VolumeName": BOOT_DATASTORE, "DeviceName": BOOT_DEVICE, "Partition": 8},
            {"VolumeName": DATA_DATASTORE, "DeviceName": DATA_DEVICE, "Partition": 1},
        ),
        "hostname": answer({"FullyQualifiedDomainName": HOST_NAME, "HostName": "selftest"}),
        "ntp": answer({"Enabled": True, "Servers": [SECOND.gateway]}),
    }
    return {
        "version": 1,
        "python": [3, 8, 16],
        "commands": {**commands, **changes},
        "texts": {"/etc/ntp.conf": None},
        "directories": {"/bootbank": ["boot.cfg"], "/store": None},
        "boot_order_tool": True,
        "has_our_key": True,
    }


def event(stage: Stage, seconds: float, name: str, kind: str = "start", *, result: str = "", text: str = "") -> Call:
    return Call(
        stage, seconds, "POST", "status", True, 204, kind, f"esxforge/{name}" if name else "esxforge", result, text
    )


def get(stage: Stage, seconds: float, name: str) -> Call:
    return Call(stage, seconds, "GET", name, True, 200)


def story(stage: Stage) -> list[Call]:
    """The calls of one boot up to the agent's end."""
    calls = [event(stage, 60.0 + number, phase) for number, phase in enumerate(PHASES)]
    place = 1 + [call.event for call in calls].index("esxforge/user-data")
    return [*calls[:place], get(stage, 70.0, "user-data"), *calls[place:]]


def boot(stage: Stage, stop: Stop, **more: Any) -> Boot:
    marks = ((Phase.BOOT_LOADER, 4.0), (Phase.KERNEL, 9.0), (Phase.INSTALLER, 30.0))
    return Boot(stage, stop, 120.0, marks, "Loading /esxforge.tgz\n", (f"{stage.value}-end.png",), **more)


def good() -> Evidence:
    """All was asked for, and all was seen."""
    return Evidence(
        SUBJECT,
        Asked(golden=True, maas=True, secure_boot=True, add=True),
        700 * MIB,
        3.0,
        (
            boot(Stage.INTERACTIVE, Stop.ENOUGH),
            boot(Stage.INSTALL, Stop.RESTARTED),
            boot(Stage.FIRST_BOOT, Stop.ENOUGH),
            boot(Stage.SECOND_BOOT, Stop.ENOUGH),
            boot(Stage.LATER_BOOT, Stop.ENOUGH),
            boot(Stage.GOLDEN_BUILD, Stop.POWERED_OFF),
            boot(Stage.GOLDEN_BIOS, Stop.ENOUGH),
            boot(Stage.GOLDEN_BOOT, Stop.ENOUGH),
            boot(Stage.SECURE_INSTALL, Stop.RESTARTED),
            boot(Stage.SECURE_BOOT, Stop.ENOUGH),
        ),
        HookRun(True, ('esxforge: ESXi keeps "min" of the boot disk: the datastore...',), STAMPS),
        {
            Stage.INSTALL: INSTALLED,
            Stage.FIRST_BOOT: INSTALLED,
            Stage.SECOND_BOOT: FINISHED,
            Stage.SECURE_INSTALL: INSTALLED,
        },
        (
            event(Stage.FIRST_BOOT, 60.0, "wait"),
            event(Stage.SECOND_BOOT, 59.0, "drivers", text="Loaded: netdrv.v00"),
            *story(Stage.SECOND_BOOT),
            get(Stage.GOLDEN_BOOT, 70.0, "user-data"),
            event(Stage.SECURE_BOOT, 60.0, "inventory"),
        ),
        "Deployed",
        True,
        told(),
        ServiceAnswer("tls", 80.0, HOST_NAME),
        MaasUpload("3.6.5", "esxi/selftest-8.0.3", "uploaded"),
        secure_hook=HookRun(True),
        secure_answer=ServiceAnswer("tls", 50.0, HOST_NAME),
        added_modules=("netdrv.v00",),
        gptmbr_bytes=424,
        bios={"starts": True, "reason": "the boot code finds partition 1", "boot_code": "guid", "partition": 1},
    )


def with_boot(evidence: Evidence, stage: Stage, **changes: Any) -> Evidence:
    """One boot otherwise."""
    return replace(
        evidence,
        boots=tuple(replace(one, **changes) if one.stage is stage else one for one in evidence.boots),
    )


def until(evidence: Evidence, stage: Stage) -> Evidence:
    """The same run, ended before ``stage``."""
    order = list(Stage)
    before = order[: order.index(stage)]
    return replace(
        evidence,
        boots=tuple(one for one in evidence.boots if one.stage in before),
        snapshots={key: value for key, value in evidence.snapshots.items() if key in before},
        calls=tuple(call for call in evidence.calls if call.stage in before),
        told=evidence.told if Stage.SECOND_BOOT in before else None,
        answer=evidence.answer if Stage.LATER_BOOT in before else None,
        machine_status="Deployed" if Stage.SECOND_BOOT in before else "Deploying",
    )


def with_disk(evidence: Evidence, stage: Stage, snapshot: Snapshot) -> Evidence:
    """Another snapshot after a stage."""
    return replace(evidence, snapshots={**evidence.snapshots, stage: snapshot})


def with_bank(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The first bank otherwise."""
    first, *rest = snapshot.boot.banks
    return replace(snapshot, boot=replace(snapshot.boot, banks=(replace(first, **changes), *rest)))
