"""The inventory of an ESXi host: its model, its reading in one pass, its JSON document."""

from esxforge_target.inventory.document import from_json, to_json
from esxforge_target.inventory.model import (
    Device,
    Extent,
    FileSystem,
    Inventory,
    Ipv6Address,
    PartitionEntry,
    PartitionTable,
    PhysicalNic,
    PortGroup,
    Release,
    RouteEntry,
    Team,
    Vmk,
    VSwitch,
)
from esxforge_target.inventory.read import read, reread_network, reread_storage
from esxforge_target.inventory.stamps import DeviceFolder

__all__ = [
    "Device",
    "DeviceFolder",
    "Extent",
    "FileSystem",
    "Inventory",
    "Ipv6Address",
    "PartitionEntry",
    "PartitionTable",
    "PhysicalNic",
    "PortGroup",
    "Release",
    "RouteEntry",
    "Team",
    "VSwitch",
    "Vmk",
    "from_json",
    "read",
    "reread_network",
    "reread_storage",
    "to_json",
]
