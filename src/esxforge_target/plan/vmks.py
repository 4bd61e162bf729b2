"""Steps for VMkernel interfaces: which are kept, removed, made, and what addresses they get."""

from ipaddress import ip_interface
from typing import Dict, List, Optional, Set, Tuple

from esxforge_target.inventory.model import DEFAULT_NETSTACK, Inventory, Vmk
from esxforge_target.plan.commands import INTERFACE, dhcp_command, esxcli, none_command, static_command, static_ipv6
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.ipv6 import plan_ipv6
from esxforge_target.plan.layout import MANAGEMENT_VMK, DesiredVmk, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Expectation, Step
from esxforge_target.plan.switches import VSwitchPlanner

# What ESXi gives an interface that is made without a MAC.
_OWN_MACS = "00:50:56:"


def has_foreign_mac(vmk: Vmk, inventory: Inventory) -> bool:
    """Return whether it has another machine's MAC.

    All hosts of a golden image would, if the image contains one (a 6.5 image taken before its first start did).
    """
    return bool(vmk.mac) and not vmk.mac.startswith(_OWN_MACS) and vmk.mac not in [nic.mac for nic in inventory.nics]


class VmkPlanner:
    """Plans VMkernel interfaces. ``names`` says which vmk each port group's is; ``disturbed`` gives, for each vmk and
    IP version of which it loses an address, the phase in which it does: its routes go with it. ``deaf`` are those that
    no longer listen to routers.
    """

    def __init__(self, layout: Layout, inventory: Inventory, draft: Draft, vswitches: VSwitchPlanner) -> None:
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        self._switches = vswitches
        self.kept = self._match()
        self.names = self._name()
        self.disturbed = {}  # type: Dict[Tuple[str, int], str]
        self.deaf = set()  # type: Set[str]
        self._asking = []  # type: List[Step]
        self._listening = []  # type: List[Step]
        self._without_ipv4 = []  # type: List[Step]
        self._phase_of_switch = {one.name: vswitches.phase_of(one) for one in layout.vswitches}
        self._switch_of = {port_group.name: port_group.vswitch for port_group in layout.port_groups}
        self._find_disturbed()

    def _find_disturbed(self) -> None:
        for vmk in self.stale():
            self.disturbed[(vmk.name, 4)] = self.disturbed[(vmk.name, 6)] = self._phase_of_stale(vmk)
            self.deaf.add(vmk.name)
        for desired_vmk in self._layout.vmks:
            kept = self.kept.get(desired_vmk.port_group)
            if kept is None:
                continue
            if not desired_vmk.management and self._holds_anothers(kept, desired_vmk):
                self.disturbed[(kept.name, 4)] = PREPARE
            elif ipv4_differs(kept, desired_vmk):
                self.disturbed[(kept.name, 4)] = self.phase_of(desired_vmk)
            if desired_vmk.router_advertisements is False and kept.router_advertisements:
                self.deaf.add(kept.name)
            if any(cidr not in [one.cidr for one in desired_vmk.ipv6] for cidr in static_ipv6(kept)):
                self.disturbed[(kept.name, 6)] = MANAGEMENT if desired_vmk.management else PREPARE

    # -- which is which -----------------------------------------------------------------------------------------

    def _match(self) -> Dict[str, Vmk]:
        moving = self._switches.moving()
        kept = {}  # type: Dict[str, Vmk]
        for desired_vmk in self._layout.vmks:
            for vmk in self._inventory.vmks:
                if (
                    vmk.port_group == desired_vmk.port_group
                    and desired_vmk.port_group not in moving
                    and desired_vmk.port_group not in kept
                    and vmk.netstack == DEFAULT_NETSTACK
                    and (vmk.name == MANAGEMENT_VMK) == desired_vmk.management
                    and not self._wants_other_mac(vmk, desired_vmk, kept)
                ):
                    kept[desired_vmk.port_group] = vmk
        return kept

    def _wants_other_mac(self, vmk: Vmk, desired_vmk: DesiredVmk, kept: Dict[str, Vmk]) -> bool:
        """Return whether it has another interface's MAC, or lacks its own, which vmk0 (it comes first) does not hold.

        vmk0 keeps the MAC that the installer gave it, unless that is of another machine.
        """
        if desired_vmk.management:
            return has_foreign_mac(vmk, self._inventory)
        if vmk.mac == desired_vmk.mac:
            return False
        if vmk.mac in [one.mac for one in self._layout.vmks if not one.management]:
            return True
        if not desired_vmk.mac:
            return False
        first = [one for one in self._layout.vmks if one.management][:1]
        taken = [kept[one.port_group].mac if one.port_group in kept else one.mac for one in first]
        return desired_vmk.mac not in taken

    def _name(self) -> Dict[str, str]:
        names = {port_group: vmk.name for port_group, vmk in self.kept.items()}
        stale_stacks = {vmk.name for vmk in self._inventory.vmks if vmk.netstack != DEFAULT_NETSTACK}
        used = set(names.values()) | stale_stacks | {MANAGEMENT_VMK}  # type: Set[str]
        for desired_vmk in self._layout.vmks:
            if desired_vmk.port_group in names:
                continue
            number = 1
            while "vmk{}".format(number) in used:
                number += 1
            names[desired_vmk.port_group] = MANAGEMENT_VMK if desired_vmk.management else "vmk{}".format(number)
            used.add(names[desired_vmk.port_group])
        return names

    def stale(self) -> List[Vmk]:
        """The VMkernel interfaces that no one asked for. Those of other network stacks are left alone."""
        kept = [vmk.name for vmk in self.kept.values()]
        return [vmk for vmk in self._inventory.vmks if vmk.name not in kept and vmk.netstack == DEFAULT_NETSTACK]

    def _phase_of_stale(self, vmk: Vmk) -> str:
        return MANAGEMENT if vmk.name == MANAGEMENT_VMK else PREPARE

    def phase_of(self, desired_vmk: DesiredVmk) -> str:
        """When a desired VMkernel interface gets what it lacks. Early, unless that could touch the way to MAAS."""
        if desired_vmk.management:
            return MANAGEMENT
        vswitch = self._switch_of[desired_vmk.port_group]
        if desired_vmk.ipv4 == "dhcp" or desired_vmk.dhcp6 or self._phase_of_switch[vswitch] != PREPARE:
            return COMPLETE
        others = [vmk for vmk in self._inventory.vmks if vmk.name != self.names[desired_vmk.port_group]]
        if desired_vmk.port_group in [vmk.port_group for vmk in others if vmk.name == MANAGEMENT_VMK]:
            return COMPLETE  # vmk0 leaves it only then
        if desired_vmk.mac and desired_vmk.mac in [vmk.mac for vmk in others]:
            return COMPLETE
        taken = [cidr for vmk in others for cidr in _cidrs(vmk)]
        desired = [address.cidr for address in desired_vmk.static_addresses()]
        return COMPLETE if any(_overlap(one, other) for one in desired for other in taken) else PREPARE

    # -- steps --------------------------------------------------------------------------------------------------

    def remove_stale(self) -> None:
        """Remove what no one asked for, and let go of addresses that another interface is to have."""
        for vmk in self.stale():
            self._draft.add(
                self._phase_of_stale(vmk),
                esxcli(*INTERFACE + ("remove", "-i", vmk.name)),
                "remove {} from {}".format(vmk.name, vmk.port_group),
                (Expectation("vmk", vmk.name, gone=True),),
            )
        for desired_vmk in self._layout.vmks:
            vmk_kept = self.kept.get(desired_vmk.port_group)
            if vmk_kept is not None and not desired_vmk.management and self._holds_anothers(vmk_kept, desired_vmk):
                self._draft.add(
                    PREPARE,
                    none_command(vmk_kept.name),
                    "{} gives up {}".format(vmk_kept.name, vmk_kept.address),
                    (Expectation("vmk", vmk_kept.name, (("ipv4", "is", "none"),)),),
                )

    def _holds_anothers(self, vmk: Vmk, desired_vmk: DesiredVmk) -> bool:
        return vmk.ipv4 == "static" and any(
            other.port_group != desired_vmk.port_group
            and other.address is not None
            and other.address.address == vmk.address
            for other in self._layout.vmks
        )

    def plan(self) -> None:
        """Make and change the desired ones, management first within its phase."""
        used = {vmk.mac for vmk in self.kept.values()}
        for desired_vmk in self._layout.vmks:
            phase, name = self.phase_of(desired_vmk), self.names[desired_vmk.port_group]
            vmk = self.kept.get(desired_vmk.port_group)
            if vmk is None:
                mac = desired_vmk.mac if desired_vmk.mac not in used else ""
                used.add(mac)
                self._create(phase, desired_vmk, name, mac)
            elif vmk.mtu != desired_vmk.mtu:
                self._draft.add(
                    phase,
                    esxcli(*INTERFACE + ("set", "-i", name, "-m", desired_vmk.mtu)),
                    "MTU of {} from {} to {}".format(name, vmk.mtu, desired_vmk.mtu),
                    (Expectation("vmk", name, (("mtu", "is", desired_vmk.mtu),)),),
                )
            self._ipv4(phase, desired_vmk, name, vmk)
            self._listening.extend(plan_ipv6(self._draft, phase, desired_vmk, name, vmk))
            if desired_vmk.management and (vmk is None or "Management" not in vmk.tags):
                self._draft.add(
                    phase,
                    esxcli(*INTERFACE + ("tag", "add", "-i", name, "-t", "Management")),
                    "{} carries management traffic".format(name),
                    (Expectation("vmk", name, (("tags", "has", "Management"),)),),
                )

    def _create(self, phase: str, desired_vmk: DesiredVmk, name: str, mac: str) -> None:
        words = ("add", "-i", name, "-p", desired_vmk.port_group, "-m", desired_vmk.mtu)
        self._draft.add(
            phase,
            esxcli(*INTERFACE + words + (("-M", mac) if mac else ())),
            "create {} on {}".format(name, desired_vmk.port_group),
            (Expectation("vmk", name, (("port_group", "is", desired_vmk.port_group), ("mtu", "is", desired_vmk.mtu))),),
        )

    def _ipv4(self, phase: str, desired_vmk: DesiredVmk, name: str, vmk: Optional[Vmk]) -> None:
        released = vmk is not None and not desired_vmk.management and self._holds_anothers(vmk, desired_vmk)
        if vmk is not None and not ipv4_differs(vmk, desired_vmk) and not released:
            if vmk.ipv4 == "dhcp" and self._switches.is_rewired(desired_vmk.port_group):
                self._draft.renew(phase, name, desired_vmk.dhcp_dns, "as it is on another network now")
            return
        if desired_vmk.ipv4 == "dhcp":
            command = dhcp_command(name, desired_vmk.dhcp_dns)
            facts = (("ipv4", "is", "dhcp"), ("dhcp_dns", "is", desired_vmk.dhcp_dns))  # type: Tuple[Tuple[str, str, object], ...]
            changes = "{} asks DHCP for its address".format(name)
        elif desired_vmk.address is None:
            command = none_command(name)
            facts = (("ipv4", "is", "none"),)
            changes = "{} has no IPv4".format(name)
        else:
            command = static_command(name, desired_vmk.address.address, desired_vmk.address.prefix_length)
            facts = (
                ("ipv4", "is", "static"),
                ("address", "is", desired_vmk.address.address),
                ("prefix_length", "is", desired_vmk.address.prefix_length),
            )
            changes = "{} gets {}".format(name, desired_vmk.address.cidr)
        step = Step(phase, command, changes, expects=(Expectation("vmk", name, facts),))
        if desired_vmk.ipv4 == "dhcp" and not desired_vmk.management:
            self._asking.append(step)
        elif desired_vmk.ipv4 == "none" and vmk is not None:
            self._without_ipv4.append(step)
        else:
            self._draft.append(step)

    def ask_dhcp(self) -> bool:
        """Let interfaces ask DHCP and heed routers, once the static routes stand, so that no answer's default route
        comes before them; IPv4 goes when IPv6 stands, as until then it may be the way to MAAS. Whether an interface
        besides management asks for IPv4.
        """
        for step in self._listening + self._without_ipv4 + self._asking:
            self._draft.append(step)
        return bool(self._asking)


def ipv4_differs(vmk: Vmk, desired_vmk: DesiredVmk) -> bool:
    """Return whether an interface's IPv4 is not the desired one."""
    if vmk.ipv4 != desired_vmk.ipv4:
        return True
    if desired_vmk.ipv4 == "dhcp":
        return vmk.dhcp_dns != desired_vmk.dhcp_dns
    return desired_vmk.address is not None and (vmk.address, vmk.prefix_length) != (
        desired_vmk.address.address,
        desired_vmk.address.prefix_length,
    )


def _cidrs(vmk: Vmk) -> List[str]:
    return static_ipv6(vmk) + (["{}/{}".format(vmk.address, vmk.prefix_length)] if vmk.address else [])


def _overlap(one: str, other: str) -> bool:
    a, b = ip_interface(one), ip_interface(other)
    return a.version == b.version and (a.ip in b.network or b.ip in a.network)
