"""Steps for VMkernel interfaces: which are kept, removed, made, and what addresses they get."""

from ipaddress import ip_interface, ip_network
from typing import Dict, List, Optional, Set, Tuple

from esxforge_target.inventory.model import DEFAULT_NETSTACK, Inventory, Vmk
from esxforge_target.plan.draft import Draft, esxcli
from esxforge_target.plan.ipv6 import plan_ipv6, static_ipv6, word
from esxforge_target.plan.layout import MANAGEMENT_VMK, Kernel, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Command, Expectation, Step
from esxforge_target.plan.switches import SwitchPlanner

INTERFACE = ("network", "ip", "interface")


class KernelPlanner:
    """Plans VMkernel interfaces. ``names`` says which vmk each port group's is; ``disturbed`` gives, for each vmk and
    IP version of which it loses an address, the phase in which it does: its routes go with it. ``deaf`` are those that
    no longer listen to routers.
    """

    def __init__(self, layout: Layout, inventory: Inventory, draft: Draft, switches: SwitchPlanner) -> None:
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        self._switches = switches
        self.kept = self._match()
        self.names = self._name()
        self.disturbed = {}  # type: Dict[Tuple[str, int], str]
        self.deaf = set()  # type: Set[str]
        self._asking = []  # type: List[Step]
        self._listening = []  # type: List[Step]
        self._phase_of_switch = {one.name: switches.phase_of(one) for one in layout.switches}
        self._switch_of = {group.name: group.switch for group in layout.groups}
        self._find_disturbed()

    def _find_disturbed(self) -> None:
        for vmk in self.stale():
            self.disturbed[(vmk.name, 4)] = self.disturbed[(vmk.name, 6)] = self._phase_of_stale(vmk)
            self.deaf.add(vmk.name)
        for kernel in self._layout.kernels:
            kept = self.kept.get(kernel.group)
            if kept is None:
                continue
            if not kernel.management and self._holds_anothers(kept, kernel):
                self.disturbed[(kept.name, 4)] = PREPARE
            elif ipv4_differs(kept, kernel):
                self.disturbed[(kept.name, 4)] = self.phase_of(kernel)
            if kernel.advertisements is False and kept.router_advertisements:
                self.deaf.add(kept.name)
            if any(cidr not in [one.cidr for one in kernel.ipv6] for cidr in static_ipv6(kept)):
                self.disturbed[(kept.name, 6)] = MANAGEMENT if kernel.management else PREPARE

    # -- which is which -----------------------------------------------------------------------------------------

    def _match(self) -> Dict[str, Vmk]:
        moving = self._switches.moving()
        kept = {}  # type: Dict[str, Vmk]
        for kernel in self._layout.kernels:
            for vmk in self._inventory.vmks:
                if (
                    vmk.port_group == kernel.group
                    and kernel.group not in moving
                    and kernel.group not in kept
                    and vmk.netstack == DEFAULT_NETSTACK
                    and (vmk.name == MANAGEMENT_VMK) == kernel.management
                    and not self._wants_other_mac(vmk, kernel, kept)
                ):
                    kept[kernel.group] = vmk
        return kept

    def _wants_other_mac(self, vmk: Vmk, kernel: Kernel, kept: Dict[str, Vmk]) -> bool:
        """Whether it has another interface's MAC, or its own is another one and vmk0, which comes first, leaves it."""
        if kernel.management or vmk.mac == kernel.mac:
            return False
        if vmk.mac in [one.mac for one in self._layout.kernels if not one.management]:
            return True
        if not kernel.mac:
            return False
        first = [one for one in self._layout.kernels if one.management][:1]
        taken = [kept[one.group].mac if one.group in kept else one.mac for one in first]
        return kernel.mac not in taken

    def _name(self) -> Dict[str, str]:
        names = {group: vmk.name for group, vmk in self.kept.items()}
        stale_stacks = {vmk.name for vmk in self._inventory.vmks if vmk.netstack != DEFAULT_NETSTACK}
        used = set(names.values()) | stale_stacks | {MANAGEMENT_VMK}  # type: Set[str]
        for kernel in self._layout.kernels:
            if kernel.group in names:
                continue
            number = 1
            while "vmk{}".format(number) in used:
                number += 1
            names[kernel.group] = MANAGEMENT_VMK if kernel.management else "vmk{}".format(number)
            used.add(names[kernel.group])
        return names

    def stale(self) -> List[Vmk]:
        """The VMkernel interfaces that no one asked for. Those of other network stacks are left alone."""
        kept = [vmk.name for vmk in self.kept.values()]
        return [vmk for vmk in self._inventory.vmks if vmk.name not in kept and vmk.netstack == DEFAULT_NETSTACK]

    def _phase_of_stale(self, vmk: Vmk) -> str:
        return MANAGEMENT if vmk.name == MANAGEMENT_VMK else PREPARE

    def phase_of(self, kernel: Kernel) -> str:
        """When a wanted VMkernel interface gets what it lacks. Early, unless that could touch the way to MAAS."""
        if kernel.management:
            return MANAGEMENT
        vswitch = self._switch_of[kernel.group]
        if kernel.ipv4 == "dhcp" or kernel.dhcp6 or self._phase_of_switch[vswitch] != PREPARE:
            return COMPLETE
        others = [vmk for vmk in self._inventory.vmks if vmk.name != self.names[kernel.group]]
        if kernel.group in [vmk.port_group for vmk in others if vmk.name == MANAGEMENT_VMK]:
            return COMPLETE  # vmk0 leaves it only then
        if kernel.mac and kernel.mac in [vmk.mac for vmk in others]:
            return COMPLETE
        taken = [cidr for vmk in others for cidr in _cidrs(vmk)]
        wanted = [address.cidr for address in kernel.static_addresses()]
        return COMPLETE if any(_overlap(one, other) for one in wanted for other in taken) else PREPARE

    # -- steps --------------------------------------------------------------------------------------------------

    def remove_stale(self) -> None:
        """Remove what no one asked for, and let go of addresses that another interface is to have."""
        for vmk in self.stale():
            self._draft.add(
                self._phase_of_stale(vmk),
                esxcli(*INTERFACE + ("remove", "-i", vmk.name)),
                "remove {} from {}".format(vmk.name, vmk.port_group),
                _restore(vmk),
                (),
            )
        for kernel in self._layout.kernels:
            vmk_kept = self.kept.get(kernel.group)
            if vmk_kept is not None and not kernel.management and self._holds_anothers(vmk_kept, kernel):
                self._draft.add(
                    PREPARE,
                    esxcli(*INTERFACE + ("ipv4", "set", "-i", vmk_kept.name, "-t", "none")),
                    "{} gives up {}".format(vmk_kept.name, vmk_kept.address),
                    (ipv4_command_of(vmk_kept),),
                )

    def _holds_anothers(self, vmk: Vmk, kernel: Kernel) -> bool:
        return vmk.ipv4 == "static" and any(
            other.group != kernel.group and other.address is not None and other.address.address == vmk.address
            for other in self._layout.kernels
        )

    def plan(self) -> None:
        """Make and change the wanted ones, management first within its phase."""
        used = {vmk.mac for vmk in self.kept.values()}
        for kernel in self._layout.kernels:
            phase, name = self.phase_of(kernel), self.names[kernel.group]
            vmk = self.kept.get(kernel.group)
            if vmk is None:
                mac = kernel.mac if kernel.mac not in used else ""
                used.add(mac)
                self._create(phase, kernel, name, mac)
            elif vmk.mtu != kernel.mtu:
                self._draft.add(
                    phase,
                    esxcli(*INTERFACE + ("set", "-i", name, "-m", kernel.mtu)),
                    "MTU of {} from {} to {}".format(name, vmk.mtu, kernel.mtu),
                    (esxcli(*INTERFACE + ("set", "-i", name, "-m", vmk.mtu)),),
                    (Expectation("vmk", name, (("mtu", "is", kernel.mtu),)),),
                )
            if kernel.ipv4 != "none":
                self._ipv4(phase, kernel, name, vmk)
            self._listening.extend(plan_ipv6(self._draft, phase, kernel, name, vmk))
            if kernel.ipv4 == "none":
                # IPv4 goes when IPv6 stands: until then it may be the way to MAAS.
                self._ipv4(phase, kernel, name, vmk)
            if kernel.management and (vmk is None or "Management" not in vmk.tags):
                self._draft.add(
                    phase,
                    esxcli(*INTERFACE + ("tag", "add", "-i", name, "-t", "Management")),
                    "{} carries management traffic".format(name),
                    (),
                    (Expectation("vmk", name, (("tags", "has", "Management"),)),),
                )

    def _create(self, phase: str, kernel: Kernel, name: str, mac: str) -> None:
        words = ("add", "-i", name, "-p", kernel.group, "-m", kernel.mtu)
        self._draft.add(
            phase,
            esxcli(*INTERFACE + words + (("-M", mac) if mac else ())),
            "create {} on {}".format(name, kernel.group),
            (esxcli(*INTERFACE + ("remove", "-i", name)),),
            (Expectation("vmk", name, (("port_group", "is", kernel.group), ("mtu", "is", kernel.mtu))),),
        )

    def _ipv4(self, phase: str, kernel: Kernel, name: str, vmk: Optional[Vmk]) -> None:
        released = vmk is not None and not kernel.management and self._holds_anothers(vmk, kernel)
        if vmk is None and kernel.ipv4 == "none":
            return
        if vmk is not None and not ipv4_differs(vmk, kernel) and not released:
            return
        if kernel.ipv4 == "dhcp":
            command = _dhcp_command(name, kernel.dhcp_dns)
            facts = (("ipv4", "is", "dhcp"), ("dhcp_dns", "is", kernel.dhcp_dns))  # type: Tuple[Tuple[str, str, object], ...]
            changes = "{} asks DHCP for its address".format(name)
        elif kernel.address is None:
            command = esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "none"))
            facts = (("ipv4", "is", "none"),)
            changes = "{} has no IPv4".format(name)
        else:
            command = _static_command(name, kernel.address.address, kernel.address.prefix_length)
            facts = (
                ("ipv4", "is", "static"),
                ("address", "is", kernel.address.address),
                ("prefix_length", "is", kernel.address.prefix_length),
            )
            changes = "{} gets {}".format(name, kernel.address.cidr)
        undo = ()  # type: Tuple[Command, ...]
        if vmk is not None:
            # What it gave up before is given back there; until then another interface may need the address of now.
            undo = (ipv4_command_of(vmk.replace(ipv4="none") if released else vmk),)
        step = Step(phase, command, changes, undo, (Expectation("vmk", name, facts),))
        if kernel.ipv4 == "dhcp" and not kernel.management:
            # A lease takes the default route along, and taking the lease back does not return it.
            renewed = tuple(
                ipv4_command_of(self.kept[one.group])
                for one in self._layout.kernels
                if one.management and one.group in self.kept and one.ipv4 == self.kept[one.group].ipv4 == "dhcp"
            )
            self._asking.append(step.replace(undo=step.undo + renewed))
        else:
            self._draft.append(step)

    def ask_dhcp(self) -> bool:
        """Let interfaces ask DHCP and heed routers, once the static routes stand, so that no answer's default route
        comes before them. Whether one besides management asks for IPv4.
        """
        for step in self._listening + self._asking:
            self._draft.append(step)
        return bool(self._asking)


def ipv4_differs(vmk: Vmk, kernel: Kernel) -> bool:
    """Whether an interface's IPv4 is not the wanted one."""
    if vmk.ipv4 != kernel.ipv4:
        return True
    if kernel.ipv4 == "dhcp":
        return vmk.dhcp_dns != kernel.dhcp_dns
    return kernel.address is not None and (vmk.address, vmk.prefix_length) != (
        kernel.address.address,
        kernel.address.prefix_length,
    )


def renew_command(name: str, kernel: Kernel) -> Command:
    """The command that asks DHCP anew."""
    return _dhcp_command(name, kernel.dhcp_dns)


def _cidrs(vmk: Vmk) -> List[str]:
    return static_ipv6(vmk) + (["{}/{}".format(vmk.address, vmk.prefix_length)] if vmk.address else [])


def _overlap(one: str, other: str) -> bool:
    a, b = ip_interface(one), ip_interface(other)
    return a.version == b.version and (a.ip in b.network or b.ip in a.network)


def _static_command(name: str, address: str, prefix_length: int) -> Command:
    netmask = ip_network("0.0.0.0/{}".format(prefix_length)).netmask
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "static", "-I", address, "-N", netmask))


def _dhcp_command(name: str, dns: bool) -> Command:
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", name, "-t", "dhcp", "-P", word(dns)))


def ipv4_command_of(vmk: Vmk) -> Command:
    """The command that gives an interface the IPv4 that it has."""
    if vmk.ipv4 == "static":
        return _static_command(vmk.name, vmk.address, vmk.prefix_length)
    if vmk.ipv4 == "dhcp":
        return _dhcp_command(vmk.name, vmk.dhcp_dns)
    return esxcli(*INTERFACE + ("ipv4", "set", "-i", vmk.name, "-t", "none"))


def _restore(vmk: Vmk) -> Tuple[Command, ...]:
    words = ("add", "-i", vmk.name, "-p", vmk.port_group, "-m", vmk.mtu) + (("-M", vmk.mac) if vmk.mac else ())
    commands = [esxcli(*INTERFACE + words)]
    if vmk.ipv4 != "none":
        commands.append(ipv4_command_of(vmk))
    if vmk.dhcp6 or vmk.router_advertisements:
        words = ("-d", word(vmk.dhcp6), "-r", word(vmk.router_advertisements))
        commands.append(esxcli(*INTERFACE + ("ipv6", "set", "-i", vmk.name) + words))
    ipv6 = INTERFACE + ("ipv6", "address", "add", "-i", vmk.name)
    commands.extend(esxcli(*ipv6 + ("-I", cidr)) for cidr in static_ipv6(vmk))
    commands.extend(esxcli(*INTERFACE + ("tag", "add", "-i", vmk.name, "-t", tag)) for tag in vmk.tags)
    return tuple(commands)
