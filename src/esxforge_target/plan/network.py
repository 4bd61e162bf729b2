"""The network's part of a plan."""

from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.kernels import KernelPlanner
from esxforge_target.plan.layout import Layout
from esxforge_target.plan.routes import RoutePlanner, plan_dns
from esxforge_target.plan.switches import SwitchPlanner
from esxforge_target.wanted.model import WantedHost


def plan_network(wanted: WantedHost, layout: Layout, inventory: Inventory, draft: Draft) -> None:
    """Append the steps that turn the network of ``inventory`` into ``layout``.

    The order of the calls is the order within each phase. First what does not touch the way to MAAS; then that way
    itself, its commands side by side; then what needs it, or could disturb it.
    """
    switches = SwitchPlanner(layout, inventory, draft)
    kernels = KernelPlanner(layout, inventory, draft, switches)
    routes = RoutePlanner(wanted, layout, inventory, draft, kernels)
    switches.plan_before()
    routes.plan_before()
    kernels.remove_stale()
    switches.plan_port_groups()
    kernels.plan()
    routes.plan_after()
    routes.plan_last(kernels.ask_dhcp())
    plan_dns(wanted, inventory, draft, kernels)
    switches.plan_after()
    _tell_what_stays(layout, inventory, draft)


def _tell_what_stays(layout: Layout, inventory: Inventory, draft: Draft) -> None:
    ours = [switch.name for switch in layout.switches]
    groups = [group.name for group in layout.groups]
    for group in inventory.port_groups:
        if group.vswitch in ours and group.name not in groups:
            draft.notices.append(
                "network: the port group {} stays on {}; it is for virtual machines.".format(group.name, group.vswitch)
            )
    for vswitch in inventory.vswitches:
        if vswitch.name not in ours:
            draft.notices.append("network: {} stays as it is; MAAS does not mention it.".format(vswitch.name))
