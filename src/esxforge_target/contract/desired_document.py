"""The desired host as a JSON document: the hook writes it, the agent reads it. No secret is in it."""

import json

from esxforge_target.contract.desired_host import (
    Address,
    Datastore,
    DesiredHost,
    Disk,
    Interface,
    Maas,
    Partition,
    Route,
)
from esxforge_target.runtime.documents import (
    MAYBE_NUMBER,
    MAYBE_TRUTH,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Builder,
    Schema,
    Shape,
    plain,
)
from esxforge_target.runtime.errors import FormatError

VERSION = 1
_HINT = "The host module was made by another version of esxforge, or is damaged: build the image anew."
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
    Maas: {
        "endpoint": TEXT,
        "metadata": TEXT,
        "host": TEXT,
        "port": NUMBER,
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
        "maas": Shape(Maas),
        "hostname": TEXT,
        "boot_mac": TEXT,
        "notices": TEXTS,
    },
}  # type: Schema


def desired_host_to_json(desired: DesiredHost) -> str:
    """The document: one JSON object with its version, keys in order, ending in a newline."""
    return json.dumps({"version": VERSION, "desired": plain(desired)}, indent=1, sort_keys=True) + "\n"


def desired_host_from_json(text: str) -> DesiredHost:
    """Read a document back. Raises ``FormatError`` for another version or a damaged one."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise FormatError("The desired host is no JSON: {}.".format(error), _HINT)
    except RecursionError:
        raise FormatError("The desired host is nested too deeply.", _HINT)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise FormatError("The desired host is not a document of version {}.".format(VERSION), _HINT)
    builder = Builder(_SCHEMA)
    desired = builder.build(DesiredHost, document.get("desired"), "desired")
    if builder.problems:
        raise FormatError("The desired host is damaged: {}".format(" ".join(builder.problems)), _HINT)
    assert isinstance(desired, DesiredHost)  # noqa: S101  # for the type checker
    return desired
