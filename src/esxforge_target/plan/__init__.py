"""The plan: a pure function of the wanted host and an inventory. What it says is what the host runs."""

from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.differences import differences, network_differences, storage_differences
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import layout_of
from esxforge_target.plan.network import plan_network
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, STORAGE, Expectation, Plan, Step
from esxforge_target.plan.storage import plan_storage
from esxforge_target.wanted.management import management_of
from esxforge_target.wanted.model import WantedHost


def make_plan(wanted: WantedHost, inventory: Inventory) -> Plan:
    """The steps that turn the host of ``inventory`` into the wanted one; none where it is that already.

    With refusals there are no steps. After the steps have run, a new inventory planned again gives no steps; where DHCP
    answered otherwise than expected it gives those that remain, so plan and apply again, two or three times at most.
    """
    layout = layout_of(wanted, inventory)
    draft = Draft()
    if not layout.refusals:
        plan_network(wanted, layout, inventory, draft)
    plan_storage(wanted, inventory, draft)
    refusals = layout.refusals + tuple(draft.refusals)
    management = management_of(wanted)
    notices = list(wanted.notices)
    if management is not None:
        notices.append(
            "network {}: it is for management (vmk0), because {}.".format(management.interface.name, management.reason)
        )
    notices += list(layout.notices) + draft.notices
    return Plan(() if refusals else draft.steps(), tuple(notices), refusals)


__all__ = [
    "COMPLETE",
    "MANAGEMENT",
    "PREPARE",
    "STORAGE",
    "Expectation",
    "Plan",
    "Step",
    "differences",
    "layout_of",
    "make_plan",
    "network_differences",
    "storage_differences",
]
