"""Steps for vSwitches, their uplinks and teams, and port groups."""

from typing import Dict, List, Set, Tuple

from esxforge_target.inventory.model import Inventory, PortGroup, Team, VSwitch
from esxforge_target.inventory.network import MANAGEMENT_PORT_GROUP
from esxforge_target.plan.draft import Draft, esxcli
from esxforge_target.plan.layout import DEFAULT_MTU, MANAGEMENT_SWITCH, MANAGEMENT_VMK, Group, Layout, Switch
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Command, Expectation

STANDARD = ("network", "vswitch", "standard")


class SwitchPlanner:
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
        self._taken_off = {}  # type: Dict[str, Set[str]]
        for vswitch in inventory.vswitches:
            for uplink in vswitch.uplinks:
                self._owner[uplink] = vswitch.name

    def phase_of(self, switch: Switch) -> str:
        """When a wanted vSwitch has all its uplinks."""
        if switch.name in self.protected:
            return MANAGEMENT
        return COMPLETE if any(self._late(switch, uplink) for uplink in switch.uplinks) else PREPARE

    def _late(self, switch: Switch, uplink: str) -> bool:
        owner = self._owner.get(uplink)
        return owner in self.protected and owner != switch.name

    def plan_before(self) -> None:
        """New vSwitches, larger MTUs, uplinks and teams, as far as they belong before the VMkernel interfaces."""
        for switch in self._layout.switches:
            self._create(switch)
        self._release_uplinks()
        for switch in self._layout.switches:
            self._add_uplinks(switch)
            self._set_team(switch)
        self._reset_override()
        self._release_protected()
        for switch in self._layout.switches:
            self._raise_mtu(switch)

    def plan_after(self) -> None:
        """Smaller MTUs: only once no VMkernel interface has more."""
        for switch in self._layout.switches:
            found = self._inventory.vswitch(switch.name)
            if found is not None and found.mtu > switch.mtu:
                self._set_mtu(COMPLETE, switch, found.mtu)

    def _create(self, switch: Switch) -> None:
        if self._inventory.vswitch(switch.name) is None:
            self._draft.add(
                PREPARE,
                esxcli(*STANDARD + ("add", "-v", switch.name)),
                "create {} for {}".format(switch.name, switch.base),
                (esxcli(*STANDARD + ("remove", "-v", switch.name)),),
                (Expectation("vswitch", switch.name),),
            )

    def _raise_mtu(self, switch: Switch) -> None:
        """Once its uplinks are the wanted ones: others may not carry it. It takes their links down for a moment."""
        found = self._inventory.vswitch(switch.name)
        before = found.mtu if found is not None else DEFAULT_MTU
        if before < switch.mtu or (found is None and before != switch.mtu):
            in_use = found is not None and switch.name in self.protected
            self._set_mtu(MANAGEMENT if in_use else PREPARE, switch, before)

    def _set_mtu(self, phase: str, switch: Switch, before: int) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("set", "-v", switch.name, "-m", switch.mtu)),
            "MTU of {} from {} to {}".format(switch.name, before, switch.mtu),
            (esxcli(*STANDARD + ("set", "-v", switch.name, "-m", before)),),
            (Expectation("vswitch", switch.name, (("mtu", "is", switch.mtu),)),),
        )

    def _release_uplinks(self) -> None:
        """Take uplinks off vSwitches where they do not belong, and that carry no management."""
        wanted = {uplink: switch.name for switch in self._layout.switches for uplink in switch.uplinks}
        ours = [switch.name for switch in self._layout.switches]
        for vswitch in self._inventory.vswitches:
            if vswitch.name in self.protected:
                continue
            for uplink in vswitch.uplinks:
                elsewhere = uplink in wanted and wanted[uplink] != vswitch.name
                if elsewhere or (vswitch.name in ours and uplink not in wanted):
                    self._remove_uplink(PREPARE, vswitch, uplink)

    def _release_protected(self) -> None:
        wanted = {uplink: switch.name for switch in self._layout.switches for uplink in switch.uplinks}
        for vswitch in self._inventory.vswitches:
            if vswitch.name not in self.protected:
                continue
            for uplink in vswitch.uplinks:
                if wanted.get(uplink) == MANAGEMENT_SWITCH:
                    continue  # stays, or was moved already
                if vswitch.name == MANAGEMENT_SWITCH or uplink in wanted:
                    self._remove_uplink(MANAGEMENT, vswitch, uplink)

    def _remove_uplink(self, phase: str, vswitch: VSwitch, uplink: str) -> None:
        team = self._still(vswitch)
        gone = self._taken_off.setdefault(vswitch.name, set())
        gone.add(uplink)
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("uplink", "remove", "-u", uplink, "-v", vswitch.name)),
            "take {} off {}".format(uplink, vswitch.name),
            (esxcli(*STANDARD + ("uplink", "add", "-u", uplink, "-v", vswitch.name)),)
            + ((_team_command(vswitch.name, team),) if team.active else ()),
            (Expectation("vswitch", vswitch.name, (("uplinks", "lacks", uplink),)),),
        )

    def _still(self, vswitch: VSwitch) -> Team:
        """The team without uplinks that were taken off before: when this step is undone they are not back yet."""
        gone = self._taken_off.get(vswitch.name, set())
        return vswitch.team.replace(
            active=tuple(one for one in vswitch.team.active if one not in gone),
            standby=tuple(one for one in vswitch.team.standby if one not in gone),
        )

    def _add_uplinks(self, switch: Switch) -> None:
        found = self._inventory.vswitch(switch.name)
        for uplink in switch.uplinks:
            if found is not None and uplink in found.uplinks:
                continue
            phase = COMPLETE if self._late(switch, uplink) else PREPARE
            if switch.name == MANAGEMENT_SWITCH and found is not None:
                phase = MANAGEMENT
            owner = self._owner.get(uplink)
            if switch.name == MANAGEMENT_SWITCH and owner in self.protected and owner != switch.name:
                phase = MANAGEMENT
                holder = self._inventory.vswitch(owner or "")
                if holder is not None:
                    self._remove_uplink(phase, holder, uplink)
            self._draft.add(
                phase,
                esxcli(*STANDARD + ("uplink", "add", "-u", uplink, "-v", switch.name)),
                "put {} on {}".format(uplink, switch.name),
                (esxcli(*STANDARD + ("uplink", "remove", "-u", uplink, "-v", switch.name)),),
                (Expectation("vswitch", switch.name, (("uplinks", "has", uplink),)),),
            )

    def _set_team(self, switch: Switch) -> None:
        found = self._inventory.vswitch(switch.name)
        if not switch.uplinks:
            return
        if found is None and len(switch.uplinks) == 1 and switch.team.load_balancing == "portid":
            return  # a new vSwitch uses its one uplink, and that way
        if found is not None and set(found.uplinks) == set(switch.uplinks) and same_team(found.team, switch.team):
            return
        before = self._still(found) if found is not None else None
        phase = self.phase_of(switch)
        if phase == MANAGEMENT and found is None:
            phase = PREPARE if not any(self._late(switch, one) for one in switch.uplinks) else MANAGEMENT
        self._draft.add(
            phase,
            _team_command(switch.name, switch.team),
            "{} shares the load by {}: {}".format(switch.name, switch.team.load_balancing, _order(switch.team)),
            (_team_command(switch.name, before),) if before is not None and before.active else (),
            (
                Expectation(
                    "vswitch",
                    switch.name,
                    (("team", "is", switch.team),) if switch.team.load_balancing == "explicit" else (),
                ),
            ),
        )

    def _reset_override(self) -> None:
        group = self._inventory.port_group(MANAGEMENT_PORT_GROUP)
        if group is None or not group.overrides_team or group.vswitch != MANAGEMENT_SWITCH:
            return
        self._draft.add(
            MANAGEMENT,
            esxcli(*STANDARD + ("portgroup", "policy", "failover", "set", "-p", group.name, "-u")),
            "{} follows the team of its vSwitch".format(group.name),
            (),
            (Expectation("port_group", group.name, (("overrides_team", "is", False),)),),
        )

    # -- port groups --------------------------------------------------------------------------------------------

    def moving(self) -> Set[str]:
        """The port groups that stand on another vSwitch than the wanted one: made anew, so nothing may be on them."""
        moving = set()
        for group in self._layout.groups:
            found = self._inventory.port_group(group.name)
            if found is not None and found.vswitch != group.switch:
                moving.add(group.name)
        return moving

    def plan_port_groups(self) -> None:
        """Create, move and tag port groups."""
        for group in self._layout.groups:
            found = self._inventory.port_group(group.name)
            first = self._inventory.vmk(MANAGEMENT_VMK)
            carries_management = first is not None and first.port_group == group.name
            late = group.name == MANAGEMENT_PORT_GROUP or carries_management
            phase = MANAGEMENT if late else PREPARE
            if found is not None and found.vswitch != group.switch:
                self._remove_group(phase, found)
                found = None
            if found is None:
                self._add_group(phase, group)
            before = found.vlan_id if found is not None else 0
            if before != group.vlan_id:
                self._set_vlan(phase, group, before)

    def _add_group(self, phase: str, group: Group) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "add", "-p", group.name, "-v", group.switch)),
            "create the port group {} on {}{}".format(
                group.name, group.switch, " for virtual machines" if group.for_vms else ""
            ),
            (esxcli(*STANDARD + ("portgroup", "remove", "-p", group.name, "-v", group.switch)),),
            (Expectation("port_group", group.name, (("vswitch", "is", group.switch),)),),
        )

    def _remove_group(self, phase: str, group: PortGroup) -> None:
        undo = [esxcli(*STANDARD + ("portgroup", "add", "-p", group.name, "-v", group.vswitch))]  # type: List[Command]
        if group.vlan_id:
            undo.append(esxcli(*STANDARD + ("portgroup", "set", "-p", group.name, "--vlan-id", group.vlan_id)))
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "remove", "-p", group.name, "-v", group.vswitch)),
            "take the port group {} off {}".format(group.name, group.vswitch),
            tuple(undo),
        )

    def _set_vlan(self, phase: str, group: Group, before: int) -> None:
        self._draft.add(
            phase,
            esxcli(*STANDARD + ("portgroup", "set", "-p", group.name, "--vlan-id", group.vlan_id)),
            "VLAN of {} from {} to {}".format(group.name, before, group.vlan_id),
            (esxcli(*STANDARD + ("portgroup", "set", "-p", group.name, "--vlan-id", before)),),
            (Expectation("port_group", group.name, (("vlan_id", "is", group.vlan_id),)),),
        )


def same_team(found: Team, wanted: Team) -> bool:
    """Whether two teams do the same; the order of active uplinks counts where it is explicit."""
    if found.load_balancing != wanted.load_balancing or found.standby != wanted.standby:
        return False
    if wanted.load_balancing == "explicit":
        return found.active == wanted.active
    return set(found.active) == set(wanted.active)


def _team_command(vswitch: str, team: Team) -> Command:
    words = ["policy", "failover", "set", "-v", vswitch, "-a", ",".join(team.active)]  # type: List[str]
    if team.standby:
        words += ["-s", ",".join(team.standby)]
    return esxcli(*STANDARD + tuple(words + ["-l", team.load_balancing]))


def _order(team: Team) -> str:
    text = ", ".join(team.active)
    return text + (", then {}".format(", ".join(team.standby)) if team.standby else "")


__all__ = ["SwitchPlanner", "same_team"]
