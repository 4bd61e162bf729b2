"""Reads a host's inventory in one pass, with as few processes as esxcli allows: each start costs about a second."""

from ipaddress import ip_address
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from esxforge_target.esxi.esxcli import CommandError, Esxcli, single
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.model import InstalledRelease, Inventory, RouteEntry
from esxforge_target.inventory.network import (
    check_network,
    read_name_servers,
    read_nics,
    read_port_groups,
    read_routes,
    read_search_domains,
    read_vmks,
    read_vswitches,
)
from esxforge_target.inventory.storage import (
    read_boot_bank_device,
    read_devices,
    read_extents,
    read_file_systems,
    read_table,
)
from esxforge_target.runtime.commands import Runner

# All of an inventory's network: what changes any of it is one of these.
WHOLE_NETWORK = (("esxcli", "network", "vswitch", "standard"), ("esxcli", "network", "ip", "interface"))


def read(
    runner: Runner,
    devices: Optional[DeviceDirectory] = None,
    desired_stamps: Iterable[str] = (),
    program: str = "esxcli",
) -> Inventory:
    """Return the complete inventory.

    ``devices`` is the directory of disks (None: ESXi's own); partition tables are read of the boot disk and of disks
    that carry one of ``desired_stamps``; ``program`` is ``localcli`` where hostd is not up. Raises ``CommandError``
    where the host does not answer, or not all that a plan and its undo need.
    """
    esxcli = Esxcli(runner, program)
    name_servers, search_domains = read_name_servers(esxcli), read_search_domains(esxcli)
    stamps = (devices or DeviceDirectory()).stamps()
    boot_bank_device = read_boot_bank_device(runner)
    inventory = Inventory(
        read_release(esxcli),
        read_nics(esxcli),
        read_vswitches(esxcli),
        read_port_groups(esxcli),
        read_vmks(esxcli),
        read_routes(esxcli),
        name_servers,
        search_domains,
        read_devices(runner, esxcli, stamps, desired_stamps, boot_bank_device),
        read_extents(esxcli),
        read_file_systems(esxcli),
        boot_bank_device,
    )
    check_network(inventory)
    return inventory


def reread_network(
    runner: Runner,
    before: Inventory,
    commands: Iterable[Tuple[str, ...]],
    program: str = "esxcli",
    outdated: bool = False,
) -> Inventory:
    """``before`` with those parts of its network read anew that ``commands`` may have changed, for verifying them.

    An interface's change may change routes and DNS too (leases); NICs stay as they are. ``outdated``: other parts of
    ``before`` have changed as well, so that they may contradict what is read. Raises as ``read``.
    """
    esxcli = Esxcli(runner, program)
    namespaces = {
        command[1:length] for command in commands if command[:2] == ("esxcli", "network") for length in (4, 5)
    }
    after = before
    if ("network", "vswitch", "standard") in namespaces:
        after = after.replace(vswitches=read_vswitches(esxcli), port_groups=read_port_groups(esxcli))
    interfaces = ("network", "ip", "interface") in namespaces
    if interfaces:
        after = after.replace(vmks=read_vmks(esxcli))
    routes = ()  # type: Tuple[RouteEntry, ...]
    for version in (4, 6):
        if interfaces or ("network", "ip", "route", "ipv{}".format(version)) in namespaces:
            routes += read_routes(esxcli, (version,))
        else:
            routes += tuple(route for route in before.routes if ip_address(route.gateway).version == version)
    after = after.replace(routes=routes)
    if interfaces or ("network", "ip", "dns", "server") in namespaces:
        after = after.replace(name_servers=read_name_servers(esxcli))
    if interfaces or ("network", "ip", "dns", "search") in namespaces:
        after = after.replace(search_domains=read_search_domains(esxcli))
    if not outdated:
        check_network(after)
    return after


def reread_what_answers(runner: Runner, before: Inventory, program: str = "esxcli") -> Inventory:
    """``before`` with each part of its network read anew that can be read; for rolling back what can be rolled back."""
    esxcli = Esxcli(runner, program)

    def answered(question: "Callable[[], Dict[str, Any]]") -> "Dict[str, Any]":
        try:
            return question()
        except CommandError:
            return {}

    after = before.replace(**answered(lambda: {"vswitches": read_vswitches(esxcli)}))
    after = after.replace(**answered(lambda: {"port_groups": read_port_groups(esxcli)}))
    after = after.replace(**answered(lambda: {"vmks": read_vmks(esxcli)}))
    after = after.replace(**answered(lambda: {"routes": read_routes(esxcli)}))
    after = after.replace(**answered(lambda: {"name_servers": read_name_servers(esxcli)}))
    return after.replace(**answered(lambda: {"search_domains": read_search_domains(esxcli)}))


def reread_to_verify(
    runner: Runner, before: Inventory, port_groups: Iterable[str], vmks: Iterable[str], program: str = "esxcli"
) -> Inventory:
    """Return ``before`` with its NICs, whose links come and go, and its network read again. Raises as ``read``.

    Policies are read of these ``port_groups`` alone, and tags of these ``vmks``: those of others serve to put back what
    was found, which has a reading of its own. Nor are security policies of a group that was made since ``before``.
    """
    esxcli = Esxcli(runner, program)
    judged = list(port_groups)
    after = before.replace(
        nics=read_nics(esxcli),
        vswitches=read_vswitches(esxcli),
        port_groups=read_port_groups(
            esxcli, judged, [group.name for group in before.port_groups if group.name in judged]
        ),
        vmks=read_vmks(esxcli, list(vmks)),
        routes=read_routes(esxcli),
        name_servers=read_name_servers(esxcli),
        search_domains=read_search_domains(esxcli),
    )
    check_network(after)
    return after


def reread_storage(runner: Runner, before: Inventory, program: str = "esxcli") -> Inventory:
    """``before`` with datastores, file systems and the known partition tables read anew; disks stay as they are."""
    esxcli = Esxcli(runner, program)
    devices = [
        device.replace(table=read_table(runner, device, device.boot or device.name == before.boot_bank_device))
        if device.table is not None
        else device
        for device in before.devices
    ]
    return before.replace(devices=tuple(devices), extents=read_extents(esxcli), file_systems=read_file_systems(esxcli))


def read_release(esxcli: Esxcli) -> InstalledRelease:
    """The release. Raises ``CommandError`` where the answer names none."""
    record = single(esxcli.records("system version get"), "esxcli system version get")
    version = record.name("version")
    if not version[:1].isdigit():
        raise record.unreadable("version", "is no version: {!r}".format(version[:60]))
    return InstalledRelease(version, record.optional("build").rpartition("-")[2])
