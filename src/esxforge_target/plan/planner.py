"""One plan from a desired host and an inventory."""

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.management import management_of
from esxforge_target.inventory.model import Inventory
from esxforge_target.plan.differences import differences, network_differences, storage_differences
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import layout_of
from esxforge_target.plan.network import plan_network
from esxforge_target.plan.restore import LEASES, changed_parts, restore_network
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, STORAGE, Expectation, Plan, Step
from esxforge_target.plan.storage import plan_storage


def make_plan(desired: DesiredHost, inventory: Inventory) -> Plan:
    """The steps that turn the host of ``inventory`` into the desired one; none where it is that already.

    With errors there are no steps. After the steps have run, a new inventory planned again gives no steps; where DHCP
    answered otherwise than expected it gives those that remain, so plan and apply again, two or three times at most.
    """
    layout = layout_of(desired, inventory)
    draft = Draft()
    if not layout.errors:
        plan_network(desired, layout, inventory, draft)
    plan_storage(desired, inventory, draft)
    errors = layout.errors + tuple(draft.errors)
    management = management_of(desired)
    notices = list(desired.notices)
    if management is not None:
        notices.append(
            "network {}: it is for management (vmk0), because {}.".format(management.interface.name, management.reason)
        )
    notices += list(layout.notices) + draft.notices
    return Plan(() if errors else draft.steps(), tuple(notices), errors)
