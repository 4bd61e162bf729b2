"""The judge: what of the desired host an inventory does not show. Independent of the steps that lead there."""

from typing import Dict, List, Tuple

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.inventory.model import DEFAULT_NETSTACK, Inventory, Vmk
from esxforge_target.plan.commands import BY_HAND, EVERYTHING
from esxforge_target.plan.layout import MANAGEMENT_VMK, DesiredVmk, Layout, layout_of
from esxforge_target.plan.routes import has_anothers_default, is_leftover, lacks_leased_default
from esxforge_target.plan.storage import boot_device
from esxforge_target.plan.vmks import has_foreign_mac


def differences(desired: DesiredHost, inventory: Inventory) -> List[str]:
    """A sentence for each difference; none when the host is exactly the desired one."""
    return network_differences(desired, inventory) + storage_differences(desired, inventory)


def network_differences(desired: DesiredHost, inventory: Inventory) -> List[str]:
    """The differences of the network alone."""
    layout = layout_of(desired, inventory)
    found = list(layout.errors)
    found += _switches(layout, inventory)
    found += _groups(layout, inventory)
    found += _kernels(layout, inventory)
    found += _routes(layout, inventory)
    if desired.name_servers and inventory.name_servers != desired.name_servers:
        found.append("The name servers are {}, not {}.".format(inventory.name_servers, desired.name_servers))
    if desired.search_domains and inventory.search_domains != desired.search_domains:
        found.append("The search domains are {}, not {}.".format(inventory.search_domains, desired.search_domains))
    return found


def _switches(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    for desired_vswitch in layout.vswitches:
        vswitch = inventory.vswitch(desired_vswitch.name)
        if vswitch is None:
            found.append("{} is missing.".format(desired_vswitch.name))
            continue
        if vswitch.mtu != desired_vswitch.mtu:
            found.append("{} has the MTU {}, not {}.".format(desired_vswitch.name, vswitch.mtu, desired_vswitch.mtu))
        if sorted(vswitch.uplinks) != sorted(desired_vswitch.uplinks):
            found.append(
                "{} has the uplinks {}, not {}.".format(desired_vswitch.name, vswitch.uplinks, desired_vswitch.uplinks)
            )
        if vswitch.team.load_balancing != desired_vswitch.team.load_balancing:
            found.append(
                "{} balances by {}, not {}.".format(
                    desired_vswitch.name, vswitch.team.load_balancing, desired_vswitch.team.load_balancing
                )
            )
        explicit = desired_vswitch.team.load_balancing == "explicit"
        orders = [
            (vswitch.team.active, desired_vswitch.team.active),
            (vswitch.team.standby, desired_vswitch.team.standby),
        ]  # type: List[Tuple[Tuple[str, ...], Tuple[str, ...]]]
        if any(has != should if explicit else sorted(has) != sorted(should) for has, should in orders):
            found.append(
                "{} uses its uplinks as {}, not {}.".format(desired_vswitch.name, vswitch.team, desired_vswitch.team)
            )
    return found


def _groups(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    carrying = [vmk.port_group for vmk in inventory.vmks]
    for port_group in layout.port_groups:
        has = inventory.port_group(port_group.name)
        if has is None or has.vswitch != port_group.vswitch:
            found.append("The port group {} is not on {}.".format(port_group.name, port_group.vswitch))
        elif has.vlan_id != port_group.vlan_id:
            found.append(
                "The port group {} has VLAN {}, not {}.".format(port_group.name, has.vlan_id, port_group.vlan_id)
            )
        elif has.overrides_team:
            found.append("The port group {} does not follow its vSwitch's team.".format(port_group.name))
        if port_group.for_vms and port_group.name in carrying:
            found.append("The port group {} is for virtual machines, but carries the host.".format(port_group.name))
    return found


def _kernels(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    by_group = {}  # type: Dict[str, Vmk]
    for vmk in inventory.vmks:
        if vmk.netstack != DEFAULT_NETSTACK:
            continue
        if vmk.port_group in by_group or vmk.port_group not in [desired_vmk.port_group for desired_vmk in layout.vmks]:
            found.append("{} on {} is not desired.".format(vmk.name, vmk.port_group))
        by_group.setdefault(vmk.port_group, vmk)
    macs = [vmk.mac for vmk in inventory.vmks]
    twice = sorted({mac for mac in macs if macs.count(mac) > 1})
    found += ["Two VMkernel interfaces have the MAC {}.".format(mac) for mac in twice]
    found += [
        "{} has the MAC {}, which is none of this host's NICs.".format(vmk.name, vmk.mac)
        for vmk in inventory.vmks
        if vmk.name == MANAGEMENT_VMK and has_foreign_mac(vmk, inventory)
    ]
    for desired_vmk in layout.vmks:
        if desired_vmk.port_group not in by_group:
            found.append("{} has no VMkernel interface.".format(desired_vmk.port_group))
        else:
            found += _vmk(desired_vmk, by_group[desired_vmk.port_group])
            if not desired_vmk.management and desired_vmk.mac and desired_vmk.mac not in macs:
                found.append("{} does not have the MAC {}.".format(desired_vmk.port_group, desired_vmk.mac))
    return found


def _vmk(desired_vmk: DesiredVmk, vmk: Vmk) -> List[str]:
    found = []
    if (vmk.name == MANAGEMENT_VMK) != desired_vmk.management:
        found.append("{} is on {}.".format(vmk.name, desired_vmk.port_group))
    if desired_vmk.management and "Management" not in vmk.tags:
        found.append("{} does not carry management traffic.".format(vmk.name))
    if vmk.mtu != desired_vmk.mtu:
        found.append("{} has the MTU {}, not {}.".format(vmk.name, vmk.mtu, desired_vmk.mtu))
    has = "{} {}".format(vmk.ipv4, "{}/{}".format(vmk.address, vmk.prefix_length) if vmk.ipv4 == "static" else "")
    cidr = desired_vmk.address.cidr if desired_vmk.address is not None else ""
    should = "{} {}".format(desired_vmk.ipv4, cidr if desired_vmk.ipv4 == "static" else "")
    if has != should:
        found.append("{} has IPv4 {}, not {}.".format(vmk.name, has.strip(), should.strip()))
    if desired_vmk.ipv4 == "dhcp" and vmk.dhcp_dns != desired_vmk.dhcp_dns:
        found.append("{} takes DNS from DHCP: {}.".format(vmk.name, vmk.dhcp_dns))
    ipv6 = sorted("{}/{}".format(one.address, one.prefix_length) for one in vmk.ipv6_addresses if one.is_static)
    if ipv6 != sorted(address.cidr for address in desired_vmk.ipv6):
        found.append("{} has the IPv6 addresses {}.".format(vmk.name, ipv6))
    if desired_vmk.needs_ipv6 and not vmk.ipv6_enabled:
        found.append("{} has no IPv6.".format(vmk.name))
    if vmk.dhcp6 != desired_vmk.dhcp6:
        found.append("{} uses DHCPv6: {}.".format(vmk.name, vmk.dhcp6))
    if desired_vmk.router_advertisements is not None and vmk.router_advertisements != desired_vmk.router_advertisements:
        found.append("{} accepts router advertisements: {}.".format(vmk.name, vmk.router_advertisements))
    return found


def _routes(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    desired = {}  # type: Dict[str, str]
    for route in layout.routes:
        desired[route.destination] = route.gateway
        has = [one.gateway for one in inventory.routes if one.network == route.destination]
        if has != [route.gateway]:
            found.append("The route to {} is by {}, not {}.".format(route.destination, has or "nothing", route.gateway))
    found += [
        "The route to {} by {} is not desired.".format(entry.network, entry.gateway)
        for entry in inventory.routes
        if entry.source in BY_HAND and entry.network not in desired
    ]
    found += [
        "The route to {} by {} is left of a lease that {} has no more.".format(one.network, one.gateway, one.interface)
        for one in inventory.routes
        if is_leftover(one, inventory)
    ]
    if layout.default_by_dhcp and lacks_leased_default(layout, inventory):
        found.append("There is no default route, though a lease brings one.")
    by_management = any(desired_vmk.management and desired_vmk.ipv4 == "dhcp" for desired_vmk in layout.vmks)
    vmk = inventory.vmk(MANAGEMENT_VMK)
    if layout.default_by_dhcp and by_management and vmk is not None and has_anothers_default(inventory, vmk):
        owners = [one.interface for one in inventory.routes if one.network == EVERYTHING[4]]
        found.append("The default route leads through {}, not {}.".format(", ".join(owners), MANAGEMENT_VMK))
    return found


def storage_differences(desired: DesiredHost, inventory: Inventory) -> List[str]:
    """The differences of the storage alone."""
    found = []
    boot, doubt = boot_device(inventory)
    for datastore in desired.datastores:
        has = sorted((one for one in inventory.extents if one.volume == datastore.name), key=lambda one: one.number)
        if not has:
            found.append("The datastore {} is missing.".format(datastore.name))
            continue
        devices = []
        for partition_id in datastore.partitions:
            disk = desired.disk(desired.partition(partition_id).disk)
            if disk.boot:
                devices.append(boot.name if boot is not None else doubt)
                continue
            stamped = [
                one.name for one in inventory.devices if disk.disk_guid and disk.disk_guid.lower() in one.disk_guids
            ]
            number = desired.partition(partition_id).number
            devices.append("{}:{}".format(stamped[0] if len(stamped) == 1 else "?", number))
        lies = [
            one.device if boot is not None and one.device == boot.name else "{}:{}".format(one.device, one.partition)
            for one in has
        ]
        if lies != devices:
            found.append("The datastore {} lies on {}, not {}.".format(datastore.name, lies, devices))
    return found
