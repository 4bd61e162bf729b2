"""Steps for vSwitches, their uplinks and teams, and port groups."""

from typing import Dict, List, Set, Tuple

from esxforge_target.inventory.model import DEFAULT_NETSTACK, FAILOVER, Inventory, PortGroup, Team, VSwitch
from esxforge_target.inventory.network import MANAGEMENT_PORT_GROUP
from esxforge_target.plan.commands import DEFAULT_MTU, INTERFACE, STANDARD, esxcli, policy_command, team_command
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import MANAGEMENT_SWITCH, MANAGEMENT_VMK, DesiredPortGroup, DesiredVSwitch, Layout
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Expectation


class VSwitchPlanner:
    """Plans vSwitches and port groups. ``protected`` are the vSwitches that carry the way to MAAS now or later: they
    are changed in the management phase alone.
    """

    def __init__(self, layout: Layout, inventory: Inventory, draft: Draft) -> None:
        self._layout = layout
        self._inventory = inventory
        self._draft = draft
        vmk = inventory.vmk(MANAGEMENT_VMK)
        current = inventory.vswitch_of(vmk) if vmk is not None else ""
        self.protected = {MANAGEMENT_SWITCH, current}  # type: Set[str]
        self._owner = {}  # type: Dict[str, str]
        for vswitch in inventory.vswitches:
            for uplink in vswitch.uplinks:
                self._owner[uplink] = vswitch.name

    def phase_of(self, desired_vswitch: DesiredVSwitch) -> str:
        """When a desired vSwitch has all its uplinks."""
        if desired_vswitch.name in self.protected:
            return MANAGEMENT
        return COMPLETE if any(self._late(desired_vswitch, uplink) for uplink in desired_vswitch.uplinks) else PREPARE

    def _late(self, desired_vswitch: DesiredVSwitch, uplink: str) -> bool:
        owner = self._owner.get(uplink)
        return owner in self.protected and owner != desired_vswitch.name

    def plan_before(self) -> None:
        """New vSwitches, larger MTUs, uplinks and teams, as far as they belong before the VMkernel interfaces."""
        for desired_vswitch in self._layout.vswitches:
            self._create(desired_vswitch)
        self._release_uplinks()
        for desired_vswitch in self._layout.vswitches:
            self._lower_mtu(desired_vswitch)
            self._add_uplinks(desired_vswitch)
            self._set_team(desired_vswitch)
        self._reset_overrides()
        self._release_protected()
        for desired_vswitch in self._layout.vswitches:
            self._raise_mtu(desired_vswitch)

    def plan_after(self) -> None:
        """Smaller MTUs: only once no VMkernel interface has more. It takes the links down for a moment."""
        for desired_vswitch in self._layout.vswitches:
            found = self._inventory.vswitch(desired_vswitch.name)
            if found is not None and found.mtu > desired_vswitch.mtu and not self._new_uplinks(desired_vswitch):
                self._set_mtu(COMPLETE, desired_vswitch, found.mtu)

    def _new_uplinks(self, desired_vswitch: DesiredVSwitch) -> List[str]:
        found = self._inventory.vswitch(desired_vswitch.name)
        return [one for one in desired_vswitch.uplinks if found is None or one not in found.uplinks]

    def _lower_mtu(self, desired_vswitch: DesiredVSwitch) -> None:
        """A smaller MTU before uplinks come that may not carry the larger one; VMkernel interfaces first."""
        found = self._inventory.vswitch(desired_vswitch.name)
        if found is None or found.mtu <= desired_vswitch.mtu or not self._new_uplinks(desired_vswitch):
            return
        phase = MANAGEMENT if desired_vswitch.name in self.protected else PREPARE
        for vmk in self._inventory.vmks:
            if (
                self._inventory.vswitch_of(vmk) == found.name
                and vmk.netstack == DEFAULT_NETSTACK
                and vmk.mtu > desired_vswitch.mtu
            ):
                self._draft.add(
                    phase if vmk.name == MANAGEMENT_VMK else PREPARE,  # others may be removed later in PREPARE
                    esxcli(*INTERFACE + ("set", "-i", vmk.name, "-m", desired_vswitch.mtu)),
                    "MTU of {} from {} to {}".format(vmk.name, vmk.mtu, desired_vswitch.mtu),
                    (Expectation("vmk", vmk.name, (("mtu", "is", desired_vswitch.mtu),)),),
                )
        self._set_mtu(phase, desired_vswitch, found.mtu)

    def _create(self, desired_vswitch: DesiredVSwitch) -> None:
        if self._inventory.vswitch(desired_vswitch.name) is None:
            self._draft.add(
                PREPARE,
                esxcli(*STANDARD + ("add", "-v", desired_vswitch.name)),
                "create {} for {}".format(desired_vswitch.name, desired_vswitch.base),
                (Expectation("vswitch", desired_vswitch.name),),
            )

    def _raise_mtu(self, desired_vswitch: DesiredVSwitch) -> None:
        """Once its uplinks are the desired ones: others may not carry it. It takes their links down for a moment."""
        found = self._inventory.vswitch(desired_vswitch.name)
        before = found.mtu if found is not None else DEFAULT_MTU
        if before < desired_vswitch.mtu or (found is None and before != desired_vswitch.mtu):
            in_use = found is not None and desired_vswitch.name in self.protected
            self._set_mtu(MANAGEMENT if in_use else PREPARE, desired_vswitch, before)

    def _set_mtu(self, phase: str, desired_vswitch: DesiredVSwitch, before: int) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("set", "-v", desired_vswitch.name, "-m", desired_vswitch.mtu)),
            "MTU of {} from {} to {}".format(desired_vswitch.name, before, desired_vswitch.mtu),
            (Expectation("vswitch", desired_vswitch.name, (("mtu", "is", desired_vswitch.mtu),)),),
        )

    def _release_uplinks(self) -> None:
        """Take uplinks off vSwitches where they do not belong, and that carry no management."""
        desired = {
            uplink: desired_vswitch.name
            for desired_vswitch in self._layout.vswitches
            for uplink in desired_vswitch.uplinks
        }
        ours = [desired_vswitch.name for desired_vswitch in self._layout.vswitches]
        for vswitch in self._inventory.vswitches:
            if vswitch.name in self.protected:
                continue
            for uplink in vswitch.uplinks:
                elsewhere = uplink in desired and desired[uplink] != vswitch.name
                if elsewhere or (vswitch.name in ours and uplink not in desired):
                    self._remove_uplink(PREPARE, vswitch, uplink)

    def _release_protected(self) -> None:
        desired = {
            uplink: desired_vswitch.name
            for desired_vswitch in self._layout.vswitches
            for uplink in desired_vswitch.uplinks
        }
        for vswitch in self._inventory.vswitches:
            if vswitch.name not in self.protected:
                continue
            for uplink in vswitch.uplinks:
                if desired.get(uplink) == MANAGEMENT_SWITCH:
                    continue  # stays, or was moved already
                if vswitch.name == MANAGEMENT_SWITCH or uplink in desired:
                    self._remove_uplink(MANAGEMENT, vswitch, uplink)

    def _remove_uplink(self, phase: str, vswitch: VSwitch, uplink: str) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("uplink", "remove", "-u", uplink, "-v", vswitch.name)),
            "take {} off {}".format(uplink, vswitch.name),
            (Expectation("vswitch", vswitch.name, (("uplinks", "lacks", uplink),)),),
        )

    def _add_uplinks(self, desired_vswitch: DesiredVSwitch) -> None:
        found = self._inventory.vswitch(desired_vswitch.name)
        for uplink in desired_vswitch.uplinks:
            if found is not None and uplink in found.uplinks:
                continue
            phase = COMPLETE if self._late(desired_vswitch, uplink) else PREPARE
            if desired_vswitch.name == MANAGEMENT_SWITCH and found is not None:
                phase = MANAGEMENT
            owner = self._owner.get(uplink)
            if desired_vswitch.name == MANAGEMENT_SWITCH and owner in self.protected and owner != desired_vswitch.name:
                phase = MANAGEMENT
                holder = self._inventory.vswitch(owner or "")
                if holder is not None:
                    self._remove_uplink(phase, holder, uplink)
            self._draft.add(
                phase,
                esxcli(*STANDARD + ("uplink", "add", "-u", uplink, "-v", desired_vswitch.name)),
                "put {} on {}".format(uplink, desired_vswitch.name),
                (Expectation("vswitch", desired_vswitch.name, (("uplinks", "has", uplink),)),),
            )

    def _set_team(self, desired_vswitch: DesiredVSwitch) -> None:
        found = self._inventory.vswitch(desired_vswitch.name)
        if not desired_vswitch.uplinks:
            return
        if found is None and len(desired_vswitch.uplinks) == 1 and desired_vswitch.team.load_balancing == "portid":
            return  # a new vSwitch uses its one uplink, and that way
        if (
            found is not None
            and set(found.uplinks) == set(desired_vswitch.uplinks)
            and same_team(found.team, desired_vswitch.team)
        ):
            return
        phase = self.phase_of(desired_vswitch)
        if phase == MANAGEMENT and found is None:
            phase = (
                PREPARE if not any(self._late(desired_vswitch, one) for one in desired_vswitch.uplinks) else MANAGEMENT
            )
        self._draft.add(
            phase,
            team_command(desired_vswitch.name, desired_vswitch.team),
            "{}: {}".format(desired_vswitch.name, _described(desired_vswitch.team)),
            (Expectation("vswitch", desired_vswitch.name, _team_facts(desired_vswitch.team)),),
        )

    def _reset_overrides(self) -> None:
        """Port port_groups that stay follow the team of their vSwitch; before the uplinks of their own team go."""
        for desired_vswitch in self._layout.vswitches:
            for port_group in self._layout.port_groups:
                found = self._inventory.port_group(port_group.name)
                if (
                    found is None
                    or not found.overrides_team
                    or not found.vswitch == port_group.vswitch == desired_vswitch.name
                ):
                    continue
                self._draft.add(
                    self.phase_of(desired_vswitch),
                    policy_command(found.name, FAILOVER, ("-u",)),
                    "{} follows the team of its vSwitch".format(found.name),
                    (Expectation("port_group", found.name, (("overrides_team", "is", False),)),),
                )

    def is_rewired(self, name: str) -> bool:
        """Return whether a desired port group will lead to other NICs or another VLAN, making its lease useless."""
        port_group = next(one for one in self._layout.port_groups if one.name == name)
        desired_vswitch = next(one for one in self._layout.vswitches if one.name == port_group.vswitch)
        found, vswitch = self._inventory.port_group(name), self._inventory.vswitch(desired_vswitch.name)
        if (
            found is None
            or vswitch is None
            or (found.vswitch, found.vlan_id) != (port_group.vswitch, port_group.vlan_id)
        ):
            return True
        return found.overrides_team or set(vswitch.uplinks) != set(desired_vswitch.uplinks)

    # -- port groups --------------------------------------------------------------------------------------------

    def moving(self) -> Set[str]:
        """Return port groups on another vSwitch than the desired one: they are recreated, so nothing may be on them."""
        moving = set()
        for port_group in self._layout.port_groups:
            found = self._inventory.port_group(port_group.name)
            if found is not None and found.vswitch != port_group.vswitch:
                moving.add(port_group.name)
        return moving

    def plan_port_groups(self) -> None:
        """Create, move and tag port groups."""
        for port_group in self._layout.port_groups:
            found = self._inventory.port_group(port_group.name)
            first = self._inventory.vmk(MANAGEMENT_VMK)
            carries_management = first is not None and first.port_group == port_group.name
            late = port_group.name == MANAGEMENT_PORT_GROUP or carries_management
            phase = MANAGEMENT if late else PREPARE
            if found is not None and found.vswitch != port_group.vswitch:
                self._remove_group(phase, found)
                found = None
            if found is None:
                self._add_group(phase, port_group)
            before = found.vlan_id if found is not None else 0
            if before != port_group.vlan_id:
                self._set_vlan(phase, port_group, before)

    def _add_group(self, phase: str, port_group: DesiredPortGroup) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "add", "-p", port_group.name, "-v", port_group.vswitch)),
            "create the port group {} on {}{}".format(
                port_group.name, port_group.vswitch, " for virtual machines" if port_group.for_vms else ""
            ),
            (Expectation("port_group", port_group.name, (("vswitch", "is", port_group.vswitch),)),),
        )

    def _remove_group(self, phase: str, port_group: PortGroup) -> None:
        if any(not policy.options for policy in port_group.policies):
            self._draft.errors.append(
                "network: the port group {} is on {}, and ESXi does not say which policies it has of its own, so it "
                "could not be put back; rename or remove it before the disk is captured.".format(
                    port_group.name, port_group.vswitch
                )
            )
            return
        self._draft.notices.append(
            "network: the port group {} moves from {}; traffic shaping of its own, if it has any, is not kept.".format(
                port_group.name, port_group.vswitch
            )
        )
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "remove", "-p", port_group.name, "-v", port_group.vswitch)),
            "take the port group {} off {}".format(port_group.name, port_group.vswitch),
            (Expectation("port_group", port_group.name, gone=True),),
        )

    def _set_vlan(self, phase: str, port_group: DesiredPortGroup, before: int) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "set", "-p", port_group.name, "--vlan-id", port_group.vlan_id)),
            "VLAN of {} from {} to {}".format(port_group.name, before, port_group.vlan_id),
            (Expectation("port_group", port_group.name, (("vlan_id", "is", port_group.vlan_id),)),),
        )


def same_team(found: Team, desired: Team) -> bool:
    """Return whether two teams do the same; the order of active uplinks counts where it is explicit."""
    if found.load_balancing != desired.load_balancing or found.standby != desired.standby:
        return False
    if desired.load_balancing == "explicit":
        return found.active == desired.active
    return set(found.active) == set(desired.active)


def _team_facts(team: Team) -> "Tuple[Tuple[str, str, object], ...]":
    facts = [("load_balancing", "is", team.load_balancing)]  # type: List[Tuple[str, str, object]]
    if team.load_balancing == "explicit":
        facts.append(("active", "is", team.active))
    facts += [("active", "has", uplink) for uplink in team.active]
    return tuple(facts + [("standby", "has", uplink) for uplink in team.standby])


def _described(team: Team) -> str:
    standby = ["{} (standby)".format(name) for name in team.standby]
    order = "failover order {}".format(", ".join(list(team.active) + standby))
    return order if team.load_balancing == "explicit" else "load balancing {}, {}".format(team.load_balancing, order)


__all__ = ["VSwitchPlanner", "same_team"]
