"""Run by old Pythons in a child process: what goes over the network to vCenter. Python 3.5 syntax.

A JSON document on stdin: the vCenter document, the trust, the folder that stands for the host's root, its address.
"""

import json
import sys

from esxforge_target.cloud_data.execution import Host
from esxforge_target.cloud_data.files import HostFiles
from esxforge_target.runtime.commands import ProcessRunner
from esxforge_target.vcenter.desired import DesiredVcenter, parse_settings
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.join import find_folder, own_thumbprint
from esxforge_target.vcenter.session import Session
from esxforge_target.vcenter.tls import Trust


def main() -> None:
    given = json.load(sys.stdin)
    desired = parse_settings(given["document"])
    host = Host(HostFiles(given["root"]), ProcessRunner(), print)
    for trust in given["trusts"]:
        try_with(Trust(**trust), desired, host, given["address"])


def try_with(trust: Trust, desired: DesiredVcenter, host: Host, address: str) -> None:
    try:
        with Session(desired, trust) as session:
            spec = {
                "hostname": address,
                "user_name": "x",
                "password": "x",
                "folder": find_folder(session, desired),
                "thumbprint_verification": "THUMBPRINT",
                "thumbprint": own_thumbprint(host),
            }
            print(session.dialect, spec["folder"], session.add_host(spec, 30))
    except VcenterError as error:
        print(error)


main()
