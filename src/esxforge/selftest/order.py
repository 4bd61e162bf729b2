"""The self-test's order for its virtual host, as MAAS would give it in curtin's format: network, datastores, identity.

The host has two NICs and two disks, so that wrong selection by MAC or by stamp would show: only the *second*
NIC reaches the metadata service, and the second disk must keep its label while the installer writes the first one's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

GIB = 1 << 30
_ALIGNED = 4 << 20
# Kept on the boot disk by MAAS's layout vmfs7, whatever ESXi really leaves; its vmfs6 keeps the partitions below.
_KEPT_BY_VMFS7 = 34_355_527_168
_BASE_7 = ((1, 104_857_600), (5, 4_293_918_720), (6, 4_293_918_720), (7, 25_662_832_128))
_BASE_6 = (
    (1, 3_145_728),
    (2, 4_294_967_296),
    (5, 261_095_424),
    (6, 261_095_424),
    (7, 114_294_784),
    (8, 298_844_160),
    (9, 2_684_354_560),
)
BOOT_SERIAL, DATA_SERIAL = "ESXFORGE0", "ESXFORGE1"  # as esxforge.vm.hardware numbers its disks
BOOT_DATASTORE, DATA_DATASTORE = "selftest-boot", "selftest-data"
HOST_NAME = "selftest.esxforge.test"


@dataclass(frozen=True, slots=True)
class GuestNetwork:
    """One of the two isolated networks; ``gateway`` is this computer as the guest sees it."""

    subnet: str
    gateway: str
    name_server: str
    address: str
    mac: str
    reaches_us: bool

    @property
    def prefix_length(self) -> int:
        """Prefix length of the subnet."""
        return int(self.subnet.partition("/")[2])


# The first leads nowhere. Only DHCP answers there, as on a host's forgotten port.
FIRST = GuestNetwork("10.0.2.0/24", "10.0.2.2", "10.0.2.3", "", "52:54:00:65:78:01", reaches_us=False)
SECOND = GuestNetwork("10.0.3.0/24", "10.0.3.2", "10.0.3.3", "10.0.3.50", "52:54:00:65:78:02", reaches_us=True)


@dataclass(frozen=True, slots=True)
class GuestToken:
    """MAAS's token for this host: drawn for each run, worthless after it, and still never shown."""

    consumer_key: str = field(default_factory=lambda: secrets.token_hex(9), repr=False)
    token_key: str = field(default_factory=lambda: secrets.token_hex(9), repr=False)
    token_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Secrets of the token, to search for them where they must not be."""
        return (self.consumer_key, self.token_key, self.token_secret)


@dataclass(frozen=True, slots=True)
class Order:
    """``release`` such as ``8.0.3``; sizes in bytes."""

    release: str
    boot_bytes: int
    data_bytes: int

    @property
    def major(self) -> int:
        """Major version: 6, 7, 8…"""
        return int(self.release.partition(".")[0])

    @property
    def boot_partition(self) -> int:
        """Number of the datastore's partition on the boot disk."""
        return 3 if self.major < 7 else 8

    @property
    def boot_datastore_bytes(self) -> int:
        """Size of the datastore that MAAS requests on the boot disk; 0 if less than 2 GiB are left."""
        kept = sum(size for _, size in _BASE_6) + 32 * _ALIGNED if self.major < 7 else _KEPT_BY_VMFS7
        left = (self.boot_bytes - kept) // _ALIGNED * _ALIGNED
        return left if left >= 2 * GIB else 0


def smallest_disks(release: str) -> tuple[int, int]:
    """Return sizes in bytes of boot and data disk that leave a datastore on each. The files are sparse."""
    major = int(release.partition(".")[0])
    return (16 if major < 7 else 48) * GIB, 8 * GIB


def curtin_config(order: Order, endpoint: str, token: GuestToken) -> dict[str, Any]:
    """Return curtin's configuration, as far as the hook reads it, in the format of MAAS 3.6.5."""
    return {
        "network": {"version": 1, "config": [*_nics(), _name_server()]},
        "storage": {"version": 1, "config": _storage(order)},
        "reporting": {
            "maas": {
                "type": "webhook",
                "endpoint": endpoint,
                "consumer_key": token.consumer_key,
                "token_key": token.token_key,
                "token_secret": token.token_secret,
            }
        },
        "verbosity": 3,
    }


def _nics() -> list[dict[str, Any]]:
    static = {
        "type": "static",
        "address": f"{SECOND.address}/{SECOND.prefix_length}",
        "gateway": SECOND.gateway,
        "dns_nameservers": [SECOND.name_server],
        "dns_search": ["esxforge.test"],
    }
    return [
        {"id": "eno1", "name": "eno1", "type": "physical", "mac_address": FIRST.mac, "mtu": 1500,
         "subnets": [{"type": "manual"}]},
        {"id": "eno2", "name": "eno2", "type": "physical", "mac_address": SECOND.mac, "mtu": 1500,
         "subnets": [static]},
    ]  # fmt: skip


def _name_server() -> dict[str, Any]:
    return {"type": "nameserver", "address": [SECOND.name_server], "search": ["esxforge.test"]}


def _storage(order: Order) -> list[dict[str, Any]]:
    base = _BASE_6 if order.major < 7 else _BASE_7
    entries: list[dict[str, Any]] = [
        _disk("sda", BOOT_SERIAL, grub_device=True),
        _disk("sdb", DATA_SERIAL),
        *(_partition("sda", number, size) for number, size in base),
    ]
    datastores = []
    if order.boot_datastore_bytes:
        entries.append(_partition("sda", order.boot_partition, order.boot_datastore_bytes))
        datastores.append((BOOT_DATASTORE, f"sda-part{order.boot_partition}"))
    entries.append(_partition("sdb", 1, (order.data_bytes - 2 * _ALIGNED) // _ALIGNED * _ALIGNED))
    datastores.append((DATA_DATASTORE, "sdb-part1"))
    for name, partition in datastores:
        entries += [
            {"type": "vmfs6", "id": name, "name": name, "devices": [partition]},
            {"type": "format", "id": f"{name}_format", "fstype": "vmfs6", "volume": name, "label": None},
            {"type": "mount", "id": f"{name}_mount", "device": f"{name}_format", "path": f"/vmfs/volumes/{name}"},
        ]
    return entries


def _disk(name: str, serial: str, **more: Any) -> dict[str, Any]:
    return {"type": "disk", "id": name, "name": name, "serial": serial, "model": "QEMU HARDDISK", "ptable": "gpt",
            "wipe": "superblock", **more}  # fmt: skip


def _partition(disk: str, number: int, size: int) -> dict[str, Any]:
    first = {"offset": f"{_ALIGNED}B"} if number == 1 else {}
    return {"type": "partition", "id": f"{disk}-part{number}", "name": f"{disk}-part{number}", "device": disk,
            "number": number, "size": f"{size}B", "wipe": "superblock", **first}  # fmt: skip
