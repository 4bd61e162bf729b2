"""Steps for routes and DNS."""

from ipaddress import ip_address, ip_network
from typing import Optional, Tuple

from esxforge_target.contract.desired_host import DesiredHost, Route
from esxforge_target.inventory.model import Inventory, RouteEntry, Vmk
from esxforge_target.plan.commands import BY_HAND, EVERYTHING, Command, esxcli, route_command
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import MANAGEMENT_VMK, DesiredVmk, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, Expectation, Step
from esxforge_target.plan.vmks import VmkPlanner
from esxforge_target.plan.working import has_lease


class RoutePlanner:
    """Plans routes. Those that somebody set through an interface whose address changes are removed before and put
    back; those of a lease go with it, and are only removed if they would be in the way of a desired one.
    """

    def __init__(
        self, desired: DesiredHost, layout: Layout, inventory: Inventory, draft: Draft, vmks: VmkPlanner
    ) -> None:
        self._desired = desired
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        self._kernels = vmks

    def plan_before(self) -> None:
        """Remove what an interface that changes could leave behind; called before the interfaces are planned."""
        for route in self._inventory.routes:
            key = (route.interface, ip_address(route.gateway).version)
            if key in self._kernels.disturbed and route.source in BY_HAND:
                self._remove(self._kernels.disturbed[key], route, False)

    def _stays(self, route: RouteEntry) -> bool:
        if _is_advertised(route):
            return route.interface not in self._kernels.deaf
        if is_leftover(route, self._inventory):
            return False
        return (route.interface, ip_address(route.gateway).version) not in self._kernels.disturbed

    def plan_after(self) -> None:
        """Remove what is not desired, and add what static addresses reach."""
        for route in self._inventory.routes:
            replaced = [one for one in self._layout.routes if one.destination == route.network]
            same = [one for one in replaced if self._is_same(route, one)]
            if route.source in BY_HAND:
                if self._stays(route) and not same:
                    self._remove(MANAGEMENT if route.network in EVERYTHING.values() else COMPLETE, route, False)
            elif (replaced and not same) or (self._may_be_left(route) and not self._stays(route)):
                # It may have gone with its lease, or with the listening, and need not be there any more.
                self._remove(self._phase(replaced[0]) if replaced else self._phase_of_default(route), route, True)
        for desired in self._layout.routes:
            if self._is_missing(desired) and self._is_reached(desired):
                self._add(desired, self._lease_may_come_first(desired))

    def _phase_of_default(self, route: RouteEntry) -> str:
        """Return when an undesired default route goes: with management's address, but not before its lease has one."""
        return COMPLETE if is_leftover(route, self._inventory) and self._asking()[1] == COMPLETE else MANAGEMENT

    def _asking(self) -> "Tuple[Optional[DesiredVmk], str]":
        """Return the interface whose lease is to bring the default route, and when it is requested."""
        asking = [one for one in self._layout.vmks if one.ipv4 == "dhcp"]
        management = [one for one in asking if one.management]
        return (management + asking + [None])[0], MANAGEMENT if management else COMPLETE

    def _may_be_left(self, route: RouteEntry) -> bool:
        """Return whether a route may stay without its source."""
        return _is_advertised(route) or is_leftover(route, self._inventory)

    def plan_last(self, asked: bool) -> None:
        """Plan what needs DHCP's answers: routes through its networks, and the default route, which goes back to the
        way to MAAS if another interface ``asked``.
        """
        for desired in self._layout.routes:
            if self._is_missing(desired) and not self._is_reached(desired):
                self._add(desired, True)
        self._renew_default(asked)

    def _is_missing(self, desired: Route) -> bool:
        return not any(self._is_same(route, desired) and self._stays(route) for route in self._inventory.routes)

    def _is_same(self, route: RouteEntry, desired: Route) -> bool:
        """Return whether a route is the desired one, and its interface has an address to use it: one that heard the
        same router, and no longer listens, could hold it, too.
        """
        if (route.network, route.gateway) != (desired.destination, desired.gateway):
            return False
        vmk = self._inventory.vmk(route.interface)
        return vmk is None or not self._is_reached(desired) or _has_address_for(vmk, route.gateway)

    def _lease_may_come_first(self, route: Route) -> bool:
        """Return whether an answer of DHCP may bring this route before: planning again then takes that one away."""
        return route.destination == EVERYTHING[4] and any(one.ipv4 == "dhcp" for one in self._layout.vmks)

    def _is_reached(self, route: Route) -> bool:
        return any(
            address.reaches(route.gateway)
            for desired_vmk in self._layout.vmks
            for address in desired_vmk.static_addresses()
        )

    def _remove(self, phase: str, route: RouteEntry, may_fail: bool) -> None:
        replaced = [self._phase(one) for one in self._layout.routes if one.destination == route.network]
        if phase == COMPLETE and MANAGEMENT in replaced:
            phase = MANAGEMENT  # there is one route to a network: this one goes before the desired one comes
        self._draft.add(
            phase,
            route_command("remove", route.network, route.gateway),
            "remove the route to {} by {}".format(route.network, route.gateway),
            (Expectation("route", route.network, (("gateways", "lacks", route.gateway),)),),
            may_fail=may_fail,
        )

    def _add(self, route: Route, may_fail: bool) -> None:
        self._draft.add(
            self._phase(route),
            route_command("add", route.destination, route.gateway),
            "route to {} by {}".format(route.destination, route.gateway),
            (Expectation("route", route.destination, (("gateways", "is", [route.gateway]),)),),
            may_fail=may_fail,  # the lease may come later; planning again adds it then
        )

    def _phase(self, route: Route) -> str:
        """With the management address where MAAS may be reached by it; else once every interface is there."""
        towards = ip_network(route.destination)
        to_maas = any(
            ip_address(one).version == towards.version and ip_address(one) in towards
            for one in self._desired.maas.addresses
        )
        by_management = any(
            address.reaches(route.gateway)
            for desired_vmk in self._layout.vmks
            if desired_vmk.management
            for address in desired_vmk.static_addresses()
        )
        return MANAGEMENT if by_management and (to_maas or route.destination in EVERYTHING.values()) else COMPLETE

    def _renew_default(self, asked: bool) -> None:
        """The last DHCP answer gives the default route: where several interfaces ask, vmk0 asks last. Where its lease
        brings no router, the default route is another one's.
        """
        owner, phase = self._asking()
        if self._layout.default_by_dhcp and owner is not None and lacks_leased_default(self._layout, self._inventory):
            name = self._kernels.names[owner.port_group]
            self._draft.renew(phase, name, owner.dhcp_dns, "so that there is a default route")
            return
        management = [desired_vmk for desired_vmk in self._layout.vmks if desired_vmk.management]
        others = [
            desired_vmk
            for desired_vmk in self._layout.vmks
            if not desired_vmk.management and desired_vmk.ipv4 == "dhcp"
        ]
        if not self._layout.default_by_dhcp or not management or management[0].ipv4 != "dhcp" or not others:
            return
        vmk = self._inventory.vmk(MANAGEMENT_VMK)
        if asked or (vmk is not None and has_anothers_default(self._inventory, vmk)):
            self._draft.renew(
                COMPLETE, MANAGEMENT_VMK, management[0].dhcp_dns, "so that the default route leads to MAAS"
            )


def _has_address_for(vmk: Vmk, gateway: str) -> bool:
    cidrs = ["{}/{}".format(one.address, one.prefix_length) for one in vmk.ipv6_addresses]
    cidrs += ["{}/{}".format(vmk.address, vmk.prefix_length)] if vmk.address else []
    networks = [ip_network(cidr, strict=False) for cidr in cidrs]
    return any(one.version == ip_address(gateway).version and ip_address(gateway) in one for one in networks)


def is_leftover(route: RouteEntry, inventory: Inventory) -> bool:
    """Return whether a lease brought the route, but its interface no longer uses DHCP.

    Such a route goes at the next boot, or never.
    """
    vmk = inventory.vmk(route.interface)
    return route.source == "DHCP" and vmk is not None and vmk.ipv4 != "dhcp"


def obstacle(step: Step, now: Inventory) -> Optional[RouteEntry]:
    """A lease's or a router's route to the network to which ``step`` failed to add another one.

    No plan can know of it: it came by an answer to an interface that asked before it was told not to.
    """
    verb = step.command[5:6]
    adds = step.command[1:4] == ("network", "ip", "route") and verb == ("add",)
    for one in step.expects if adds else ():
        gateways = [value for field, _, value in one.facts if field == "gateways"]
        for route in now.routes:
            if route.network == one.name and [route.gateway] not in gateways and route.source not in BY_HAND:
                return route
    return None


def lease_router(vmk: Vmk) -> str:
    """The router that an interface's lease brings; empty where it brings none, or ESXi does not say."""
    on_its_network = (
        vmk.ipv4 == "dhcp"
        and vmk.address
        and vmk.gateway
        and ip_address(vmk.gateway) in ip_network("{}/{}".format(vmk.address, vmk.prefix_length), strict=False)
    )
    return vmk.gateway if on_its_network else ""


def lacks_leased_default(layout: Layout, inventory: Inventory) -> bool:
    """Return whether a present lease brings a router, but there is no default route of a lease.

    The route of an interface that no longer uses DHCP may have been in its way.
    """
    defaults = [one for one in inventory.routes if one.network == EVERYTHING[4]]
    if [one for one in defaults if not is_leftover(one, inventory)]:
        return False
    asking = [one.port_group for one in layout.vmks if one.ipv4 == "dhcp"]
    leased = [vmk for vmk in inventory.vmks if vmk.port_group in asking and vmk.ipv4 == "dhcp" and vmk.address]
    return any(lease_router(vmk) for vmk in leased) or bool(defaults and leased)


def has_anothers_default(inventory: Inventory, vmk: Vmk) -> bool:
    """Return whether the default route is of another lease than that of ``vmk``, though that brings a router, too."""
    owners = [one.interface for one in inventory.routes if one.network == EVERYTHING[4]]
    return bool(owners) and owners != [vmk.name] and bool(lease_router(vmk))


def shows_lease_router(inventory: Inventory) -> bool:
    """Return whether this ESXi shows the router that a lease brings: not every release may."""
    return any(lease_router(vmk) for vmk in inventory.vmks)


def rivals_for_default(layout: Layout, inventory: Inventory) -> Tuple[Vmk, ...]:
    """Return the interfaces that use DHCP beside management, where one of their leases holds the default route though
    management's brings a router, or may bring one.
    """
    management = inventory.vmk(MANAGEMENT_VMK)
    by_dhcp = any(one.management and one.ipv4 == "dhcp" for one in layout.vmks)
    if not layout.default_by_dhcp or not by_dhcp or management is None or not has_lease(management):
        return ()
    owners = [one.interface for one in inventory.routes if one.network == EVERYTHING[4] and one.source not in BY_HAND]
    if not owners or management.name in owners or (shows_lease_router(inventory) and not lease_router(management)):
        return ()
    asking = [one.port_group for one in layout.vmks if one.ipv4 == "dhcp" and not one.management]
    return tuple(vmk for vmk in inventory.vmks if vmk.ipv4 == "dhcp" and vmk.port_group in asking)


def _is_advertised(route: RouteEntry) -> bool:
    """Return whether a router gave the route; those come and go with the listening, not with an address."""
    return ip_address(route.gateway).version == 6 and route.source not in BY_HAND


def plan_dns(desired: DesiredHost, inventory: Inventory, draft: Draft, vmks: VmkPlanner) -> None:
    """Steps for name servers and search domains. Where MAAS names none, those found stay."""
    # What DHCP gave goes when the interface no longer asks; no one knows what stays.
    uncertain = any(vmk.dhcp_dns and (vmk.name, 4) in vmks.disturbed for vmk in inventory.vmks)
    if desired.name_servers:
        _plan_servers(desired.name_servers, None if uncertain else inventory.name_servers, inventory, draft)
    if desired.search_domains:
        _plan_domains(desired.search_domains, inventory.search_domains, uncertain, draft)


def _plan_servers(
    desired: Tuple[str, ...], found: Optional[Tuple[str, ...]], inventory: Inventory, draft: Draft
) -> None:
    if found == desired:
        return
    keep = ()  # type: Tuple[str, ...]
    if found is not None and desired[: len(found)] == found:
        keep = found
    elif found is None or found:
        others = [server for server in inventory.name_servers if server not in desired]
        draft.add(
            COMPLETE,
            esxcli("network", "ip", "dns", "server", "remove", "--all"),
            "remove the name servers {}".format(", ".join(inventory.name_servers) or "of DHCP"),
            (Expectation("host", "", tuple(("name_servers", "lacks", server) for server in others)),),
        )
    for server in desired[len(keep) :]:
        draft.add(
            COMPLETE,
            esxcli("network", "ip", "dns", "server", "add", "-s", server),
            "name server {}".format(server),
            (Expectation("host", "", (("name_servers", "has", server),)),),
        )


def _plan_domains(desired: Tuple[str, ...], found: Tuple[str, ...], uncertain: bool, draft: Draft) -> None:
    keep = found if not uncertain and desired[: len(found)] == found else ()  # type: Tuple[str, ...]
    for domain in found[len(keep) :]:
        draft.add(
            COMPLETE,
            _domain("remove", domain),
            "remove the search domain {}".format(domain),
            (Expectation("host", "", (("search_domains", "lacks", domain),)),),
            may_fail=True,  # DHCP's may be gone by then
        )
    for domain in desired[len(keep) :]:
        draft.add(
            COMPLETE,
            _domain("add", domain),
            "search domain {}".format(domain),
            (Expectation("host", "", (("search_domains", "has", domain),)),),
        )


def _domain(verb: str, domain: str) -> Command:
    return esxcli("network", "ip", "dns", "search", verb, "-d", domain)
