"""The desired host as a JSON document: the hook writes it, the agent reads it. No secret is in it."""

from esxforge_target.contract.coherence import contradictions
from esxforge_target.contract.desired_host import (
    BOND,
    DHCP4,
    DHCP6,
    NIC,
    STATIC,
    VLAN,
    Address,
    Datastore,
    DesiredHost,
    Disk,
    Interface,
    Partition,
    Route,
)
from esxforge_target.contract.document import HINT, read_document, write_document
from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.contract.errors import ContractError
from esxforge_target.runtime.documents import (
    LARGEST_SIZE,
    MAYBE_NUMBER,
    MAYBE_TRUTH,
    MOST_ELEMENTS,
    TEXT,
    TEXTS,
    TRUTH,
    Schema,
    Shape,
)

_MAYBE_SIZE = Shape(int, optional=True, low=0, high=LARGEST_SIZE)
_SCHEMA = {
    Address: {
        "kind": Shape(str, choices=(STATIC, DHCP4, DHCP6)),
        "address": TEXT,
        "prefix_length": Shape(int, low=0, high=128),
        "gateway": TEXT,
        "alias": Shape(int, low=0, high=MOST_ELEMENTS),
    },
    Interface: {
        "name": TEXT,
        "kind": Shape(str, choices=(NIC, BOND, VLAN)),
        "mac": TEXT,
        "mtu": MAYBE_NUMBER,
        "members": TEXTS,
        "bond_mode": TEXT,
        "primary": TEXT,
        "link": TEXT,
        "vlan_id": Shape(int, low=0, high=4094),
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
    Partition: {
        "id": TEXT,
        "disk": TEXT,
        "number": Shape(int, low=1, high=128),
        "size": _MAYBE_SIZE,
        "offset": _MAYBE_SIZE,
    },
    Datastore: {"name": TEXT, "partitions": TEXTS},
    Endpoint: {
        "secure": TRUTH,
        "host": TEXT,
        "port": Shape(int, low=1, high=65535),
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
    desired = read_document(text, DesiredHost, _SCHEMA, "desired.json")
    odd = contradictions(desired)
    if odd:
        raise ContractError("desired.json contradicts itself: {}".format(" ".join(odd)), HINT)
    return desired
