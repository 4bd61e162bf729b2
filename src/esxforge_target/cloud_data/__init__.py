"""vendor-data and user-data: what MAAS and the owner ask of a host besides network and disks."""

from esxforge_target.cloud_data.actions import Plan
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.cloud_data.execution import Host, Outcome, apply_plan
from esxforge_target.cloud_data.plans import plan_user_data, plan_vendor_data

__all__ = ["CloudDataError", "Host", "Outcome", "Plan", "apply_plan", "plan_user_data", "plan_vendor_data"]
