"""Run by old Pythons in a child process: documents in, actions out. Python 3.5 syntax.

Arguments: the directory that stands for the host's root. Documents come on stdin, as JSON.
"""

import json
import sys

from esxforge_target.cloud_data.execution import Host, apply_plan
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.cloud_data.plans import plan_user_data, plan_vendor_data
from esxforge_target.runtime.commands import ProcessRunner


def main(root: str) -> None:
    documents = json.load(sys.stdin)
    host = Host(HostFiles(root), ProcessRunner(), print)
    for text in documents["vendor"]:
        plan = plan_vendor_data(text.encode("utf-8"), (6, 7))
        print([type(action).__name__ for action in plan.actions], len(plan.vcenter), plan.problems)
    for text in documents["user"]:
        plan = plan_user_data(text.encode("utf-8"), (8, 0))
        print(len(apply_plan(plan, host).done), plan.problems)


main(*sys.argv[1:])
