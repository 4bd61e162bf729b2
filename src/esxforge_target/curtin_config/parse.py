"""curtin's configuration, as MAAS renders it, becomes the desired host."""

from typing import Any, Optional

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.management import management_of, no_way_to_maas
from esxforge_target.contract.token import Token
from esxforge_target.curtin_config.network import NetworkSection, read_network
from esxforge_target.curtin_config.network_checks import check_network, leave_unneeded, resolve_references
from esxforge_target.curtin_config.reader import TOP, Item
from esxforge_target.curtin_config.reporting import read_endpoint, read_token
from esxforge_target.curtin_config.storage import StorageSection, read_storage
from esxforge_target.curtin_config.storage_checks import check_storage
from esxforge_target.runtime.validation_errors import Problems, shown


def desired_host_from_config(config: Any, boot_mac: str = "") -> DesiredHost:
    """The desired host of a configuration (the dictionary that stands in its JSON or YAML).

    ``boot_mac`` is the MAC address in the kernel's ``BOOTIF``, where it is known. Raises ``ValidationErrors`` with
    every reason at once: what is missing or malformed, what contradicts itself, and what ESXi cannot do.
    """
    reasons = Problems()
    if not isinstance(config, dict):
        reasons.refuse("configuration", "it must be a mapping with network and storage, not {}.".format(shown(config)))
        reasons.raise_if_any()
    top = Item(config, TOP, reasons)
    network_item, storage_item, maas = _section(top, "network"), _section(top, "storage"), read_endpoint(top)
    network = read_network(network_item) if network_item is not None else NetworkSection()
    storage = read_storage(storage_item) if storage_item is not None else StorageSection()
    resolve_references(network, reasons)
    check_network(network, reasons)
    leave_unneeded(network, reasons)
    if storage_item is not None:
        check_storage(storage, reasons)
    reasons.raise_if_any()
    assert maas is not None  # noqa: S101  # it would be a reason
    desired = DesiredHost(
        tuple(network.interfaces),
        tuple(network.routes),
        tuple(network.name_servers),
        tuple(network.search_domains),
        tuple(storage.disks),
        tuple(storage.partitions),
        tuple(storage.datastores),
        maas,
        "",
        boot_mac.lower().replace("-", ":"),
    )
    if management_of(desired) is None:
        reasons.refuse(
            "network", "no interface has an address or DHCP, so the host could not be reached; give it one in MAAS."
        )
    elif no_way_to_maas(desired):
        reasons.refuse("network", no_way_to_maas(desired))
    reasons.raise_if_any()
    return desired.replace(notices=tuple(reasons.notices))


def token_from_config(config: Any) -> Token:
    """The secret token of a configuration. Raises ``ValidationErrors`` where a part of it is missing."""
    reasons = Problems()
    token = read_token(Item(config if isinstance(config, dict) else {}, TOP, reasons))
    reasons.raise_if_any()
    assert token is not None  # noqa: S101  # it would be a reason
    return token


def _section(top: Item, name: str) -> Optional[Item]:
    if name not in top.values:
        top.reasons.refuse(name, "the section is missing; this is not a complete configuration from MAAS.")
    elif top.values[name] is None:
        top.reasons.refuse(name, "the section is empty.")
    return top.item(name)
