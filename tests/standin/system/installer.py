"""ESXi's installer: what it does with a kickstart, and that it asks and installs nothing without one."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from standin.esxi import label as labels
from standin.esxi.fake import FakeEsxi
from standin.system import commands, kickstart, linux_disks, machine, power, server
from standin.system.boot_cfg import LoaderError
from standin.system.console import log, say, wait_for_ever
from standin.system.install import InstallError, NewHost, crypted, install
from standin.system.kickstart import Command, Kickstart, Section
from standin.system.linux_disks import LinuxDisk, find_disks
from standin.system.loader import Loaded, find, mounted

_INTERPRETERS = {"busybox": "/bin/sh", "python": "/bin/python"}
_USB_TRIES, _USB_PAUSE = 3, 10.0
LOG = Path("/var/log/weasel.log")


def run(loaded: Loaded) -> None:
    """Play the installer to its end. It does not return."""
    told = machine.release()
    fake = machine.power_on(None)
    server.start(commands.run)
    log(f"VMware ESXi {told['version']} build-{told['build']} installer: weasel starts")
    options = [word for word in loaded.options if word.startswith("ks=")]
    if not options:
        _interactive(told["version"])
    try:
        _scripted(fake, loaded, options[-1].partition("=")[2])
    except InstallError as error:
        say("\nAn error has occurred during the installation.")
        say(str(error))
        say("(Enter) Reboot")
        wait_for_ever()


def _interactive(version: str) -> None:
    say(f"\nWelcome to the VMware ESXi {version} Installation")
    say("This is the interactive installer; it installs nothing until somebody tells it to.")
    say("(Esc) Cancel    (Enter) Continue")
    wait_for_ever()


def _scripted(fake: FakeEsxi, loaded: Loaded, place: str) -> None:
    say(f"Scripted installation: {place}")
    name, data = _fetch(place, loaded)
    for section in kickstart.read_sections(name, data).scripts("%pre"):
        _run_script(section)
    read = kickstart.read(name, data, lambda path: Path(path.removeprefix("file://")).read_bytes())
    for warning in read.warnings:
        say(warning)
    if read.errors:
        say("\nAn error has occurred while parsing the installation script")
        for error in read.errors:
            say(error)
        say("(Enter) Reboot")
        wait_for_ever()
    if read.command("dryrun"):
        say("dryrun: nothing is installed. Powering off.")
        power.end("poweroff")
    _install(fake, loaded, read)
    for section in read.scripts("%post"):
        _run_script(section)
    say("Installation Complete")
    if read.command("reboot"):
        say("Rebooting server")
        power.end("reboot")
    say("(Enter) Reboot")
    wait_for_ever()


def _install(fake: FakeEsxi, loaded: Loaded, read: Kickstart) -> None:
    for command in (one for one in read.commands if one.name == "clearpart"):
        _clear(fake, command)
    chosen = read.command("install", "installorupgrade", "upgrade")
    assert chosen is not None
    if chosen.name == "upgrade":
        raise InstallError("upgrade: there is no earlier ESXi that the stand-in could upgrade.")
    if not fake.hardware["nics"]:
        raise InstallError("No network adapters were detected.")
    if "--overwritevsan" in chosen.options:
        raise InstallError("install --overwritevsan specified but the disk is not claimed by vSAN.")
    disk = _choose_disk(fake, chosen)
    say(f"Installing ESXi {machine.release()['version']} on {disk}")
    install(
        fake, disk, loaded, _new_host(fake, read),
        overwrite_vmfs="--overwritevmfs" in chosen.options, datastore="--novmfsondisk" not in chosen.options,
    )  # fmt: skip


def _clear(fake: FakeEsxi, command: Command) -> None:
    options = command.options
    names = [disk["name"] for disk in fake.hardware["disks"]]
    if "--drives" in options:
        chosen = [_disk_name(one) for one in options["--drives"].split(",")]
    elif "--firstdisk" in options:
        chosen = _by_first_disk(fake, options["--firstdisk"])[:1]
    else:
        spared = {_disk_name(one) for one in options.get("--ignoredrives", "").split(",")}
        chosen = [name for name in names if name not in spared]
    for disk in fake.hardware["disks"]:
        if disk["name"] not in chosen:
            continue
        try:
            kinds = [one.type for one in labels.read_primary(disk["path"]).partitions.values()]
        except labels.LabelError:
            continue
        if labels.VMFS in kinds and "--overwritevmfs" not in options:
            raise InstallError(f"clearpart --overwritevmfs not specified but {disk['name']} contains a VMFS partition")
        machine.forget_volumes(fake, disk["node"])
        labels.erase(disk["path"])
    with fake.edit() as host:
        linux_disks.make_nodes(host.hardware["disks"])


def _choose_disk(fake: FakeEsxi, command: Command) -> str:
    options = command.options
    if "--firstdisk" in options:
        found = _by_first_disk(fake, options["--firstdisk"])
        if not found:
            raise InstallError("No suitable disk was found for --firstdisk.")
        return found[0]
    name = _disk_name(options.get("--disk") or options.get("--drive") or "")
    vml = {disk["vml"]: disk["name"] for disk in fake.hardware["disks"]}
    return str(vml.get(name, name))


def _by_first_disk(fake: FakeEsxi, kinds: str) -> list[str]:
    """Disks in the order of ``--firstdisk=local,remote,usb,MODEL,…``; local ones but no USB disks without it."""
    found = []
    for kind in (kinds or "local").split(","):
        for disk in fake.hardware["disks"]:
            usb = disk["kind"] == "usb"
            fits = {"local": not usb, "usb": usb, "remote": False}.get(
                kind, kind in (disk["model"], disk["vendor"], disk["driver"])
            )
            if fits and disk["name"] not in found:
                found.append(disk["name"])
    return found


def _disk_name(text: str) -> str:
    return os.path.basename(text)


def _new_host(fake: FakeEsxi, read: Kickstart) -> NewHost:
    configuration = fake.running
    _set_network(fake, configuration, read.command("network"))
    password = read.command("rootpw")
    assert password is not None
    word = password.words[0]
    hashed = word if "--iscrypted" in password.options else crypted(word)
    return NewHost(configuration, f"root:{hashed}:13358:0:99999:7:::", read.scripts("%firstboot"))


def _set_network(fake: FakeEsxi, configuration: dict, command: Command | None) -> None:  # type: ignore[type-arg]
    options = command.options if command else {}
    vmk, switch = configuration["interfaces"]["vmk0"], configuration["vswitches"]["vSwitch0"]
    device = options.get("--device", "")
    if device:
        nics = [nic for nic in fake.hardware["nics"] if device.lower() in (nic["name"], nic["mac"].lower())]
        if not nics:
            raise InstallError(f"network --device={device}: there is no such NIC.")
        switch["uplinks"] = [nics[0]["name"]]
        switch["failover"]["active"] = [nics[0]["name"]]
        vmk["mac"] = nics[0]["mac"]
    configuration["portgroups"]["Management Network"]["vlan"] = int(options.get("--vlanid", "0"))
    stack = configuration["netstacks"]["defaultTcpipStack"]
    if options.get("--bootproto") == "static":
        vmk["ipv4"].update(
            type="static", address=options["--ip"], netmask=options["--netmask"], peer_dns=False, lease=None
        )
        if "--gateway" in options:
            stack["routes"] = [{"network": "0.0.0.0/0", "gateway": options["--gateway"], "interface": "vmk0",
                                "source": "MANUAL"}]  # fmt: skip
    if "--nameserver" in options:
        stack["dns"] = [one.strip() for one in options["--nameserver"].split(",")]
    name = options.get("--hostname", "")
    if name:
        configuration["hostname"], _, configuration["domain"] = name.partition(".")


def _run_script(section: Section) -> None:
    interpreter = _INTERPRETERS[section.interpreter]
    say(f"Running {section.kind} ({section.interpreter})")
    path = Path(f"/tmp/{section.kind[1:]}-script")
    path.write_text(section.text + "\n")
    limit = float(section.options.get("--timeout", "0")) or None
    with LOG.open("ab") as output:
        try:
            status = subprocess.run([interpreter, str(path)], stdout=output, stderr=output, check=False,
                                    timeout=limit, cwd="/").returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            status = 124
    if status and section.options.get("--ignorefailure", "false").lower() != "true":
        tail = LOG.read_text(errors="replace").splitlines()[-20:]
        raise InstallError(f"The {section.kind} script failed with exit status {status}:\n" + "\n".join(tail))


def _fetch(place: str, loaded: Loaded) -> tuple[str, bytes]:
    """The kickstart's name and content. Raises :class:`InstallError` when it is not there."""
    if place.startswith("file://"):
        path = place[7:]
        try:
            return path, Path(path).read_bytes()
        except OSError as error:
            raise _not_found(path, error.strerror or "") from error
    if place.startswith("cdrom:"):
        return _from_volume("/dev/sr0", "iso9660", place.partition(":")[2])
    if place == "usb" or place.startswith("usb:"):
        return _from_usb(place.partition(":")[2] or "/ks.cfg")
    raise _not_found(place, "the stand-in has no network in its installer")


def _from_usb(path: str) -> tuple[str, bytes]:
    # Only disks of the USB storage driver, whatever else has a FAT volume with such a file.
    for attempt in range(_USB_TRIES):
        for disk in (one for one in find_disks() if one.kind == "usb"):
            for device in _volumes_of(disk):
                try:
                    return _from_volume(device, "vfat", path)
                except InstallError:
                    continue
        if attempt < _USB_TRIES - 1:
            time.sleep(_USB_PAUSE)
    raise _not_found(path, "on no USB disk")


def _volumes_of(disk: LinuxDisk) -> list[str]:
    partitions = linux_disks.kernel_partitions(disk.node)
    return [f"/dev/{name}" for name, _, _ in partitions.values()] or [disk.path]


def _from_volume(device: str, kind: str, path: str) -> tuple[str, bytes]:
    try:
        with mounted(device, kind, where=Path("/run/kickstart")) as root:
            file = find(root, path)
            if file is None or not file.is_file():
                raise _not_found(path, f"not on {device}")
            return path, file.read_bytes()
    except LoaderError as error:
        raise _not_found(path, str(error)) from error


def _not_found(path: str, why: str) -> InstallError:
    return InstallError(f"Could not open the kickstart file {path}: {why}")
