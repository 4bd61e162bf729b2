"""``python3 -m standin.curtin``: deploy, then restart the machine, however that ended."""

from __future__ import annotations

import json
import subprocess
import sys

from standin.curtin import bank_loader, layers
from standin.curtin.choices import kernel_parameter, lookup_disk
from standin.curtin.install import Installation
from standin.curtin.machine import Machine, start_network, text_of
from standin.curtin.reporting import MaasClient, Reporter, get, poster


def deploy(command_line: str) -> bool:
    """From the kernel's command line to an installed image; False where the installation failed."""
    start_network(kernel_parameter(command_line, "BOOTIF"))
    preseed = json.loads(get(kernel_parameter(command_line, "cloud-config-url")).decode("ascii"))
    datasource = preseed["datasource"]["MAAS"]
    told = json.loads(MaasClient(datasource).request(f"{datasource['metadata_url']}/latest/user-data").decode("ascii"))
    maas = told["config"]["reporting"]["maas"]
    installation = Installation(told["config"], told["source"], Machine(), Reporter(poster(maas, maas["endpoint"])))
    try:
        installation.run()
    except Exception as error:
        print(f"curtin: {error}", flush=True)
        return False
    return True


def main() -> int:
    """What the ephemeral system does after its start."""
    command_line = text_of("/proc/cmdline")
    words = command_line.split()
    if any(word.startswith(f"{layers.PARAMETER}=") for word in words):
        devices = Machine().devices()
        layers.make(
            *(lookup_disk(devices, serial) for serial in kernel_parameter(command_line, layers.PARAMETER).split(","))
        )
    done = deploy(command_line)
    if done and bank_loader.WORD in words:
        bank_loader.enter("/dev/sda")
    # cloud-init restarts the machine whatever curtin's status was: MAAS wrote power_state when it was Deploying
    # (maasserver/compose_preseed.py). Where it starts from then is MAAS's affair: see op=netboot_off.
    print(f"curtin: the installation {'went well' if done else 'failed'}; the machine restarts", flush=True)
    subprocess.run(["sync"], check=True)
    return subprocess.run(["reboot", "-f"], check=True).returncode


sys.exit(main())
