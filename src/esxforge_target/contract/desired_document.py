"""The desired host as a JSON document: the hook writes it, the agent reads it. No secret is in it."""

from esxforge_target.contract.desired_host import (
    Address,
    Datastore,
    DesiredHost,
    Disk,
    Interface,
    Partition,
    Route,
)
from esxforge_target.contract.document import read_document, write_document
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.runtime.documents import (
    MAYBE_NUMBER,
    MAYBE_TRUTH,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Schema,
    Shape,
)

_SCHEMA = {
    Address: {"kind": TEXT, "address": TEXT, "prefix_length": NUMBER, "gateway": TEXT, "alias": NUMBER},
    Interface: {
        "name": TEXT,
        "kind": TEXT,
        "mac": TEXT,
        "mtu": MAYBE_NUMBER,
        "members": TEXTS,
        "bond_mode": TEXT,
        "primary": TEXT,
        "link": TEXT,
        "vlan_id": NUMBER,
        "addresses": Shape(Address, many=True),
        "router_advertisements": MAYBE_TRUTH,
    },
    Route: {"destination": TEXT, "gateway": TEXT},
    Disk: {
        "id": TEXT,
        "name": TEXT,
        "model": TEXT,
        "serial": TEXT,
        "wwn": TEXT,
        "path": TEXT,
        "boot": TRUTH,
        "disk_guid": TEXT,
    },
    Partition: {"id": TEXT, "disk": TEXT, "number": NUMBER, "size": MAYBE_NUMBER, "offset": MAYBE_NUMBER},
    Datastore: {"name": TEXT, "partitions": TEXTS},
    Endpoint: {
        "secure": TRUTH,
        "host": TEXT,
        "port": NUMBER,
        "base": TEXT,
        "system_id": TEXT,
        "addresses": TEXTS,
    },
    DesiredHost: {
        "interfaces": Shape(Interface, many=True),
        "routes": Shape(Route, many=True),
        "name_servers": TEXTS,
        "search_domains": TEXTS,
        "disks": Shape(Disk, many=True),
        "partitions": Shape(Partition, many=True),
        "datastores": Shape(Datastore, many=True),
        "maas": Shape(Endpoint),
        "hostname": TEXT,
        "boot_mac": TEXT,
        "notices": TEXTS,
    },
}  # type: Schema


def desired_host_to_json(desired: DesiredHost) -> str:
    """The document."""
    return write_document(desired)


def desired_host_from_json(text: str) -> DesiredHost:
    """Raises ContractError."""
    return read_document(text, DesiredHost, _SCHEMA, "desired.json")
