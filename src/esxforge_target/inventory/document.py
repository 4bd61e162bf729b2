"""The inventory as one JSON document: /bootbank/esxforge.inv, which ``esxforge plan --inventory`` reads."""

import json
from typing import Union

from esxforge_target.inventory.addresses import odd_addresses
from esxforge_target.inventory.model import (
    Device,
    Extent,
    FileSystem,
    InstalledRelease,
    Inventory,
    Ipv6Address,
    PartitionEntry,
    PartitionTable,
    PhysicalNic,
    PortGroup,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.runtime.documents import NUMBER, TEXT, TEXTS, TRUTH, Schema, Shape, check_document, plain, shown
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.strict_json import load_json

VERSION = 1
_HINT = "Take the whole file /bootbank/esxforge.inv of a host, one JSON object."
_SCHEMA = {
    InstalledRelease: {"version": TEXT, "build": TEXT},
    PhysicalNic: {"name": TEXT, "mac": TEXT, "driver": TEXT, "link_up": TRUTH, "mtu": NUMBER},
    Team: {"load_balancing": TEXT, "active": TEXTS, "standby": TEXTS},
    VSwitch: {"name": TEXT, "mtu": NUMBER, "uplinks": TEXTS, "team": Shape(Team)},
    PortGroup: {"name": TEXT, "vswitch": TEXT, "vlan_id": NUMBER, "overrides_team": TRUTH},
    Ipv6Address: {"address": TEXT, "prefix_length": NUMBER, "origin": TEXT},
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


def inventory_to_json(inventory: Inventory) -> str:
    """The document: one JSON object with its version, keys in order, ending in a newline."""
    return json.dumps({"version": VERSION, "inventory": plain(inventory)}, indent=1, sort_keys=True) + "\n"


def inventory_from_json(text: "Union[bytes, str]") -> Inventory:
    """Read a document back. Raises ``FormatError`` that names every field that is missing or wrong."""
    document = load_json(text, "The inventory", _HINT)
    if not isinstance(document, dict):
        raise FormatError("The inventory must be a JSON object.", _HINT)
    if document.get("version") != VERSION:
        raise FormatError(
            "The inventory has the version {}; this esxforge reads version {}.".format(
                shown(document.get("version")), VERSION
            ),
            "Use the esxforge that built the image of that host.",
        )
    inventory = check_document(
        document.get("inventory"), Shape(Inventory), "The inventory", "inventory", _HINT, _SCHEMA
    )
    assert isinstance(inventory, Inventory)  # noqa: S101  # for the type checker
    problems = odd_addresses(inventory)
    if problems:
        raise FormatError("The inventory cannot be used:\n{}".format("\n".join(problems)), _HINT)
    if inventory.release.major < 6:
        raise FormatError(
            "The inventory is of release {!r}; ESXi 6.5 to 9 can be planned.".format(inventory.release.version), _HINT
        )
    return inventory
