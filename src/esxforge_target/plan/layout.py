"""The desired host in ESXi's terms: vSwitches, port groups, VMkernel interfaces. A pure function of what is desired
and of which MAC address is which vmnic.
"""

from ipaddress import ip_network
from typing import Dict, List, Optional, Tuple

from esxforge_target.contract.bond_modes import DEFAULT, bond_mode
from esxforge_target.contract.desired_host import (
    BOND,
    DHCP4,
    DHCP6,
    NIC,
    STATIC,
    VLAN,
    Address,
    DesiredHost,
    Interface,
    Route,
)
from esxforge_target.contract.management import Management, base_of, management_of, nics_of
from esxforge_target.inventory.model import Inventory, Team
from esxforge_target.inventory.network import MANAGEMENT_PORT_GROUP
from esxforge_target.plan.commands import DEFAULT_MTU, EVERYTHING
from esxforge_target.runtime.values import Value

MANAGEMENT_SWITCH = "vSwitch0"
MANAGEMENT_VMK = "vmk0"


class DesiredVSwitch(Value):
    """A desired vSwitch; ``base`` is the NIC or bond of MAAS that it represents."""

    __slots__ = ("name", "base", "mtu", "uplinks", "team")

    def __init__(self, name: str, base: str, mtu: int, uplinks: Tuple[str, ...], team: Team) -> None:
        self.name = name
        self.base = base
        self.mtu = mtu
        self.uplinks = tuple(uplinks)
        self.team = team


class DesiredPortGroup(Value):
    """A desired port group; ``for_vms`` where no VMkernel interface is on it."""

    __slots__ = ("name", "vswitch", "vlan_id", "for_vms")

    def __init__(self, name: str, vswitch: str, vlan_id: int, for_vms: bool) -> None:
        self.name = name
        self.vswitch = vswitch
        self.vlan_id = vlan_id
        self.for_vms = for_vms


class DesiredVmk(Value):
    """A desired VMkernel interface. ``address`` is None without IPv4; ``router_advertisements`` None: as it is
    found."""

    __slots__ = (
        "port_group",
        "interface",
        "management",
        "mac",
        "mtu",
        "address",
        "dhcp_dns",
        "ipv6",
        "dhcp6",
        "router_advertisements",
    )

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        port_group: str,
        interface: str,
        management: bool,
        mac: str,
        mtu: int,
        address: Optional[Address],
        dhcp_dns: bool,
        ipv6: Tuple[Address, ...],
        dhcp6: bool,
        router_advertisements: Optional[bool],
    ) -> None:
        self.port_group = port_group
        self.interface = interface
        self.management = management
        self.mac = mac
        self.mtu = mtu
        self.address = address
        self.dhcp_dns = dhcp_dns
        self.ipv6 = tuple(ipv6)
        self.dhcp6 = dhcp6
        self.router_advertisements = router_advertisements

    @property
    def ipv4(self) -> str:
        """static, dhcp or none."""
        if self.address is None:
            return "none"
        return "static" if self.address.kind == STATIC else "dhcp"

    def static_addresses(self) -> Tuple[Address, ...]:
        """The addresses that no server gives."""
        ipv4 = (self.address,) if self.address is not None and self.address.kind == STATIC else ()
        return ipv4 + self.ipv6

    @property
    def needs_ipv6(self) -> bool:
        """Return whether IPv6 must be on."""
        return bool(self.ipv6) or self.dhcp6 or self.router_advertisements is True


class Layout(Value):
    """All of the desired network. ``default_by_dhcp``: a DHCP server gives the IPv4 default route."""

    __slots__ = ("vswitches", "port_groups", "vmks", "routes", "default_by_dhcp", "notices", "errors")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        vswitches: Tuple[DesiredVSwitch, ...],
        port_groups: Tuple[DesiredPortGroup, ...],
        vmks: Tuple[DesiredVmk, ...],
        routes: Tuple[Route, ...],
        default_by_dhcp: bool,
        notices: Tuple[str, ...],
        errors: Tuple[str, ...],
    ) -> None:
        self.vswitches = tuple(vswitches)
        self.port_groups = tuple(port_groups)
        self.vmks = tuple(vmks)
        self.routes = tuple(routes)
        self.default_by_dhcp = default_by_dhcp
        self.notices = tuple(notices)
        self.errors = tuple(errors)


def layout_of(desired: DesiredHost, inventory: Inventory) -> Layout:
    """Return the desired network; NICs that the host does not have are rejected."""
    management = management_of(desired)
    if management is None:
        return Layout((), (), (), (), False, (), ("network: no interface has an address.",))
    work = _Work(desired, inventory, management)
    work.add_switches()
    for interface in work.in_order:
        work.add_interface(interface)
    routes, notices = _routes(desired, management, inventory)
    return Layout(
        tuple(work.vswitches),
        tuple(work.port_groups),
        tuple(work.vmks),
        routes,
        _is_dhcp_default(work.vmks, routes),
        tuple(work.notices + notices),
        tuple(work.errors),
    )


class _Work:
    def __init__(self, desired: DesiredHost, inventory: Inventory, management: Management) -> None:
        self.desired = desired
        self.management = management
        self.vmnics = {nic.mac: nic.name for nic in inventory.nics}  # type: Dict[str, str]
        first = base_of(desired, management.interface).name
        # Management first, everything else as MAAS lists it.
        self.in_order = sorted(
            desired.interfaces,
            key=lambda one: (base_of(desired, one).name != first, one.name != management.interface.name),
        )
        self.vswitches = []  # type: List[DesiredVSwitch]
        self.port_groups = []  # type: List[DesiredPortGroup]
        self.vmks = []  # type: List[DesiredVmk]
        self.notices = []  # type: List[str]
        self.errors = []  # type: List[str]
        self._switch_of = {}  # type: Dict[str, str]
        self._static_ipv6_default = any(
            route.destination == EVERYTHING[6] for route in _routes(desired, management, inventory)[0]
        )

    def add_switches(self) -> None:
        members = {name for one in self.desired.interfaces for name in one.members}
        for interface in self.in_order:
            base = base_of(self.desired, interface)
            if base.name in self._switch_of or base.name in members:
                continue
            if not self._carries_something(base):
                self.notices.append("network {}: {}".format(base.name, self._free(base)))
                continue
            name = "vSwitch{}".format(len(self.vswitches))
            self._switch_of[base.name] = name
            uplinks = self._uplinks(base)
            mtu = base.mtu or DEFAULT_MTU
            self.vswitches.append(DesiredVSwitch(name, base.name, mtu, uplinks, _team(base, uplinks)))

    def _free(self, nic: Interface) -> str:
        if nic.mac in self.vmnics:
            return "it is left alone; {} is free.".format(self.vmnics[nic.mac])
        return "ESXi has no driver for the NIC with the MAC address {}, which nothing uses.".format(nic.mac)

    def _carries_something(self, base: Interface) -> bool:
        if base.kind == BOND or base.addresses:
            return True
        return any(one.link == base.name for one in self.desired.interfaces)

    def _uplinks(self, base: Interface) -> Tuple[str, ...]:
        nics = nics_of(self.desired, base)
        mode = bond_mode(base.bond_mode)
        if mode is None or not mode.one_active:
            nics = tuple(self.desired.interface(name) for name in base.members) or nics
        for nic in nics:
            if nic.mac not in self.vmnics:
                self.errors.append(
                    "network {}: no ESXi driver for the NIC with the MAC address {}; add its driver to the image, or "
                    "take the NIC out of use in MAAS.".format(nic.name, nic.mac)
                )
        return tuple(self.vmnics[nic.mac] for nic in nics if nic.mac in self.vmnics)

    def add_interface(self, interface: Interface) -> None:
        base = base_of(self.desired, interface)
        if base.name not in self._switch_of:
            return
        desired_vswitch = self._switch_of[base.name]
        if not interface.addresses:
            if interface.kind in (BOND, VLAN):
                self.port_groups.append(DesiredPortGroup(interface.name, desired_vswitch, interface.vlan_id, True))
                self.notices.append(
                    "network {}: it has no address on the host; the port group {} is for virtual machines.".format(
                        interface.name, interface.name
                    )
                )
            return
        for desired_vmk in self._kernels(interface, base):
            self.port_groups.append(DesiredPortGroup(desired_vmk.port_group, desired_vswitch, interface.vlan_id, False))
            self.vmks.append(desired_vmk)

    def _kernels(self, interface: Interface, base: Interface) -> List[DesiredVmk]:
        ipv4 = [address for address in interface.addresses if address.version == 4]
        ipv6 = tuple(one for one in interface.addresses if one.version == 6 and one.kind == STATIC)
        dhcp6 = any(one.kind == DHCP6 for one in interface.addresses)
        router_advertisements = self._router_advertisements(interface, dhcp6)
        mac = interface.mac if interface.kind in (NIC, BOND) and interface.mac in self.vmnics else ""
        if interface.mac and not mac and interface.kind == BOND:
            self.notices.append(
                "network {}: the MAC address {} is no NIC's; its VMkernel interface gets one of VMware's.".format(
                    interface.name, interface.mac
                )
            )
        mtu = interface.mtu or base.mtu or DEFAULT_MTU
        is_management = interface.name == self.management.interface.name
        vmks = []
        choices = list(ipv4) or [None]  # type: List[Optional[Address]]
        for index, address in enumerate(choices):
            chosen = is_management and (address == self.management.address or (not index and self._by_ipv6()))
            name = interface.name
            if index and address is not None:
                name = "{}:{}".format(interface.name, address.alias)
            vmks.append(
                DesiredVmk(
                    MANAGEMENT_PORT_GROUP if chosen else name,
                    interface.name,
                    chosen,
                    mac if index == 0 else "",
                    mtu,
                    address,
                    False,
                    ipv6 if index == 0 else (),
                    dhcp6 and index == 0,
                    router_advertisements if index == 0 or router_advertisements is False else None,
                )
            )
        return self._with_dns(sorted(vmks, key=lambda one: not one.management))

    def _router_advertisements(self, interface: Interface, dhcp6: bool) -> Optional[bool]:
        """Return whether routers are heard: a DHCPv6 server names none. They would replace a static default route."""
        if self._static_ipv6_default:
            if interface.router_advertisements:
                self.notices.append(
                    "network {}: router advertisements are ignored, because the IPv6 gateway is static.".format(
                        interface.name
                    )
                )
            return False
        return (
            interface.router_advertisements
            if interface.router_advertisements is not None
            else (True if dhcp6 else None)
        )

    def _by_ipv6(self) -> bool:
        return self.management.address.version == 6

    def _with_dns(self, vmks: List[DesiredVmk]) -> List[DesiredVmk]:
        """DNS by DHCP comes from one interface, the first that uses DHCP, and only where MAAS names no server."""
        if self.desired.name_servers:
            return vmks
        taken = any(desired_vmk.dhcp_dns for desired_vmk in self.vmks)
        named = []
        for desired_vmk in vmks:
            if desired_vmk.ipv4 == "dhcp" and not taken:
                taken = True
                named.append(desired_vmk.replace(dhcp_dns=True))
            else:
                named.append(desired_vmk)
        return named


def _team(base: Interface, uplinks: Tuple[str, ...]) -> Team:
    mode = bond_mode(base.bond_mode or DEFAULT)
    assert mode is not None  # noqa: S101  # other modes are refused when the configuration is read
    if mode.one_active:
        return Team(mode.load_balancing, uplinks[:1], uplinks[1:])
    return Team(mode.load_balancing, uplinks, ())


def _is_beside(management: Management, gateway: str) -> bool:
    """Whether the management interface is on the gateway's network."""
    return any(one.reaches(gateway) for one in management.interface.addresses if one.address)


def _routes(desired: DesiredHost, management: Management, inventory: Inventory) -> Tuple[Tuple[Route, ...], List[str]]:
    """All routes; of several default gateways that of management stays, else the first.

    A gateway that MAAS names wins over any lease: MAAS names one only for the interface that it takes for the default.
    """
    notices = []
    own = _own_networks(desired, inventory)
    others = []
    for route in desired.routes:
        if route.destination in own:
            notices.append(
                "network route to {}: the host is on that network itself, so the gateway {} is not used.".format(
                    route.destination, route.gateway
                )
            )
        elif route.destination not in EVERYTHING.values():
            others.append(route)
    defaults = []
    for version in (4, 6):
        candidates = [
            (interface.name, address.gateway)
            for interface in sorted(desired.interfaces, key=lambda one: one.name != management.interface.name)
            for address in interface.addresses
            if address.gateway and address.version == version
        ]
        candidates += [("routes", one.gateway) for one in desired.routes if one.destination == EVERYTHING[version]]
        candidates.sort(key=lambda one: not _is_beside(management, one[1]))
        if candidates:
            defaults.append(Route(EVERYTHING[version], candidates[0][1]))
        for name, gateway in candidates:
            if gateway != candidates[0][1]:
                notices.append(
                    "network {}: ESXi has one default route, and it is by {}; the gateway {} is not used.".format(
                        name, candidates[0][1], gateway
                    )
                )
    return tuple(defaults + others), notices


def _own_networks(desired: DesiredHost, inventory: Inventory) -> List[str]:
    """The networks that the host is on: of static addresses, and of leases as far as they are known."""
    addresses = [one for interface in desired.interfaces for one in interface.addresses]
    networks = [str(ip_network(one.cidr, strict=False)) for one in addresses if one.kind == STATIC]
    if any(one.kind == DHCP4 for one in addresses):
        networks += [
            str(ip_network("{}/{}".format(vmk.address, vmk.prefix_length), strict=False))
            for vmk in inventory.vmks
            if vmk.ipv4 == "dhcp" and vmk.address
        ]
    return networks


def _is_dhcp_default(vmks: List[DesiredVmk], routes: Tuple[Route, ...]) -> bool:
    named = any(route.destination == EVERYTHING[4] for route in routes)
    return not named and any(desired_vmk.ipv4 == "dhcp" for desired_vmk in vmks)
