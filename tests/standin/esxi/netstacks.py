"""esxcli network ip netstack, network ip dns."""

import ipaddress
import re
from typing import Any, Dict, List

from standin.esxi.errors import AlreadyThereError, CommandError, NotThereError
from standin.esxi.host import DEFAULT_STACK, Command, Host
from standin.esxi.options import Option, Options
from standin.esxi.output import Output, fields, listing, record

STACK_FIELDS = fields("Key", "Name", "Enabled:boolean", "State:integer")


def new_stack(name: str) -> Dict[str, Any]:
    return {
        "name": name, "routes": [], "dns": [], "search": [], "dns_dhcp": {}, "dns_dhcp6": {}, "search_dhcp": {},
    }  # fmt: skip


def _list(host: Host, options: Options) -> Output:
    rows = [{"Key": name, "Name": name, "Enabled": True, "State": 4660} for name in sorted(host.running["netstacks"])]
    return listing("NetStackInstance", STACK_FIELDS, rows, "Key")


def _add(host: Host, options: Options) -> None:
    name = options["netstack"]
    if name in host.running["netstacks"]:
        raise CommandError(f"Unable to add netstack {name}: Already exists")
    host.running["netstacks"][name] = new_stack(name)


def _remove(host: Host, options: Options) -> None:
    name = options["netstack"]
    host.stack(name)
    users = host.interfaces(name)
    if users or name == DEFAULT_STACK:
        user = users[0]["name"] if users else "the system"
        raise CommandError(f"Unable to remove netstack {name}: in use by {user}")
    del host.running["netstacks"][name]


def servers(stack: Dict[str, Any]) -> List[str]:
    """DNS servers in the order in which they are asked: by hand first, then those of leases."""
    return _merged(stack["dns"], stack["dns_dhcp"], stack["dns_dhcp6"])


def _merged(first: List[str], *learned: Dict[str, List[str]]) -> List[str]:
    found = list(first)
    for source in learned:
        for name in sorted(source):
            found += [item for item in source[name] if item not in found]
    return found


def _dns_list(host: Host, options: Options) -> Output:
    return record("DNSServer", fields("DNSServers:list"), {"DNSServers": servers(host.stack(options.get("netstack")))})


def _dns_add(host: Host, options: Options) -> None:
    stack = host.stack(options.get("netstack"))
    try:
        server = str(ipaddress.ip_address(options["server"]))
    except ValueError:
        raise CommandError("Invalid DNS server address: {}".format(options["server"])) from None
    if server in stack["dns"]:
        raise AlreadyThereError(f"Unable to add DNS server {server}: Already exists")
    stack["dns"].append(server)


def _dns_remove(host: Host, options: Options) -> None:
    stack = host.stack(options.get("netstack"))
    if options.get("all"):
        if "server" in options:
            raise CommandError("Invalid: server can not be combined with all")
        stack["dns"] = []
        stack["dns_dhcp"] = {}
        stack["dns_dhcp6"] = {}
        return
    if "server" not in options:
        raise CommandError("Error: Missing required parameter -s|--server")
    if options["server"] not in servers(stack):
        raise NotThereError("Unable to remove DNS server {}: not found".format(options["server"]))
    _forget(options["server"], stack["dns"], stack["dns_dhcp"], stack["dns_dhcp6"])


def _forget(item: str, first: List[str], *learned: Dict[str, List[str]]) -> None:
    for found in [first] + [source[name] for source in learned for name in source]:
        if item in found:
            found.remove(item)


def _search_list(host: Host, options: Options) -> Output:
    stack = host.stack(options.get("netstack"))
    return record(
        "DNSSearch",
        fields("DNSSearch Domains:list"),
        {"DNSSearch Domains": _merged(stack["search"], stack["search_dhcp"])},
    )


def _search_add(host: Host, options: Options) -> None:
    stack, domain = host.stack(options.get("netstack")), options["domain"]
    if not re.match(r"[A-Za-z0-9_]([A-Za-z0-9_-]*\.?)*$", domain):
        raise CommandError(f"Invalid search domain: {domain}")
    if domain in stack["search"]:
        raise AlreadyThereError(f"Unable to add search domain {domain}: Already exists")
    stack["search"].append(domain)


def _search_remove(host: Host, options: Options) -> None:
    stack, domain = host.stack(options.get("netstack")), options["domain"]
    if domain not in _merged(stack["search"], stack["search_dhcp"]):
        raise NotThereError(f"Unable to remove search domain {domain}: not found")
    _forget(domain, stack["search"], stack["search_dhcp"])


STACK = Option("N", "netstack")
COMMANDS = [
    Command("network ip netstack list", _list),
    Command("network ip netstack add", _add, Option("N", "netstack", required=True)),
    Command("network ip netstack remove", _remove, Option("N", "netstack", required=True)),
    Command("network ip dns server list", _dns_list, STACK),
    Command("network ip dns server add", _dns_add, STACK, Option("s", "server", required=True)),
    Command("network ip dns server remove", _dns_remove, STACK, Option("s", "server"), Option("a", "all", "flag")),
    Command("network ip dns search list", _search_list, STACK),
    Command("network ip dns search add", _search_add, STACK, Option("d", "domain", required=True)),
    Command("network ip dns search remove", _search_remove, STACK, Option("d", "domain", required=True)),
]
