"""The smaller programs: saving, certificates, UEFI boot order, vsish, esxcfg-*, services, power."""

import io
import json
import os
import tarfile
from typing import Callable, Dict, List

from esxforge_target.runtime.commands import COULD_NOT_START, TIMED_OUT
from standin.esxi import nics, reach, routes, system, vimcmd
from standin.esxi.disks import DIRECTORY, disks
from standin.esxi.errors import CommandError, PowerLost
from standin.esxi.host import Host
from standin.esxi.output import as_text
from standin.esxi.store import Document, tree_digests
from standin.esxi.volumes import volumes

BOOT_ORDER_HELP = """usage: bootorder [options]
  -h          show this help
  -l          list the boot options
  -n NUMBER   set the option for the next boot only
  -o LIST     set the boot order, as 0001,0000
"""
Program = Callable[[Host, List[str]], str]


def _auto_backup(host: Host, arguments: List[str]) -> str:
    """As backup.sh, but where nothing differs from what is saved it does nothing."""
    state = os.path.join(host.store.root("/bootbank"), "state.tgz")
    before = host.store["saved"], tree_digests(host.store.path("saved-etc"))
    if os.path.isfile(state) and before[0] == host.store["running"]:
        host.store.save_configuration()
        if tree_digests(host.store.path("saved-etc")) == before[1]:
            return ""
    return save(host, arguments)


def save(host: Host, arguments: List[str]) -> str:
    """backup.sh: the configuration goes to state.tgz in the boot bank."""
    bank = host.store.root("/bootbank")
    if not os.path.isdir(bank) or not os.path.isfile(os.path.join(bank, "boot.cfg")):
        raise CommandError("Bootbank cannot be found at path '/bootbank'", 1)
    host.store.save_configuration()
    write_state(os.path.join(bank, "state.tgz"), host.store["saved"], host.store.path("saved-etc"))
    return "Saving current state in /bootbank\nClock updated.\n"


def write_state(path: str, saved: Document, etc: str) -> None:
    """state.tgz: the saved configuration and the files of /etc, so that they come back when a boot unpacks it."""
    data = json.dumps(saved, sort_keys=True).encode("utf-8")
    with open(path + ".new", "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            member = tarfile.TarInfo("var/lib/standin/saved.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            archive.add(etc, "etc")
        os.fsync(stream.fileno())
    os.replace(path + ".new", path)
    os.sync()  # else a power cut may still find the old one: on FAT the directory's entry is written with its inode


def _backup(host: Host, arguments: List[str]) -> str:
    if not arguments or arguments[0] not in ("0", "1"):
        raise CommandError("usage: backup.sh <0|1> [path]", 1)
    return save(host, arguments)


def _certificates(host: Host, arguments: List[str]) -> str:
    directory = host.store.root("/etc/vmware/ssl")
    os.makedirs(directory, exist_ok=True)
    name = system.full_name(host)
    for file, text in (("rui.crt", f"certificate of {name}\n"), ("rui.key", f"key of {name}\n")):
        with open(os.path.join(directory, file), "w", encoding="utf-8") as stream:
            stream.write(text)
    return ""


def _boot_order(host: Host, arguments: List[str]) -> str:
    """``-l`` and ``-h`` are documented; how the order is set is not public, and invented here (``-o 0001,0000``)."""
    entries = host.hardware["boot_entries"]
    if arguments in (["-h"], ["--help"]):
        return BOOT_ORDER_HELP
    if len(arguments) == 2 and arguments[0] == "-o":
        desired = arguments[1].split(",")
        if sorted(desired) != sorted(entry["id"] for entry in entries):
            raise CommandError("bootorder: invalid order {}".format(" ".join(arguments)), 1)
        entries.sort(key=lambda entry: desired.index(entry["id"]))
        return ""
    if arguments != ["-l"]:
        raise CommandError(BOOT_ORDER_HELP, 1)
    return "".join("Boot{}* {}\n".format(entry["id"], entry["name"]) for entry in entries)


def _secure_boot_check(host: Host, arguments: List[str]) -> str:
    """The two sentences are documented; what stands beside them is invented."""
    setting = host.dial("secure-boot-check")
    if setting == "missing":
        raise CommandError("secureBoot.py: No such file or directory", COULD_NOT_START)
    if setting == "hangs":
        raise CommandError("not finished", TIMED_OUT)
    if arguments != ["-c"]:
        raise CommandError("usage: secureBoot.py [-a | -c | -s]", 2)
    if setting == "cannot":
        return "Secure boot CANNOT be enabled: Failed to verify signatures of the following vib(s): [net-community].\n"
    if os.path.exists(host.store.root("/tardisks/esxforge.tgz")):
        return "Secure boot CANNOT be enabled: Failed to validate the following tardisk(s): [esxforge.tgz].\n"
    return "Secure boot can be enabled: All vib signatures verified. All tardisks validated.\n"


def _vsish(host: Host, arguments: List[str]) -> str:
    if len(arguments) == 3 and arguments[:2] == ["-e", "ls"] and arguments[2].rstrip("/") == "/net/pNics":
        return "".join("{}/\n".format(nic["name"]) for nic in host.nics())
    if len(arguments) == 3 and arguments[:2] == ["-e", "get"]:
        words = arguments[2].strip("/").split("/")
        if words[:2] == ["net", "pNics"] and words[3:] == ["properties"]:
            nic = host.nic(words[2])
            return "properties {{\n   Driver Name:{}\n   Current MTU:{}\n   Link Status:{}\n}}\n".format(
                nic["driver"], nics.nic_mtu(host, nic["name"]), int(nics.link_is_up(host, nic["name"]))
            )
    raise CommandError("VSISHCmdGetInt():Get failed: Not found", 255)


def _esxcfg_nics(host: Host, arguments: List[str]) -> str:
    _only_list(arguments, "esxcfg-nics")
    lines = ["Name    PCI          Driver      Link Speed      Duplex MAC Address       MTU    Description\n"]
    for nic in host.nics():
        up = nics.link_is_up(host, nic["name"])
        lines.append(
            f"{nic['name']:<8}{nic['pci']:<13}{nic['driver']:<12}{'Up' if up else 'Down':<5}"
            f"{nic['speed'] if up else 0}Mbps   {'Full' if up else 'Half':<7}{nic['mac']:<18}"
            f"{nics.nic_mtu(host, nic['name']):<7}{nic['description']}\n"
        )
    return "".join(lines)


def _only_list(arguments: List[str], program: str) -> None:
    if arguments not in (["-l"], ["--list"]):
        raise CommandError("{}: unsupported options: {}".format(program, " ".join(arguments)), 1)


def _esxcfg_vmknic(host: Host, arguments: List[str]) -> str:
    _only_list(arguments, "esxcfg-vmknic")
    head = (
        "Interface  Port Group/DVPort/Opaque Network        IP Family "
        "IP Address      Netmask         MAC Address       MTU\n"
    )
    lines = [head]
    for vmk in host.interfaces():
        lines.append(
            f"{vmk['name']:<11}{vmk['portgroup']:<40}{'IPv4':<10}{vmk['ipv4']['address'] or 'N/A':<16}"
            f"{vmk['ipv4']['netmask'] or 'N/A':<16}{vmk['mac']:<18}{vmk['mtu']}\n"
        )
    return "".join(lines)


def _esxcfg_route(host: Host, arguments: List[str]) -> str:
    if arguments:
        _only_list(arguments, "esxcfg-route")
    rows = routes.list_ipv4(host, {}).rows
    lines = ["VMkernel Routes:\nNetwork          Netmask          Gateway          Interface\n"]
    for row in rows:
        gateway = "Local Subnet" if row["Gateway"] == "0.0.0.0" else row["Gateway"]
        lines.append(f"{row['Network']:<17}{row['Netmask']:<17}{gateway:<17}{row['Interface']}\n")
    return "".join(lines)


def _esxcfg_advcfg(host: Host, arguments: List[str]) -> str:
    if len(arguments) == 2 and arguments[0] in ("-g", "--get"):
        value = system.advanced(host, arguments[1])["value"]
        return "Value of {} is {}\n".format(arguments[1].rpartition("/")[2], as_text(value))
    if len(arguments) == 3 and arguments[0] in ("-s", "--set"):
        number = system.advanced(host, arguments[2])["type"] == "integer"
        if number and not arguments[1].isdigit():
            raise CommandError(f"Invalid value {arguments[1]}", 1)
        system.set_advanced(host, arguments[2], int(arguments[1]) if number else arguments[1])
        return "Value of {} is {}\n".format(arguments[2].rpartition("/")[2], arguments[1])
    raise CommandError("esxcfg-advcfg: unsupported options: {}".format(" ".join(arguments)), 1)


def _esxcfg_scsidevs(host: Host, arguments: List[str]) -> str:
    if arguments in (["-m"], ["--vmfs"]):
        lines = []
        for volume in volumes(host):
            for number, (device, partition, _) in enumerate(volume["extents"]):
                name = f"{device}:{partition}"
                lines.append(f"{name:<70} {DIRECTORY}/{name} {volume['uuid']}  {number}  {volume['label']}\n")
        return "".join(lines)
    if arguments in (["-c"], ["--compact-list"]):
        head = "Device UID  Device Type  Console Device  Size  Multipath PluginDisplay Name\n"
        rows = [
            f"{one['name']}  Direct-Access  {DIRECTORY}/{one['name']}  {one['bytes'] >> 20}MB  NMP  {one['model']}\n"
            for one in disks(host)
        ]
        return head + "".join(rows)
    raise CommandError("esxcfg-scsidevs: unsupported options: {}".format(" ".join(arguments)), 1)


def _esxcfg_volume(host: Host, arguments: List[str]) -> str:
    _only_list(arguments, "esxcfg-volume")
    return ""  # no volume looks like a copy of another one


def _hostd(host: Host, arguments: List[str]) -> str:
    power = host.store["power"]
    up = power["hostd_refusals"] == 0 and power["hostd"]
    if arguments == ["status"]:
        if not up:
            raise CommandError("hostd is not running.", 3)
        return "hostd is running.\n"
    if arguments in (["restart"], ["start"]):
        power.update(hostd=True, hostd_refusals=host.hardware["hostd_delay"])
        return "hostd started.\n"
    if arguments == ["stop"]:
        power["hostd"] = False
        return "hostd stopped.\n"
    raise CommandError("Usage: hostd {start|stop|restart|status}", 1)


def _ssh(host: Host, arguments: List[str]) -> str:
    service = host.running["services"]["TSM-SSH"]
    if arguments == ["status"]:
        return "SSH is {}\n".format("running" if service["running"] else "not running")
    if arguments not in (["start"], ["stop"], ["restart"]):
        raise CommandError("Usage: SSH {start|stop|restart|status}", 1)
    service["running"] = arguments != ["stop"]
    return ""


def _chkconfig(host: Host, arguments: List[str]) -> str:
    if arguments != ["--list"]:
        raise CommandError("chkconfig: only --list is known here", 1)
    scripts = {"ESXShell": "TSM", "SSH": "TSM-SSH"}
    on = {name: host.running["services"][key]["policy"] for name, key in scripts.items()}
    return "".join("{:<24}{}\n".format(name, "on" if on[name] else "off") for name in sorted(on))


def _vmkping(host: Host, arguments: List[str]) -> str:
    words = [word for word in arguments if word not in ("-4", "-6")]
    for option in ("-c", "-W", "-I"):
        if option in words:
            at = words.index(option)
            del words[at : at + 2]
    if len(words) != 1:
        raise CommandError("vmkping: usage: vmkping [-c count] [-W seconds] host", 1)
    received = 0 if reach.why_not(host, words[0]) else 1
    text = (
        f"PING {words[0]} ({words[0]}): 56 data bytes\n\n--- {words[0]} ping statistics ---\n"
        f"1 packets transmitted, {received} packets received, {100 - 100 * received}% packet loss\n"
    )
    if not received:
        raise CommandError(text, 2)
    return text


def _power(kind: str) -> Program:
    def end(host: Host, arguments: List[str]) -> str:
        host.store.save_configuration()
        host.store["power"]["ending"] = kind
        raise PowerLost(kind)

    return end


def _hostname(host: Host, arguments: List[str]) -> str:
    if arguments:
        raise CommandError("hostname: use esxcli system hostname set", 1)
    return system.full_name(host) + "\n"


# By the last part of the path; `needs` of hostd stands in fake.py.
PROGRAMS: Dict[str, Program] = {
    "auto-backup.sh": _auto_backup,
    "backup.sh": _backup,
    "generate-certificates": _certificates,
    "bootorder": _boot_order,
    "secureBoot.py": _secure_boot_check,
    "vmkping": _vmkping,
    "vsish": _vsish,
    "vim-cmd": vimcmd.run,
    "esxcfg-nics": _esxcfg_nics,
    "esxcfg-vmknic": _esxcfg_vmknic,
    "esxcfg-route": _esxcfg_route,
    "esxcfg-advcfg": _esxcfg_advcfg,
    "esxcfg-scsidevs": _esxcfg_scsidevs,
    "esxcfg-volume": _esxcfg_volume,
    "hostd": _hostd,
    "SSH": _ssh,
    "chkconfig": _chkconfig,
    "hostname": _hostname,
    "reboot": _power("reboot"),
    "poweroff": _power("poweroff"),
    "halt": _power("poweroff"),
}
