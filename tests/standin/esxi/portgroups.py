"""esxcli network vswitch standard portgroup, without its policies."""

from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, fields, table

GROUP_FIELDS = fields("Name", "Virtual Switch", "Active Clients:integer", "VLAN ID:integer")
MAXIMUM_NAME = 255


def new_portgroup(name: str, switch: str, number: int, vlan: int = 0) -> "dict":  # type: ignore[type-arg]
    return {"name": name, "vswitch": switch, "vlan": vlan, "number": number, "failover": {}, "security": {}}


def _list(host: Host, options: Options) -> Output:
    rows = [
        {
            "Name": group["name"],
            "Virtual Switch": group["vswitch"],
            "Active Clients": len(host.clients(group["name"])),
            "VLAN ID": group["vlan"],
        }
        for group in sorted(host.running["portgroups"].values(), key=lambda group: str(group["name"]))
    ]
    return table("PortGroup", GROUP_FIELDS, rows)


def _add(host: Host, options: Options) -> None:
    name, switch = options["portgroup-name"], options["vswitch-name"]
    host.switch(switch)
    if name in host.running["portgroups"]:
        same = host.running["portgroups"][name]["vswitch"] == switch
        raise (AlreadyThereError if same else CommandError)(
            f"Unable to add portgroup {name} to {switch}: Already exists"
        )
    if len(name) > MAXIMUM_NAME or name != name.strip():
        raise CommandError(f"Unable to add portgroup {name} to {switch}: Invalid name")
    number = 1 + max([group["number"] for group in host.running["portgroups"].values()] + [0])
    host.running["portgroups"][name] = new_portgroup(name, switch, number)


def _remove(host: Host, options: Options) -> None:
    name, switch = options["portgroup-name"], options["vswitch-name"]
    host.switch(switch)
    if name not in host.running["portgroups"]:
        raise NotThereError(f"No portgroup with name {name} found")
    group = host.portgroup(name)
    if group["vswitch"] != switch:
        raise CommandError(f"No portgroup with name {name} found on {switch}")
    clients = host.clients(name)
    if clients:
        raise CommandError(f"Unable to remove portgroup {name}: the resource is in use by {clients[0]}")
    del host.running["portgroups"][name]


def _set(host: Host, options: Options) -> None:
    group = host.portgroup(options["portgroup-name"])
    if "vlan-id" in options:
        group["vlan"] = options["vlan-id"]


GROUP = Option("p", "portgroup-name", required=True)
SWITCH = Option("v", "vswitch-name", required=True)
COMMANDS = [
    Command("network vswitch standard portgroup list", _list),
    Command("network vswitch standard portgroup add", _add, GROUP, SWITCH),
    Command("network vswitch standard portgroup remove", _remove, GROUP, SWITCH),
    Command(
        "network vswitch standard portgroup set", _set, GROUP, Option("v", "vlan-id", "long", limits=(0, 4095)),
    ),
]  # fmt: skip
