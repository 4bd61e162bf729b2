"""curtin's configuration, as MAAS renders it, becomes the wanted host."""

from typing import Any, Optional

from esxforge_target.wanted.maas import MaasToken, read_maas, read_token
from esxforge_target.wanted.management import management_of
from esxforge_target.wanted.model import WantedHost
from esxforge_target.wanted.network import NetworkSection, read_network
from esxforge_target.wanted.network_checks import check_network, resolve_references
from esxforge_target.wanted.reader import TOP, Item
from esxforge_target.wanted.refusals import Reasons, shown
from esxforge_target.wanted.storage import StorageSection, read_storage
from esxforge_target.wanted.storage_checks import check_storage


def wanted_from_config(config: Any, boot_mac: str = "") -> WantedHost:
    """The wanted host of a configuration (the dictionary that stands in its JSON or YAML).

    ``boot_mac`` is the MAC address in the kernel's ``BOOTIF``, where it is known. Raises ``Refusals`` with every
    reason at once: what is missing or malformed, what contradicts itself, and what ESXi cannot do.
    """
    reasons = Reasons()
    if not isinstance(config, dict):
        reasons.refuse("configuration", "it must be a mapping with network and storage, not {}.".format(shown(config)))
        reasons.raise_if_any()
    top = Item(config, TOP, reasons)
    network_item, storage_item, maas = _section(top, "network"), _section(top, "storage"), read_maas(top)
    network = read_network(network_item) if network_item is not None else NetworkSection()
    storage = read_storage(storage_item) if storage_item is not None else StorageSection()
    resolve_references(network, reasons)
    check_network(network, reasons)
    if storage_item is not None:
        check_storage(storage, reasons)
    reasons.raise_if_any()
    assert maas is not None  # noqa: S101  # it would be a reason
    wanted = WantedHost(
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
    if management_of(wanted) is None:
        reasons.refuse(
            "network", "no interface has an address or DHCP, so the host could not be reached; give it one in MAAS."
        )
    reasons.raise_if_any()
    return wanted.replace(notices=tuple(reasons.notices))


def token_from_config(config: Any) -> MaasToken:
    """The secret token of a configuration. Raises ``Refusals`` where a part of it is missing."""
    reasons = Reasons()
    token = read_token(Item(config if isinstance(config, dict) else {}, TOP, reasons))
    reasons.raise_if_any()
    assert token is not None  # noqa: S101  # it would be a reason
    return token


def _section(top: Item, name: str) -> Optional[Item]:
    if name not in top.values:
        top.reasons.refuse(name, "the section is missing; this is not a whole configuration of MAAS.")
    elif top.values[name] is None:
        top.reasons.refuse(name, "the section is empty.")
    return top.item(name)
