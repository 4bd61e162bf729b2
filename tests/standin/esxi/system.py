"""esxcli system: version, uuid, hostname, ntp, maintenanceMode, account, settings advanced, shutdown, boot device."""

import ipaddress
import re
from typing import Any, Dict, List

from standin.esxi.disks import bank_uuid
from standin.esxi.errors import CommandError, PowerLost
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, Row, fields, listing, record, scalar, table

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")
ADVANCED_FIELDS = fields(
    "Path", "Type", "Int Value", "Default Int Value", "Min Value", "Max Value", "String Value", "Default String Value",
    "Valid Characters", "Description",
)  # fmt: skip


def _version(host: Host, options: Options) -> Output:
    hardware = host.hardware
    row = {
        "Product": "VMware ESXi",
        "Version": hardware["release"],
        "Build": "Releasebuild-{}".format(hardware["build"]),
        "Update": hardware["update"],
        "Patch": hardware["patch"],
    }
    return record("VersionGet", fields("Product", "Version", "Build", "Update", "Patch"), row)


def _hostname(host: Host, options: Options) -> Output:
    name, domain = host.running["hostname"], host.running["domain"]
    row = {"Domain Name": domain, "Fully Qualified Domain Name": full_name(host), "Host Name": name}
    return record("HostnameInfo", fields("Domain Name", "Fully Qualified Domain Name", "Host Name"), row)


def full_name(host: Host) -> str:
    domain = host.running["domain"]
    return str(host.running["hostname"]) + ("." + domain if domain else "")


def _set_hostname(host: Host, options: Options) -> None:
    if not options:
        raise CommandError("Error: Must specify at least one of host, domain, fqdn")
    if "fqdn" in options:
        if "host" in options or "domain" in options:
            raise CommandError("Invalid: fqdn can not be combined with host or domain")
        name, _, domain = options["fqdn"].partition(".")
        if host.dial("host-name") == "domain":
            name = host.running["hostname"]
        elif host.dial("host-name") == "host":
            domain = host.running["domain"]
    else:
        name = options.get("host", host.running["hostname"])
        domain = options.get("domain", host.running["domain"])
    labels = [name] + (domain.split(".") if domain else [])
    if not all(NAME.match(label) for label in labels) or len(".".join(labels)) > 253:
        raise CommandError("Invalid host name: {}".format(".".join(labels)))
    host.running["hostname"], host.running["domain"] = name, domain


def _ntp(host: Host, options: Options) -> Output:
    _ntp_supported(host)
    ntp = host.running["ntp"]
    row = {"Enabled": ntp["enabled"], "Loglevel": "warning", "PID": "2100201" if ntp["enabled"] else "", "Runtime": ""}
    row["Server"] = list(ntp["servers"])
    return record("NtpConfig", fields("Enabled:boolean", "Loglevel", "PID", "Runtime", "Server:list"), row)


def _ntp_supported(host: Host) -> None:
    if host.release < [7, 0]:
        raise CommandError("Error: Unknown command or namespace system ntp")


def _set_ntp(host: Host, options: Options) -> None:
    _ntp_supported(host)
    ntp = host.running["ntp"]
    if options.get("reset"):
        ntp.update(enabled=False, servers=[])
    for server in options["server"]:
        if not NAME.match(server.split(".")[0]) and not _is_address(server):
            raise CommandError(f"Invalid NTP server: {server}")
    if options["server"]:
        ntp["servers"] = list(options["server"])
    if "enabled" in options:
        if options["enabled"] and not ntp["servers"]:
            raise CommandError("Unable to enable NTP: no servers configured")
        ntp["enabled"] = options["enabled"]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _maintenance(host: Host, options: Options) -> Output:
    return scalar("Enabled" if host.running["maintenance"] else "Disabled")


def _set_maintenance(host: Host, options: Options) -> None:
    if options["enable"] == host.running["maintenance"]:
        raise CommandError("Maintenance mode is already {}.".format("enabled" if options["enable"] else "disabled"))
    host.running["maintenance"] = options["enable"]


def _users(host: Host) -> Dict[str, str]:
    """Names and descriptions of the accounts in /etc/passwd."""
    with open(host.store.root("/etc/passwd"), encoding="utf-8") as stream:
        return {line.split(":")[0]: line.split(":")[4] for line in stream if line.count(":") == 6}


def _accounts(host: Host, options: Options) -> Output:
    rows = [{"User ID": name, "Description": text} for name, text in sorted(_users(host).items())]
    return table("UserAccount", fields("User ID", "Description"), rows)


def _add_account(host: Host, options: Options) -> None:
    name = options["id"]
    if name in _users(host):
        raise CommandError(f"The specified key, name, or identifier '{name}' already exists.")
    if not re.match(r"[a-z_][a-z0-9_-]{0,31}$", name):
        raise CommandError(f"Invalid user name {name}")
    if not options.get("password") or options.get("password") != options.get("password-confirmation"):
        raise CommandError("The passwords do not match or are empty")
    number = 1000 + len(_users(host))
    _append(host, "/etc/passwd", "{}:x:{}:1000:{}:/:/bin/sh".format(name, number, options.get("description", "")))
    _append(host, "/etc/shadow", f"{name}:*:18000:0:99999:7:::")


def _append(host: Host, path: str, line: str) -> None:
    with open(host.store.root(path), "a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def _remove_account(host: Host, options: Options) -> None:
    name = options["id"]
    if name == "root" or name not in _users(host):
        raise CommandError(f"User account '{name}' can not be removed")
    for path in ("/etc/passwd", "/etc/shadow"):
        with open(host.store.root(path), encoding="utf-8") as stream:
            lines = [line for line in stream if line.split(":")[0] != name]
        with open(host.store.root(path), "w", encoding="utf-8") as stream:
            stream.writelines(lines)
    host.running["permissions"].pop(name, None)


def _set_permission(host: Host, options: Options) -> None:
    if options["id"] not in _users(host):
        raise CommandError("User '{}' not found".format(options["id"]))
    host.running["permissions"][options["id"]] = options["role"]


def _permissions(host: Host, options: Options) -> Output:
    rows = [
        {"Principal": name, "Is Group": False, "Role": role, "Role Description": "Full access rights"}
        for name, role in sorted(host.running["permissions"].items())
    ]
    return table("Permission", fields("Principal", "Is Group:boolean", "Role", "Role Description"), rows)


def advanced(host: Host, path: str) -> Dict[str, Any]:
    found: Any = host.running["advanced"].get(path)
    if found is None:
        raise CommandError(f"Unable to find branch {path}")
    return dict(found)


def set_advanced(host: Host, path: str, value: Any) -> None:
    option = advanced(host, path)
    if option["type"] == "integer":
        if not isinstance(value, int) or not option["minimum"] <= value <= option["maximum"]:
            raise CommandError(
                f"Unable to set {path}: {value} is not between {option['minimum']} and {option['maximum']}"
            )
    elif not isinstance(value, str):
        raise CommandError(f"Unable to set {path}: it is a string")
    host.running["advanced"][path]["value"] = value


def _advanced_list(host: Host, options: Options) -> Output:
    paths: List[str] = sorted(host.running["advanced"])
    if "option" in options:
        advanced(host, options["option"])
        paths = [options["option"]]
    elif "tree" in options:
        paths = [path for path in paths if path.startswith(options["tree"].rstrip("/") + "/")]
    rows: List[Row] = []
    for path in paths:
        option = advanced(host, path)
        number = option["type"] == "integer"
        rows.append({
            "Path": path, "Type": option["type"], "Description": "",
            "Int Value": option["value"] if number else "", "Default Int Value": option["default"] if number else "",
            "Min Value": option.get("minimum", ""), "Max Value": option.get("maximum", ""),
            "String Value": "" if number else option["value"],
            "Default String Value": "" if number else option["default"],
            "Valid Characters": "" if number else "*",
        })  # fmt: skip
    return listing("AdvancedOption", ADVANCED_FIELDS, rows, "Path")


def _advanced_set(host: Host, options: Options) -> None:
    given = [key for key in ("default", "int-value", "string-value") if key in options]
    if len(given) != 1:
        raise CommandError("Error: Specify exactly one of default, int-value, string-value")
    path = options["option"]
    set_advanced(host, path, advanced(host, path)["default"] if given == ["default"] else options[given[0]])


def _shutdown(kind: str, host: Host, options: Options) -> None:
    # The real command insists on maintenance mode.
    if not host.running["maintenance"]:
        raise CommandError("The host is not in maintenance mode: enter it before shutting down or rebooting")
    host.store.save_configuration()
    host.store["power"]["ending"] = kind
    raise PowerLost(kind)


def _boot_device(host: Host, options: Options) -> Output:
    row = {"Boot Filesystem UUID": bank_uuid(host, 5), "Boot NIC": "", "Stateless Boot NIC": ""}
    return record("BootDevice", fields("Boot Filesystem UUID", "Boot NIC", "Stateless Boot NIC"), row)


SHUTDOWN = [Option("d", "delay", "long", limits=(10, 4294967295)), Option("r", "reason", required=True)]
ID = Option("i", "id", required=True)
COMMANDS = [
    Command("system version get", _version),
    Command("system uuid get", lambda host, options: scalar(host.running["uuid"])),
    Command("system hostname get", _hostname),
    Command(
        "system hostname set", _set_hostname, Option("H", "host"), Option("d", "domain"), Option("f", "fqdn"),
    ),
    Command("system ntp get", _ntp),
    Command(
        "system ntp set", _set_ntp, Option("s", "server", "list"), Option("e", "enabled", "bool"),
        Option("r", "reset", "flag"), Option("l", "loglevel"),
    ),
    Command("system maintenanceMode get", _maintenance),
    Command(
        "system maintenanceMode set", _set_maintenance, Option("e", "enable", "bool", required=True),
        Option("t", "timeout", "long"), Option("m", "vsanmode"),
    ),
    Command("system account list", _accounts),
    Command(
        "system account add", _add_account, ID, Option("p", "password"), Option("c", "password-confirmation"),
        Option("d", "description"), Option("s", "shell-access", "bool"),
    ),
    Command("system account remove", _remove_account, ID),
    Command("system permission list", _permissions),
    Command(
        "system permission set", _set_permission, ID,
        Option("r", "role", required=True, choices=("Admin", "ReadOnly", "NoAccess")),
        Option("g", "group", "flag"),
    ),
    Command("system settings advanced list", _advanced_list, Option("o", "option"), Option("t", "tree")),
    Command(
        "system settings advanced set", _advanced_set, Option("o", "option", required=True),
        Option("d", "default", "flag"),
        Option("i", "int-value", "long"), Option("s", "string-value"),
    ),
    Command("system shutdown reboot", lambda host, options: _shutdown("reboot", host, options), *SHUTDOWN),
    Command("system shutdown poweroff", lambda host, options: _shutdown("poweroff", host, options), *SHUTDOWN),
    Command("system boot device get", _boot_device),
]  # fmt: skip
