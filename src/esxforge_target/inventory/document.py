"""The inventory as one JSON document: /bootbank/esxforge.inv, which ``esxforge plan --inventory`` reads.

Beside the inventory it keeps which stamp the hook gave to which of MAAS's disks: ESXi does not know that.
"""

import json
from typing import Any, Dict, Optional, Tuple, Union

from esxforge_target.inventory.addresses import odd_addresses
from esxforge_target.inventory.model import (
    FAILOVER,
    Device,
    Extent,
    FileSystem,
    InstalledRelease,
    Inventory,
    Ipv6Address,
    PartitionEntry,
    PartitionTable,
    PhysicalNic,
    Policy,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.runtime.documents import (
    MAYBE_TRUTH,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Schema,
    Shape,
    check_document,
    plain,
    shown,
)
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

VERSION = 2
_OLDER = 1
_HINT = "Take the complete file /bootbank/esxforge.inv of a host, one JSON object."
_SCHEMA = {
    InstalledRelease: {"version": TEXT, "build": TEXT},
    PhysicalNic: {"name": TEXT, "mac": TEXT, "driver": TEXT, "link_up": MAYBE_TRUTH, "mtu": NUMBER},
    Team: {"load_balancing": TEXT, "active": TEXTS, "standby": TEXTS},
    VSwitch: {"name": TEXT, "mtu": NUMBER, "uplinks": TEXTS, "team": Shape(Team)},
    Policy: {"kind": TEXT, "options": TEXTS},
    PortGroup: {"name": TEXT, "vswitch": TEXT, "vlan_id": NUMBER, "policies": Shape(Policy, many=True)},
    Ipv6Address: {"address": TEXT, "prefix_length": NUMBER, "origin": TEXT, "status": TEXT},
    Vmk: {
        "name": TEXT,
        "mac": TEXT,
        "port_group": TEXT,
        "netstack": TEXT,
        "mtu": NUMBER,
        "ipv4": TEXT,
        "address": TEXT,
        "prefix_length": NUMBER,
        "dhcp_dns": TRUTH,
        "ipv6_enabled": TRUTH,
        "dhcp6": TRUTH,
        "router_advertisements": TRUTH,
        "ipv6_addresses": Shape(Ipv6Address, many=True),
        "tags": TEXTS,
        "gateway": TEXT,
    },
    RouteEntry: {"network": TEXT, "gateway": TEXT, "interface": TEXT, "source": TEXT},
    PartitionEntry: {"number": NUMBER, "first": NUMBER, "last": NUMBER, "type_guid": TEXT},
    PartitionTable: {
        "label": TEXT,
        "sectors": NUMBER,
        "sector_size": NUMBER,
        "last_usable": NUMBER,
        "partitions": Shape(PartitionEntry, many=True),
    },
    Device: {
        "name": TEXT,
        "path": TEXT,
        "size": NUMBER,
        "vendor": TEXT,
        "model": TEXT,
        "boot": TRUTH,
        "local": TRUTH,
        "ssd": TRUTH,
        "disk_guids": TEXTS,
        "table": Shape(PartitionTable, optional=True),
    },
    Extent: {"volume": TEXT, "uuid": TEXT, "number": NUMBER, "device": TEXT, "partition": NUMBER},
    FileSystem: {
        "name": TEXT,
        "uuid": TEXT,
        "mount_point": TEXT,
        "kind": TEXT,
        "mounted": TRUTH,
        "size": NUMBER,
        "free": NUMBER,
    },
    Inventory: {
        "release": Shape(InstalledRelease),
        "nics": Shape(PhysicalNic, many=True),
        "vswitches": Shape(VSwitch, many=True),
        "port_groups": Shape(PortGroup, many=True),
        "vmks": Shape(Vmk, many=True),
        "routes": Shape(RouteEntry, many=True),
        "name_servers": TEXTS,
        "search_domains": TEXTS,
        "devices": Shape(Device, many=True),
        "extents": Shape(Extent, many=True),
        "file_systems": Shape(FileSystem, many=True),
        "boot_bank_device": TEXT,
    },
}  # type: Schema


def inventory_to_json(inventory: Inventory, stamps: "Optional[Dict[str, str]]" = None) -> str:
    """The document: one JSON object with its version, keys in order, ending in a newline.

    ``disk_guids`` are the GPT disk GUIDs by MAAS's disk ids.
    """
    document = {"version": VERSION, "inventory": plain(inventory), "disk_guids": stamps or {}}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def inventory_from_json(text: "Union[bytes, str]") -> Inventory:
    """Read a document back. Raises ``FormatError`` that names every field that is missing or wrong."""
    return read_document(text)[0]


def read_document(text: "Union[bytes, str]") -> "Tuple[Inventory, Dict[str, str]]":
    """As ``inventory_from_json``, with the stamps by MAAS's disk ids; none in a document of version 1, which had no
    place for them.
    """
    document = load_json(text, "The inventory", _HINT)
    if not isinstance(document, dict):
        raise FormatError("The inventory must be a JSON object.", _HINT)
    version = document.get("version")
    if version not in (VERSION, _OLDER) or isinstance(version, bool):
        raise FormatError(
            "The inventory has the version {}; this esxforge reads versions {} and {}.".format(
                shown(version), _OLDER, VERSION
            ),
            "Use the esxforge that built the image of that host.",
        )
    if version == _OLDER:
        _upgrade(document.get("inventory"))
    inventory = check_document(
        document.get("inventory"), Shape(Inventory), "The inventory", "inventory", _HINT, _SCHEMA
    )
    assert isinstance(inventory, Inventory)  # noqa: S101  # for the type checker
    stamps = {} if version == _OLDER else document.get("disk_guids")  # type: Any
    problems = list(odd_addresses(inventory))
    if not isinstance(stamps, dict) or not all(isinstance(stamps[key], str) for key in stamps):
        problems.append("disk_guids must be an object of texts.")
    if problems:
        raise FormatError("The inventory cannot be used:\n{}".format("\n".join(problems)), _HINT)
    if inventory.release.major < 6:
        raise FormatError(
            "The inventory is of release {!r}; ESXi 6.5 to 9 can be planned.".format(inventory.release.version), _HINT
        )
    return inventory, dict(stamps)


def _upgrade(inventory: Any) -> None:
    """Make a version 1 document one of version 2, as far as it has the right shape; the rest is named by its reader."""
    for group in _dicts(inventory, "port_groups"):
        if "overrides_team" in group:
            overrides = group.pop("overrides_team") is True
            group["policies"] = [{"kind": FAILOVER, "options": []}] if overrides else []
    for vmk in _dicts(inventory, "vmks"):
        vmk.setdefault("gateway", "")
        for address in _dicts(vmk, "ipv6_addresses"):
            address.setdefault("status", "")


def _dicts(holder: Any, key: str) -> "Tuple[Dict[str, Any], ...]":
    values = holder.get(key) if isinstance(holder, dict) else None
    return tuple(one for one in values if isinstance(one, dict)) if isinstance(values, list) else ()
