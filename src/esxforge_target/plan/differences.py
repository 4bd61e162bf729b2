"""The judge: what of the wanted host an inventory does not show. Independent of the steps that lead there."""

from typing import Dict, List, Tuple

from esxforge_target.inventory.model import DEFAULT_NETSTACK, Inventory, Vmk
from esxforge_target.plan.layout import EVERYTHING, MANAGEMENT_VMK, Kernel, Layout, layout_of
from esxforge_target.plan.storage import boot_device
from esxforge_target.wanted.model import WantedHost


def differences(wanted: WantedHost, inventory: Inventory) -> List[str]:
    """A sentence for each difference; none when the host is exactly the wanted one."""
    return network_differences(wanted, inventory) + storage_differences(wanted, inventory)


def network_differences(wanted: WantedHost, inventory: Inventory) -> List[str]:
    """The differences of the network alone."""
    layout = layout_of(wanted, inventory)
    found = list(layout.refusals)
    found += _switches(layout, inventory)
    found += _groups(layout, inventory)
    found += _kernels(layout, inventory)
    found += _routes(layout, inventory)
    if wanted.name_servers and inventory.name_servers != wanted.name_servers:
        found.append("The name servers are {}, not {}.".format(inventory.name_servers, wanted.name_servers))
    if wanted.search_domains and inventory.search_domains != wanted.search_domains:
        found.append("The search domains are {}, not {}.".format(inventory.search_domains, wanted.search_domains))
    return found


def _switches(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    for switch in layout.switches:
        vswitch = inventory.vswitch(switch.name)
        if vswitch is None:
            found.append("{} is missing.".format(switch.name))
            continue
        if vswitch.mtu != switch.mtu:
            found.append("{} has the MTU {}, not {}.".format(switch.name, vswitch.mtu, switch.mtu))
        if sorted(vswitch.uplinks) != sorted(switch.uplinks):
            found.append("{} has the uplinks {}, not {}.".format(switch.name, vswitch.uplinks, switch.uplinks))
        if vswitch.team.load_balancing != switch.team.load_balancing:
            found.append(
                "{} balances by {}, not {}.".format(
                    switch.name, vswitch.team.load_balancing, switch.team.load_balancing
                )
            )
        explicit = switch.team.load_balancing == "explicit"
        orders = [
            (vswitch.team.active, switch.team.active),
            (vswitch.team.standby, switch.team.standby),
        ]  # type: List[Tuple[Tuple[str, ...], Tuple[str, ...]]]
        if any(has != should if explicit else sorted(has) != sorted(should) for has, should in orders):
            found.append("{} uses its uplinks as {}, not {}.".format(switch.name, vswitch.team, switch.team))
    return found


def _groups(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    carrying = [vmk.port_group for vmk in inventory.vmks]
    for group in layout.groups:
        has = inventory.port_group(group.name)
        if has is None or has.vswitch != group.switch:
            found.append("The port group {} is not on {}.".format(group.name, group.switch))
        elif has.vlan_id != group.vlan_id:
            found.append("The port group {} has VLAN {}, not {}.".format(group.name, has.vlan_id, group.vlan_id))
        elif has.overrides_team:
            found.append("The port group {} does not follow its vSwitch's team.".format(group.name))
        if group.for_vms and group.name in carrying:
            found.append("The port group {} is for virtual machines, but carries the host.".format(group.name))
    return found


def _kernels(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    by_group = {}  # type: Dict[str, Vmk]
    for vmk in inventory.vmks:
        if vmk.netstack != DEFAULT_NETSTACK:
            continue
        if vmk.port_group in by_group or vmk.port_group not in [kernel.group for kernel in layout.kernels]:
            found.append("{} on {} is not wanted.".format(vmk.name, vmk.port_group))
        by_group.setdefault(vmk.port_group, vmk)
    macs = [vmk.mac for vmk in inventory.vmks]
    twice = sorted({mac for mac in macs if macs.count(mac) > 1})
    found += ["Two VMkernel interfaces have the MAC {}.".format(mac) for mac in twice]
    for kernel in layout.kernels:
        if kernel.group not in by_group:
            found.append("{} has no VMkernel interface.".format(kernel.group))
        else:
            found += _kernel(kernel, by_group[kernel.group])
            if not kernel.management and kernel.mac and kernel.mac not in macs:
                found.append("{} does not have the MAC {}.".format(kernel.group, kernel.mac))
    return found


def _kernel(kernel: Kernel, vmk: Vmk) -> List[str]:
    found = []
    if (vmk.name == MANAGEMENT_VMK) != kernel.management:
        found.append("{} is on {}.".format(vmk.name, kernel.group))
    if kernel.management and "Management" not in vmk.tags:
        found.append("{} does not carry management traffic.".format(vmk.name))
    if vmk.mtu != kernel.mtu:
        found.append("{} has the MTU {}, not {}.".format(vmk.name, vmk.mtu, kernel.mtu))
    has = "{} {}".format(vmk.ipv4, "{}/{}".format(vmk.address, vmk.prefix_length) if vmk.ipv4 == "static" else "")
    cidr = kernel.address.cidr if kernel.address is not None else ""
    should = "{} {}".format(kernel.ipv4, cidr if kernel.ipv4 == "static" else "")
    if has != should:
        found.append("{} has IPv4 {}, not {}.".format(vmk.name, has.strip(), should.strip()))
    if kernel.ipv4 == "dhcp" and vmk.dhcp_dns != kernel.dhcp_dns:
        found.append("{} takes DNS from DHCP: {}.".format(vmk.name, vmk.dhcp_dns))
    ipv6 = sorted("{}/{}".format(one.address, one.prefix_length) for one in vmk.ipv6_addresses if one.is_static)
    if ipv6 != sorted(address.cidr for address in kernel.ipv6):
        found.append("{} has the IPv6 addresses {}.".format(vmk.name, ipv6))
    if kernel.needs_ipv6 and not vmk.ipv6_enabled:
        found.append("{} has no IPv6.".format(vmk.name))
    if vmk.dhcp6 != kernel.dhcp6:
        found.append("{} asks DHCPv6: {}.".format(vmk.name, vmk.dhcp6))
    if kernel.advertisements is not None and vmk.router_advertisements != kernel.advertisements:
        found.append("{} heeds router advertisements: {}.".format(vmk.name, vmk.router_advertisements))
    return found


def _routes(layout: Layout, inventory: Inventory) -> List[str]:
    found = []
    wanted = {}  # type: Dict[str, str]
    for route in layout.routes:
        wanted[route.destination] = route.gateway
        has = [one.gateway for one in inventory.routes if one.network == route.destination]
        if has != [route.gateway]:
            found.append("The route to {} is by {}, not {}.".format(route.destination, has or "nothing", route.gateway))
    found += [
        "The route to {} by {} is not wanted.".format(entry.network, entry.gateway)
        for entry in inventory.routes
        if entry.source in ("MANUAL", "STATIC", "") and entry.network not in wanted
    ]
    by_management = any(kernel.management and kernel.ipv4 == "dhcp" for kernel in layout.kernels)
    owners = [one.interface for one in inventory.routes if one.network == EVERYTHING[4]]
    if layout.default_by_dhcp and by_management and owners and owners != [MANAGEMENT_VMK]:
        found.append("The default route leads through {}, not {}.".format(", ".join(owners), MANAGEMENT_VMK))
    return found


def storage_differences(wanted: WantedHost, inventory: Inventory) -> List[str]:
    """The differences of the storage alone."""
    found = []
    boot, doubt = boot_device(inventory)
    for datastore in wanted.datastores:
        has = sorted((one for one in inventory.extents if one.volume == datastore.name), key=lambda one: one.number)
        if not has:
            found.append("The datastore {} is missing.".format(datastore.name))
            continue
        devices = []
        for partition_id in datastore.partitions:
            disk = wanted.disk(wanted.partition(partition_id).disk)
            if disk.boot:
                devices.append(boot.name if boot is not None else doubt)
                continue
            stamped = [one.name for one in inventory.devices if disk.stamp and disk.stamp.lower() in one.stamps]
            number = wanted.partition(partition_id).number
            devices.append("{}:{}".format(stamped[0] if len(stamped) == 1 else "?", number))
        lies = [
            one.device if boot is not None and one.device == boot.name else "{}:{}".format(one.device, one.partition)
            for one in has
        ]
        if lies != devices:
            found.append("The datastore {} lies on {}, not {}.".format(datastore.name, lies, devices))
    return found
