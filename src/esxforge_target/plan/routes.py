"""Steps for routes and DNS."""

from ipaddress import ip_address, ip_network
from typing import List, Optional, Tuple

from esxforge_target.contract.desired_host import DesiredHost, Route
from esxforge_target.inventory.model import Inventory, RouteEntry
from esxforge_target.plan.draft import Draft, esxcli
from esxforge_target.plan.layout import EVERYTHING, MANAGEMENT_VMK, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Command, Expectation
from esxforge_target.plan.vmks import VmkPlanner, ipv4_command_of, renew_command

# Sources of routes that someone configured; others are DHCP's or a router's.
BY_HAND = ("MANUAL", "STATIC", "")


class RoutePlanner:
    """Plans routes. Those that lead through an interface whose address changes are taken away before and put back."""

    def __init__(
        self, desired: DesiredHost, layout: Layout, inventory: Inventory, draft: Draft, vmks: VmkPlanner
    ) -> None:
        self._desired = desired
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        self._kernels = vmks

    def plan_before(self) -> None:
        """Take away what an interface that changes would leave behind; called before the interfaces are planned."""
        for route in self._inventory.routes:
            key = (route.interface, ip_address(route.gateway).version)
            if key in self._kernels.disturbed and not _is_advertised(route):
                self._remove(self._kernels.disturbed[key], route)

    def _stays(self, route: RouteEntry) -> bool:
        if _is_advertised(route):
            return route.interface not in self._kernels.deaf
        return (route.interface, ip_address(route.gateway).version) not in self._kernels.disturbed

    def plan_after(self) -> None:
        """Remove what is not desired, and add what static addresses reach."""
        staying = [route for route in self._inventory.routes if self._stays(route)]
        for route in self._inventory.routes:
            if route in staying and self._is_unwanted(route):
                self._remove(MANAGEMENT if route.network in EVERYTHING.values() else COMPLETE, route)
            elif route not in staying and _is_advertised(route):
                self._remove(MANAGEMENT, route)
        have = [(route.network, route.gateway) for route in staying]
        for desired in self._layout.routes:
            if (desired.destination, desired.gateway) not in have and self._is_reached(desired):
                self._add(desired, False)

    def plan_last(self, asked: bool) -> None:
        """What needs the answers of DHCP: routes through its networks, and the default route, which goes back to the
        way to MAAS where another interface ``asked``.
        """
        have = [(route.network, route.gateway) for route in self._inventory.routes if self._stays(route)]
        for desired in self._layout.routes:
            if (desired.destination, desired.gateway) not in have and not self._is_reached(desired):
                self._add(desired, True)
        self._renew_default(asked)

    def _is_reached(self, route: Route) -> bool:
        return any(
            address.reaches(route.gateway)
            for desired_vmk in self._layout.vmks
            for address in desired_vmk.static_addresses()
        )

    def _is_unwanted(self, route: RouteEntry) -> bool:
        desired = [one.gateway for one in self._layout.routes if one.destination == route.network]
        if route.gateway in desired:
            return False
        if desired:
            return True
        # Where nothing is desired, what DHCP or a router gave is theirs; what someone configured goes.
        return route.source in BY_HAND

    def _remove(self, phase: str, route: RouteEntry) -> None:
        replaced = [self._phase(one) for one in self._layout.routes if one.destination == route.network]
        if phase == COMPLETE and MANAGEMENT in replaced:
            phase = MANAGEMENT  # there is one route to a network: this one goes before the desired one comes
        owner = self._inventory.vmk(route.interface)
        undo = ()  # type: Tuple[Command, ...]
        if route.source in BY_HAND:
            undo = (_command("add", route.network, route.gateway),)
        elif owner is not None and owner.ipv4 == "dhcp":
            undo = (ipv4_command_of(owner),)  # asking again brings the lease's route back
        self._draft.add(
            phase,
            _command("remove", route.network, route.gateway),
            "remove the route to {} by {}".format(route.network, route.gateway),
            undo,
            may_fail=_is_advertised(route),  # it may have gone with the listening
        )

    def _add(self, route: Route, may_fail: bool) -> None:
        self._draft.add(
            self._phase(route),
            _command("add", route.destination, route.gateway),
            "route to {} by {}".format(route.destination, route.gateway),
            (_command("remove", route.destination, route.gateway),),
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
        """The last DHCP answer gives the default route: where several interfaces ask, vmk0 asks last."""
        management = [desired_vmk for desired_vmk in self._layout.vmks if desired_vmk.management]
        others = [
            desired_vmk
            for desired_vmk in self._layout.vmks
            if not desired_vmk.management and desired_vmk.ipv4 == "dhcp"
        ]
        if not self._layout.default_by_dhcp or not management or management[0].ipv4 != "dhcp" or not others:
            return
        owners = [one.interface for one in self._inventory.routes if one.network == EVERYTHING[4]]
        if asked or (owners and owners != [MANAGEMENT_VMK]):
            self._draft.add(
                COMPLETE,
                renew_command(MANAGEMENT_VMK, management[0]),
                "{} asks DHCP again, so that the default route is the way to MAAS".format(MANAGEMENT_VMK),
                (),
                (Expectation("route", EVERYTHING[4], (("interfaces", "is", [MANAGEMENT_VMK]),)),),
            )


def _is_advertised(route: RouteEntry) -> bool:
    """Whether a router gave the route; those come and go with the listening, not with an address."""
    return ip_address(route.gateway).version == 6 and route.source not in BY_HAND


def _command(verb: str, network: str, gateway: str) -> Command:
    version = "ipv{}".format(ip_address(gateway).version)
    name = "default" if network in EVERYTHING.values() else network
    return esxcli("network", "ip", "route", version, verb, "-n", name, "-g", gateway)


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
        draft.add(
            COMPLETE,
            esxcli("network", "ip", "dns", "server", "remove", "--all"),
            "remove the name servers {}".format(", ".join(inventory.name_servers) or "of DHCP"),
            tuple(_server("add", server) for server in inventory.name_servers),
        )
    for server in desired[len(keep) :]:
        draft.add(
            COMPLETE,
            _server("add", server),
            "name server {}".format(server),
            (_server("remove", server),),
            (Expectation("host", "", (("name_servers", "has", server),)),),
        )


def _plan_domains(desired: Tuple[str, ...], found: Tuple[str, ...], uncertain: bool, draft: Draft) -> None:
    keep = found if not uncertain and desired[: len(found)] == found else ()  # type: Tuple[str, ...]
    for domain in found[len(keep) :]:
        draft.add(
            COMPLETE,
            _domain("remove", domain),
            "remove the search domain {}".format(domain),
            (_domain("add", domain),),
            may_fail=True,  # DHCP's may be gone by then
        )
    for domain in desired[len(keep) :]:
        draft.add(
            COMPLETE,
            _domain("add", domain),
            "search domain {}".format(domain),
            (_domain("remove", domain),),
            (Expectation("host", "", (("search_domains", "has", domain),)),),
        )


def _server(verb: str, server: str) -> Command:
    return esxcli("network", "ip", "dns", "server", verb, "-s", server)


def _domain(verb: str, domain: str) -> Command:
    return esxcli("network", "ip", "dns", "search", verb, "-d", domain)
