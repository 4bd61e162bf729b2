"""Machines as they come: hardware, and the configuration that a fresh install of a release leaves.

Partition tables: tests/data/esxi/partedUtil-getptbl.txt; the other sources stand in SOURCES.md.
"""

from typing import Any, Dict, List, Tuple

from standin.esxi import label as labels
from standin.esxi.firewall import default_firewall
from standin.esxi.host import DEFAULT_STACK
from standin.esxi.interfaces import new_interface
from standin.esxi.netstacks import new_stack
from standin.esxi.portgroups import new_portgroup
from standin.esxi.vswitches import new_switch

Document = Dict[str, Any]
GIB = 1 << 30
BUILDS = {"6.7.0": "17700523", "7.0.3": "24674464", "8.0.3": "24674464", "9.0.0": "24755229"}
PRESETS = ("sas-12-nics", "sata-2-nics", "nvme-4-nics", "nested-2-nics", "dead-lun")
ESP = "C12A7328F81F11D2BA4B00A0C93EC93B"
BASIC = "EBD0A0A2B9E5443387C068B6B72699C7"
DUMP = "9D27538040AD11DBBF97000C2911D1B8"


def full_release(release: str) -> str:
    """``8.0`` is short for the build of 8.0 that the fake knows best."""
    for known in BUILDS:
        if known == release or known.startswith(release + "."):
            return known
    return release


def nic(number: int, mac: str, pci: str, driver: str, speed: int = 10000, max_mtu: int = 9000) -> Document:
    return {
        "name": f"vmnic{number}", "mac": mac, "pci": pci, "driver": driver, "speed": speed, "max_mtu": max_mtu,
        "description": f"stand-in Ethernet adapter for {driver}",
    }  # fmt: skip


def nics_from(macs: List[str], driver: str = "ntg3") -> List[Document]:
    """NICs for MACs in Linux's order. ESXi numbers them otherwise here: the second half first."""
    half = (len(macs) + 1) // 2
    order = macs[half:] + macs[:half]
    return [nic(number, mac, f"0000:{0x41 + number:02x}:00.0", driver) for number, mac in enumerate(order)]


def without_driver(mac: str) -> Document:
    """A NIC that is in the box, but for which this release has no driver: ESXi does not show it."""
    return dict(nic(0, mac, "0000:e1:00.0", ""), name="")


def disk(name: str, size: int, kind: str, boot: bool = False, **more: Any) -> Document:
    """One disk of ``size`` bytes. ``kind``: sas, sata, nvme, scsi, usb. More: dead, local, ssd, sector_size, serial."""
    adapter, driver = {
        "sas": ("vmhba0", "lsi_mr3"), "sata": ("vmhba1", "vmw_ahci"), "nvme": ("vmhba2", "nvme_pcie"),
        "scsi": ("vmhba0", "pvscsi"), "usb": ("vmhba32", "vmkusb"),
    }[kind]  # fmt: skip
    made = {
        "name": name, "bytes": size, "kind": kind, "boot": boot, "sector_size": 512,
        "adapter": adapter, "driver": driver,
        "vml": "vml.0{:011x}{}".format(len(name), name.encode("ascii", "replace").hex()[-48:]),
        "vendor": {"sas": "TOSHIBA", "sata": "ATA", "nvme": "NVMe", "scsi": "VMware", "usb": "UFD 2.0"}[kind],
        "model": name.strip("_").rpartition("_____")[2][:16] if name.startswith("t10") else "Virtual disk",
        "revision": "0001", "ssd": kind in ("nvme", "sata"), "dead": False, "local": True,
    }  # fmt: skip
    made.update(more)
    return made


def hardware_of(preset: str, release: str) -> Document:
    if preset not in PRESETS:
        raise ValueError(f"no preset {preset}; there are {', '.join(PRESETS)}")
    nics, machine_disks = _box(preset)
    release = full_release(release)
    major = int(release.split(".")[0])
    return {
        "release": release, "build": BUILDS.get(release, "24674464"), "update": release.split(".")[2], "patch": "0",
        "nics": nics, "disks": machine_disks, "banks": [], "system_partitions": [],
        "hostd_delay": 0,
        "boot_entries": [{"id": "0002", "name": "VMware ESXi"}, {"id": "0000", "name": "UEFI: PXE IPv4"}],
        "programs_missing": ["bootorder"] if major < 7 else [],
        "quirks": {"json_blanks": major >= 8, "json_strings": major < 7, "errors_on_stdout": True},
    }  # fmt: skip


def _box(preset: str) -> Tuple[List[Document], List[Document]]:
    if preset in ("sas-12-nics", "dead-lun"):
        macs = ["2c:ea:7f:f2:2f:48", "2c:ea:7f:f2:2f:49"]
        macs += [f"b0:26:28:9c:f8:{0x2C + number:02x}" for number in range(4)]
        macs += [f"52:54:00:00:00:{number:02x}" for number in range(1, 7)]
        # Linux finds the plug-in cards first; the port without a driver is the last one.
        nics = [*nics_from(macs), without_driver("0c:42:a1:00:00:99")]
        found = [
            disk("naa.61866da06831a30030a6d34907c62a3a", 2343043072 * 512, "sas", boot=True),
            disk("naa.5000039b98d0a1b1", 600 * GIB, "sas"),
            disk("naa.5000039b98d0a1b5", 600 * GIB, "sas"),
            disk("naa.5000039b98d0a1b9", 600 * GIB, "sas", old_volume="old-datastore"),
        ]
        if preset == "dead-lun":
            found.append(disk("naa.5000144f79272808", 100 * GIB, "sas", dead=True, local=False))
        return nics, found
    if preset == "sata-2-nics":
        return nics_from(["52:54:00:00:00:01", "52:54:00:00:00:02"], "igbn"), [
            disk(
                "t10.ATA_____Colorful_SL500_240G_____________________AA000000000000001787",
                240057409536,
                "sata",
                boot=True,
            ),
            disk("t10.ATA_____ST31500341AS________________________________________9VS3D7RQ", 1500301910016, "sata"),
        ]
    if preset == "nvme-4-nics":
        return nics_from([f"52:54:00:00:00:{number:02x}" for number in range(1, 5)], "ixgben"), [
            disk(
                "t10.NVMe____Dell_Ent_NVMe_CM6_RI_1.92TB______________0100000000000000",
                1920383410176,
                "nvme",
                boot=True,
            ),
            disk("t10.NVMe____Dell_Ent_NVMe_CM6_RI_1.92TB______________0100000000000001", 1920383410176, "nvme"),
        ]
    return nics_from(["52:54:00:00:00:01", "52:54:00:00:00:02"], "nvmxnet3"), [
        disk("mpx.vmhba0:C0:T0:L0", 40 * GIB, "scsi", boot=True),
        disk("mpx.vmhba0:C0:T1:L0", 20 * GIB, "scsi"),
    ]


# systemMediaSize= of the boot command line: where OSDATA ends, in sectors of 512 bytes (32, 64 and 128 GiB).
MEDIA_SIZES = {"min": 1 << 26, "small": 1 << 27, "default": 1 << 28, "max": 0}
_ROOM_FOR_DATASTORE = 297795584 - (1 << 28)  # above about 142 GiB the default leaves some


def boot_table(release: str, sectors: int, media: str = "default") -> List[labels.Partition]:
    """The installer's partitions on a disk of that many sectors of 512 bytes. ``media``: a key of MEDIA_SIZES."""
    last = sectors - 34
    if int(release.split(".", maxsplit=1)[0]) < 7:
        table = [(1, 64, 8191, ESP, 128), (5, 8224, 520191, BASIC, 0), (6, 520224, 1032191, BASIC, 0),
                 (7, 1032224, 1257471, DUMP, 0), (8, 1257504, 1843199, BASIC, 0)]  # fmt: skip
        if sectors > 17825792:
            table += [
                (9, 1843200, 7086079, DUMP, 0),
                (2, 7086080, 15472639, BASIC, 0),
                (3, 15472640, last, labels.VMFS, 0),
            ]
        return [labels.Partition(*row) for row in table]
    if sectors >= 32 * GIB // 512:
        banks, start = (208896, 8595455, 8597504, 16984063), 16986112
    elif sectors >= 10 * GIB // 512:
        banks, start = (208896, 2306047, 2308096, 4405247), 4407296
    else:
        banks, start = (208896, 1232895, 1234944, 2258943), 2260992
    end = MEDIA_SIZES[media]
    room = bool(end) and sectors > end + _ROOM_FOR_DATASTORE  # else the system takes the whole disk
    table = [(1, 64, 204863, ESP, 128), (5, banks[0], banks[1], BASIC, 0), (6, banks[2], banks[3], BASIC, 0),
             (7, start, end - 1 if room else last, labels.VMFSL, 0)]  # fmt: skip
    if room:
        table.append((8, end + 2048, last, labels.VMFS, 0))
    names = {1: "BOOT", 5: "BOOTBANK1", 6: "BOOTBANK2", 7: "OSDATA", 8: "datastore1"}
    return [labels.Partition(*row, name=names[row[0]]) for row in table]


def fresh_configuration(hardware: Document) -> Document:
    """What the installer leaves: vSwitch0 on the first NIC that has a driver, vmk0 asking DHCP."""
    dials = hardware.get("dials", {})
    first = next(one for one in hardware["nics"] if one["driver"])
    if dials.get("fresh-uplink", "booted") == "booted":
        first = next((one for one in hardware["nics"] if one["driver"] and one["mac"] == hardware.get("booted")), first)
    switch = new_switch("vSwitch0")
    switch["uplinks"] = [first["name"]]
    switch["failover"]["active"] = [first["name"]]
    own = dials.get("vmk0-mac") == "own"
    vmk = new_interface("vmk0", "00:50:56:60:0f:ff" if own else first["mac"], "Management Network")
    vmk["tags"] = ["Management"]
    vmk["ipv4"].update(type="dhcp", peer_dns=True)
    release = [int(part) for part in hardware["release"].split(".")]
    vmk["ipv6"]["router_adv"] = dials.get("fresh-advertisements", "yes") == "yes"
    management = new_portgroup("Management Network", "vSwitch0", 1)
    if dials.get("management-team") == "overrides":
        management["failover"] = {"load_balancing": "portid", "active": [first["name"]], "standby": []}
    return {
        "hostname": "localhost", "domain": "", "uuid": "5cb4c4d7-7e0f-4c55-9c1e-2cea7ff22f48",
        "maintenance": False, "ntp": {"enabled": False, "servers": []}, "unmounted": [],
        "services": {"TSM": {"policy": False, "running": False}, "TSM-SSH": {"policy": False, "running": False}},
        "permissions": {"root": "Admin", "dcui": "Admin", "vpxuser": "Admin"},
        "advanced": _advanced(release), "nics": {}, "next_mac": 0x1000, "ipv6_enabled": True, "ipv6_enabled_next": True,
        "vswitches": {"vSwitch0": switch},
        "portgroups": {
            "Management Network": management,
            "VM Network": new_portgroup("VM Network", "vSwitch0", 2),
        },
        "interfaces": {"vmk0": vmk}, "netstacks": {DEFAULT_STACK: new_stack(DEFAULT_STACK)},
        "firewall": dict(default_firewall(), enabled=dials.get("firewall") != "open"),
    }  # fmt: skip


def _advanced(release: List[int]) -> Document:
    def number(default: int, maximum: int) -> Document:
        return {"type": "integer", "value": default, "default": default, "minimum": 0, "maximum": maximum}

    options = {
        "/UserVars/SuppressShellWarning": number(0, 1),
        "/UserVars/ESXiShellInteractiveTimeOut": number(0, 86400),
        "/Net/FollowHardwareMac": number(1, 1),
        "/Misc/PreferredHostName": {"type": "string", "value": "", "default": ""},
    }
    if release >= [8, 0]:
        options["/User/execInstalledOnly"] = dict(number(1, 1), value=1)
        options["/VMkernel/Boot/execInstalledOnly"] = number(1, 1)
    return options
