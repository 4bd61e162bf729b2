"""Steps for routes and DNS."""

from ipaddress import ip_address, ip_network
from typing import List, Optional, Tuple

from esxforge_target.inventory.model import Inventory, RouteEntry
from esxforge_target.plan.draft import Draft, esxcli
from esxforge_target.plan.kernels import KernelPlanner, renew_command
from esxforge_target.plan.layout import EVERYTHING, MANAGEMENT_VMK, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Command, Expectation
from esxforge_target.wanted.model import Route, WantedHost


class RoutePlanner:
    """Plans routes. Those that lead through an interface whose address changes are taken away before and put back."""

    def __init__(
        self, wanted: WantedHost, layout: Layout, inventory: Inventory, draft: Draft, kernels: KernelPlanner
    ) -> None:
        self._wanted = wanted
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        self._kernels = kernels

    def plan_before(self) -> None:
        """Take away what an interface that changes would leave behind; called before the interfaces are planned."""
        for route in self._inventory.routes:
            if route.interface in self._kernels.disturbed:
                self._remove(self._kernels.disturbed[route.interface], route)

    def plan_after(self) -> None:
        """Remove what is not wanted, add what is missing, and give the default route back to the way to MAAS."""
        staying = [one for one in self._inventory.routes if one.interface not in self._kernels.disturbed]
        for route in staying:
            if self._is_unwanted(route):
                self._remove(MANAGEMENT if route.network in EVERYTHING.values() else COMPLETE, route)
        have = [(route.network, route.gateway) for route in staying]
        for wanted in self._layout.routes:
            if (wanted.destination, wanted.gateway) not in have:
                self._add(wanted)
        self._renew_default()

    def _is_unwanted(self, route: RouteEntry) -> bool:
        wanted = [one.gateway for one in self._layout.routes if one.destination == route.network]
        if route.gateway in wanted:
            return False
        if wanted:
            return True
        # Where nothing is wanted, what DHCP or a router gave is theirs; what someone configured goes.
        return route.source in ("MANUAL", "STATIC", "")

    def _remove(self, phase: str, route: RouteEntry) -> None:
        by_hand = route.source in ("MANUAL", "STATIC", "")
        self._draft.add(
            phase,
            _command("remove", route.network, route.gateway),
            "remove the route to {} by {}".format(route.network, route.gateway),
            (_command("add", route.network, route.gateway),) if by_hand else (),
        )

    def _add(self, route: Route) -> None:
        self._draft.add(
            self._phase(route),
            _command("add", route.destination, route.gateway),
            "route to {} by {}".format(route.destination, route.gateway),
            (_command("remove", route.destination, route.gateway),),
            (Expectation("route", route.destination, (("gateways", "is", [route.gateway]),)),),
        )

    def _phase(self, route: Route) -> str:
        """With the management address where MAAS may be reached by it; else once every interface is there."""
        towards = ip_network(route.destination)
        to_maas = any(
            ip_address(one).version == towards.version and ip_address(one) in towards
            for one in self._wanted.maas.addresses
        )
        by_management = any(
            address.reaches(route.gateway)
            for kernel in self._layout.kernels
            if kernel.management
            for address in kernel.static_addresses()
        )
        return MANAGEMENT if by_management and (to_maas or route.destination in EVERYTHING.values()) else COMPLETE

    def _renew_default(self) -> None:
        """The last DHCP answer gives the default route: where several interfaces ask, vmk0 asks last."""
        management = [kernel for kernel in self._layout.kernels if kernel.management]
        others = [kernel for kernel in self._layout.kernels if not kernel.management and kernel.ipv4 == "dhcp"]
        if not self._layout.default_by_dhcp or not management or management[0].ipv4 != "dhcp" or not others:
            return
        owners = [one.interface for one in self._inventory.routes if one.network == EVERYTHING[4]]
        if self._kernels.dhcp_changed or (owners and owners != [MANAGEMENT_VMK]):
            self._draft.add(
                COMPLETE,
                renew_command(MANAGEMENT_VMK, management[0]),
                "{} asks DHCP again, so that the default route is the way to MAAS".format(MANAGEMENT_VMK),
                (),
                (Expectation("route", EVERYTHING[4], (("interfaces", "is", [MANAGEMENT_VMK]),)),),
            )


def _command(verb: str, network: str, gateway: str) -> Command:
    version = "ipv{}".format(ip_address(gateway).version)
    name = "default" if network in EVERYTHING.values() else network
    return esxcli("network", "ip", "route", version, verb, "-n", name, "-g", gateway)


def plan_dns(wanted: WantedHost, layout: Layout, inventory: Inventory, draft: Draft, kernels: KernelPlanner) -> None:
    """Steps for name servers and search domains. Where MAAS names none, those found stay."""
    if wanted.name_servers:
        _plan_servers(wanted.name_servers, _found_servers(layout, inventory, kernels), inventory, draft)
    if wanted.search_domains:
        _plan_domains(wanted.search_domains, inventory.search_domains, draft)


def _found_servers(layout: Layout, inventory: Inventory, kernels: KernelPlanner) -> Optional[Tuple[str, ...]]:
    """The name servers that will be there then; None where DHCP's go away and no one knows what stays."""
    for vmk in inventory.vmks:
        if vmk.dhcp_dns and vmk.name in kernels.disturbed:
            return None
    return inventory.name_servers


def _plan_servers(
    wanted: Tuple[str, ...], found: Optional[Tuple[str, ...]], inventory: Inventory, draft: Draft
) -> None:
    if found == wanted:
        return
    keep = ()  # type: Tuple[str, ...]
    if found is not None and wanted[: len(found)] == found:
        keep = found
    elif found is None or found:
        draft.add(
            COMPLETE,
            esxcli("network", "ip", "dns", "server", "remove", "--all"),
            "remove the name servers {}".format(", ".join(inventory.name_servers) or "of DHCP"),
            tuple(_server("add", server) for server in inventory.name_servers),
        )
    for server in wanted[len(keep) :]:
        draft.add(
            COMPLETE,
            _server("add", server),
            "name server {}".format(server),
            (_server("remove", server),),
            (Expectation("host", "", (("name_servers", "has", server),)),),
        )


def _plan_domains(wanted: Tuple[str, ...], found: Tuple[str, ...], draft: Draft) -> None:
    keep = found if wanted[: len(found)] == found else ()  # type: Tuple[str, ...]
    for domain in found[len(keep) :]:
        draft.add(
            COMPLETE,
            _domain("remove", domain),
            "remove the search domain {}".format(domain),
            (_domain("add", domain),),
            may_fail=True,  # DHCP's may be gone by then
        )
    for domain in wanted[len(keep) :]:
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
