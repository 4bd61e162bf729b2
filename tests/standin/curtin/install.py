"""The installation: disks wiped, image written, hook run, log left, MAAS told."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from standin.curtin import machine
from standin.curtin.choices import InstallationError, boot_device, kernel_parameter, wiped_devices
from standin.curtin.stages import MaasClient, Stages, get

LOG = "/tmp/install.log"
_WORK = "/tmp/tmpcurtin"
_TARGET = f"{_WORK}/target"


def partition_with_hook(partitions: list[str], log: machine.Log) -> str:
    """Mount each in turn: the last one that has a directory curtin. Raises InstallationError."""
    found = None
    for partition in partitions:
        directory = f"{_WORK}/try"
        if not machine.mount(partition, directory):
            log.say(f"{partition} cannot be mounted")
            continue
        if os.path.isdir(f"{directory}/curtin"):
            found = partition
        machine.unmount(directory)
    if found is None:
        raise InstallationError("Did not find any filesystem with the directory curtin on the image")
    return found


def environment_of(config_path: str) -> dict[str, str]:
    """What curtin gives to a hook."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "CONFIG": config_path,
        "TARGET_MOUNT_POINT": _TARGET,
        "WORKING_DIR": _WORK,
        "OUTPUT_NETWORK_CONFIG": f"{_WORK}/state/network_config",
        "OUTPUT_FSTAB": f"{_WORK}/state/fstab",
        "PYTHONPATH": "/curtin",
    }


def run_hook(config: Mapping[str, Any], log: machine.Log) -> None:
    """curtin/curtin-hooks of the image, by its #! line. Raises InstallationError."""
    os.makedirs(f"{_WORK}/state", exist_ok=True)
    config_path = f"{_WORK}/state/config"
    with open(config_path, "w", encoding="ascii") as file:
        json.dump(config, file)
    hook = f"{_TARGET}/curtin/curtin-hooks"
    log.say(f"Running command ['{hook}']")
    process = subprocess.Popen(
        [hook], env=environment_of(config_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    for line in process.stdout:
        log.say(line.decode("utf-8", "replace"))
    if process.wait():
        raise InstallationError(
            f"Unexpected error while running command.\nCommand: ['{hook}']\nExit code: {process.returncode}"
        )


def leave(name: str, data: bytes) -> None:
    """A file of curtin's own in the target's root/."""
    os.makedirs(f"{_TARGET}/root", exist_ok=True)
    with open(f"{_TARGET}/root/{name}", "wb") as file:
        file.write(data)
    subprocess.run(["sync"], check=True)


def run_late_commands(config: Mapping[str, Any], log: machine.Log) -> None:
    """What MAAS wants done last. busybox's wget knows no --no-proxy, and there is no proxy here."""
    for name, command in sorted(config.get("late_commands", {}).items()):
        log.say(f"late command {name}")
        words = [word for word in command if word != "--no-proxy"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def install(config: Mapping[str, Any], source: str, stages: Stages, log: machine.Log) -> None:
    """All stages, in curtin's order. Raises what fails."""
    by_id = machine.write_udev_database()

    def partitioning() -> None:
        device = boot_device(config, by_id, [f"/dev/{name}" for name in machine.whole_disks()], log.say)
        for wiped in wiped_devices(config, by_id, device):
            machine.wipe(wiped)
        log.say(f"writing {source} to {device}")
        machine.write_image(source, device, log)
        chosen = partition_with_hook(machine.partitions_of(device), log)
        if not machine.mount(chosen, _TARGET):
            raise InstallationError(f"{chosen} cannot be mounted again")

    def hooks() -> None:
        leave("curtin-install-cfg.yaml", json.dumps(config).encode("ascii"))
        run_hook(config, log)

    stages.run("cmd-install/stage-partitioning", "configuring storage", partitioning)
    try:
        stages.run("cmd-install/stage-curthooks", "configuring installed system", hooks)
        stages.run("cmd-install/stage-late", "executing late commands", lambda: run_late_commands(config, log))
        log.say("Installation finished.")
    finally:
        leave("curtin-install.log", log.read())
        machine.unmount(_TARGET)


def deploy() -> bool:
    """From the kernel's command line to an installed image; whether it went. MAAS knows in either case."""
    log = machine.Log(LOG)
    command_line = machine.text_of("/proc/cmdline")
    machine.start_network(kernel_parameter(command_line, "BOOTIF"))
    preseed = json.loads(get(kernel_parameter(command_line, "cloud-config-url")).decode("ascii"))
    datasource = preseed["datasource"]["MAAS"]
    told = json.loads(MaasClient(datasource).request(f"{datasource['metadata_url']}/latest/user-data").decode("ascii"))
    reporting = told["config"]["reporting"]["maas"]
    stages = Stages(MaasClient(reporting), reporting["endpoint"])

    def everything() -> None:
        try:
            install(told["config"], told["source"], stages, log)
        except Exception as error:
            log.say(f"curtin: Installation failed with exception: {error}")
            raise

    try:
        stages.run("cmd-install", "curtin command install", everything, lambda: [(LOG, log.read())])
    except (InstallationError, OSError, subprocess.SubprocessError):
        return False
    return True
