"""The network's part of a plan."""

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import Layout
from esxforge_target.plan.routes import RoutePlanner, plan_dns
from esxforge_target.plan.switches import VSwitchPlanner
from esxforge_target.plan.vmks import VmkPlanner


def plan_network(desired: DesiredHost, layout: Layout, inventory: Inventory, draft: Draft) -> None:
    """Append the steps that turn the network of ``inventory`` into ``layout``.

    The order of the calls is the order within each phase. First what does not touch the way to MAAS; then that way
    itself, its commands side by side; then what needs it, or could disturb it.
    """
    vswitches = VSwitchPlanner(layout, inventory, draft)
    vmks = VmkPlanner(layout, inventory, draft, vswitches)
    routes = RoutePlanner(desired, layout, inventory, draft, vmks)
    vswitches.plan_before()
    routes.plan_before()
    vmks.remove_stale()
    vswitches.plan_port_groups()
    vmks.plan()
    routes.plan_after()
    routes.plan_last(vmks.ask_dhcp())
    plan_dns(desired, inventory, draft, vmks)
    vswitches.plan_after()
    _tell_what_stays(layout, inventory, draft)


def _tell_what_stays(layout: Layout, inventory: Inventory, draft: Draft) -> None:
    ours = [desired_vswitch.name for desired_vswitch in layout.vswitches]
    port_groups = [port_group.name for port_group in layout.port_groups]
    for port_group in inventory.port_groups:
        if port_group.vswitch in ours and port_group.name not in port_groups:
            draft.notices.append(
                "network: the port group {} stays on {}; it is for virtual machines.".format(
                    port_group.name, port_group.vswitch
                )
            )
    for vswitch in inventory.vswitches:
        if vswitch.name not in ours:
            draft.notices.append("network: {} stays as it is; MAAS does not mention it.".format(vswitch.name))
