"""The inventory: what a host is now, as read once. Plain values, so that a logged one replays at a desk."""

from typing import Optional, Tuple, TypeVar

from esxforge_target.runtime.numbers import is_whole
from esxforge_target.runtime.values import Value

N = TypeVar("N", bound=Value)

DEFAULT_NETSTACK = "defaultTcpipStack"
# Kinds of a port group's policies, as esxcli names them.
FAILOVER = "failover"
SECURITY = "security"


class InstalledRelease(Value):
    """ESXi's version (``8.0.3``) and build number (``24280767``)."""

    __slots__ = ("version", "build")

    def __init__(self, version: str, build: str) -> None:
        self.version = version
        self.build = build

    @property
    def numbers(self) -> Tuple[int, ...]:
        """(8, 0, 3) of ``8.0.3``; empty where the version is no version."""
        head = self.version.split("-")[0].split(".")
        return tuple(int(part) for part in head) if all(is_whole(part) for part in head) else ()

    @property
    def major(self) -> int:
        """8 of ``8.0.3``; 0 where the version is no version."""
        head = self.version.split(".")[0]
        return int(head) if is_whole(head) else 0


class PhysicalNic(Value):
    """A vmnic; ``mac`` in lower case with colons; ``link_up`` None and ``mtu`` 0 where ESXi does not say."""

    __slots__ = ("name", "mac", "driver", "link_up", "mtu")

    def __init__(self, name: str, mac: str, driver: str, link_up: Optional[bool], mtu: int) -> None:
        self.name = name
        self.mac = mac
        self.driver = driver
        self.link_up = link_up
        self.mtu = mtu


class Team(Value):
    """How uplinks share the load (portid, iphash, mac, explicit) and in which order they stand in."""

    __slots__ = ("load_balancing", "active", "standby")

    def __init__(self, load_balancing: str, active: Tuple[str, ...], standby: Tuple[str, ...]) -> None:
        self.load_balancing = load_balancing
        self.active = tuple(active)
        self.standby = tuple(standby)


class VSwitch(Value):
    """A standard vSwitch; ``team`` is its failover policy."""

    __slots__ = ("name", "mtu", "uplinks", "team")

    def __init__(self, name: str, mtu: int, uplinks: Tuple[str, ...], team: Team) -> None:
        self.name = name
        self.mtu = mtu
        self.uplinks = tuple(uplinks)
        self.team = team


class Policy(Value):
    """A policy that a port group has instead of its vSwitch's.

    ``kind`` is failover or security; ``options`` (``--failback=true``) are those of esxcli's ``portgroup policy KIND
    set`` that make it; none where ESXi does not say what it is.
    """

    __slots__ = ("kind", "options")

    def __init__(self, kind: str, options: Tuple[str, ...]) -> None:
        self.kind = kind
        self.options = tuple(options)


class PortGroup(Value):
    """A port group; ``policies`` are those that are not its vSwitch's."""

    __slots__ = ("name", "vswitch", "vlan_id", "policies")

    def __init__(self, name: str, vswitch: str, vlan_id: int, policies: Tuple[Policy, ...] = ()) -> None:
        self.name = name
        self.vswitch = vswitch
        self.vlan_id = vlan_id
        self.policies = tuple(policies)

    @property
    def overrides_team(self) -> bool:
        """Return whether it does not follow its vSwitch's team."""
        return any(policy.kind == FAILOVER for policy in self.policies)


class Ipv6Address(Value):
    """An IPv6 address of a VMkernel interface, its ``origin`` (static, dhcpv6, ra or the like) and ``status``
    (preferred, tentative, duplicate; empty: not said) in lower case.
    """

    __slots__ = ("address", "prefix_length", "origin", "status")

    def __init__(self, address: str, prefix_length: int, origin: str, status: str = "") -> None:
        self.address = address
        self.prefix_length = prefix_length
        self.origin = origin
        self.status = status

    @property
    def is_static(self) -> bool:
        """Return whether a person configured it; link-local ones, which every interface makes itself, do not count."""
        return self.origin in ("static", "manual") and not self.address.lower().startswith("fe80:")


class Vmk(Value):
    """A VMkernel interface. ``ipv4`` is static, dhcp or none; ``gateway`` the IPv4 one that ESXi shows for it: its own,
    its lease's or its stack's (empty: none, or not said). Of other stacks than the default one ``tags`` are not read.
    """

    __slots__ = (
        "name",
        "mac",
        "port_group",
        "netstack",
        "mtu",
        "ipv4",
        "address",
        "prefix_length",
        "dhcp_dns",
        "ipv6_enabled",
        "dhcp6",
        "router_advertisements",
        "ipv6_addresses",
        "tags",
        "gateway",
    )

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        name: str,
        mac: str,
        port_group: str,
        netstack: str = DEFAULT_NETSTACK,
        mtu: int = 1500,
        ipv4: str = "none",
        address: str = "",
        prefix_length: int = 0,
        dhcp_dns: bool = False,
        ipv6_enabled: bool = True,
        dhcp6: bool = False,
        router_advertisements: bool = False,
        ipv6_addresses: Tuple[Ipv6Address, ...] = (),
        tags: Tuple[str, ...] = (),
        gateway: str = "",
    ) -> None:
        self.name = name
        self.mac = mac
        self.port_group = port_group
        self.netstack = netstack
        self.mtu = mtu
        self.ipv4 = ipv4
        self.address = address
        self.prefix_length = prefix_length
        self.dhcp_dns = dhcp_dns
        self.ipv6_enabled = ipv6_enabled
        self.dhcp6 = dhcp6
        self.router_advertisements = router_advertisements
        self.ipv6_addresses = tuple(ipv6_addresses)
        self.tags = tuple(tags)
        self.gateway = gateway


class RouteEntry(Value):
    """A route through a gateway on the default stack; ``network`` of the default one is ``0.0.0.0/0``."""

    __slots__ = ("network", "gateway", "interface", "source")

    def __init__(self, network: str, gateway: str, interface: str, source: str) -> None:
        self.network = network
        self.gateway = gateway
        self.interface = interface
        self.source = source


class PartitionEntry(Value):
    """A partition; first and last sector included, type GUID as partedUtil writes it (32 upper-case digits)."""

    __slots__ = ("number", "first", "last", "type_guid")

    def __init__(self, number: int, first: int, last: int, type_guid: str) -> None:
        self.number = number
        self.first = first
        self.last = last
        self.type_guid = type_guid


class PartitionTable(Value):
    """A partition table as partedUtil sees it. ``last_usable`` is the last sector that a partition may have."""

    __slots__ = ("label", "sectors", "sector_size", "last_usable", "partitions")

    def __init__(
        self,
        label: str,
        sectors: int,
        sector_size: int,
        last_usable: int,
        partitions: Tuple[PartitionEntry, ...],
    ) -> None:
        self.label = label
        self.sectors = sectors
        self.sector_size = sector_size
        self.last_usable = last_usable
        self.partitions = tuple(partitions)

    def partition(self, number: int) -> Optional[PartitionEntry]:
        """The partition of this number."""
        for entry in self.partitions:
            if entry.number == number:
                return entry
        return None


class Device(Value):
    """A disk; ``size`` in bytes, ``disk_guids`` the GPT disk GUIDs read from it, ``table`` read where it matters
    only."""

    __slots__ = ("name", "path", "size", "vendor", "model", "boot", "local", "ssd", "disk_guids", "table")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        name: str,
        path: str,
        size: int,
        vendor: str = "",
        model: str = "",
        boot: bool = False,
        local: bool = True,
        ssd: bool = False,
        disk_guids: Tuple[str, ...] = (),
        table: Optional[PartitionTable] = None,
    ) -> None:
        self.name = name
        self.path = path
        self.size = size
        self.vendor = vendor
        self.model = model
        self.boot = boot
        self.local = local
        self.ssd = ssd
        self.disk_guids = tuple(disk_guids)
        self.table = table


class Extent(Value):
    """One extent of a VMFS datastore; ``number`` 0 is the head."""

    __slots__ = ("volume", "uuid", "number", "device", "partition")

    def __init__(self, volume: str, uuid: str, number: int, device: str, partition: int) -> None:
        self.volume = volume
        self.uuid = uuid
        self.number = number
        self.device = device
        self.partition = partition


class FileSystem(Value):
    """A file system; sizes in bytes."""

    __slots__ = ("name", "uuid", "mount_point", "kind", "mounted", "size", "free")

    def __init__(  # noqa: PLR0917  # one for each field
        self, name: str, uuid: str, mount_point: str, kind: str, mounted: bool, size: int, free: int
    ) -> None:
        self.name = name
        self.uuid = uuid
        self.mount_point = mount_point
        self.kind = kind
        self.mounted = mounted
        self.size = size
        self.free = free


class Inventory(Value):
    """A complete host. ``boot_bank_device`` is the disk of the running boot bank (empty: not found out)."""

    __slots__ = (
        "release",
        "nics",
        "vswitches",
        "port_groups",
        "vmks",
        "routes",
        "name_servers",
        "search_domains",
        "devices",
        "extents",
        "file_systems",
        "boot_bank_device",
    )

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        release: InstalledRelease,
        nics: Tuple[PhysicalNic, ...] = (),
        vswitches: Tuple[VSwitch, ...] = (),
        port_groups: Tuple[PortGroup, ...] = (),
        vmks: Tuple[Vmk, ...] = (),
        routes: Tuple[RouteEntry, ...] = (),
        name_servers: Tuple[str, ...] = (),
        search_domains: Tuple[str, ...] = (),
        devices: Tuple[Device, ...] = (),
        extents: Tuple[Extent, ...] = (),
        file_systems: Tuple[FileSystem, ...] = (),
        boot_bank_device: str = "",
    ) -> None:
        self.release = release
        self.nics = tuple(nics)
        self.vswitches = tuple(vswitches)
        self.port_groups = tuple(port_groups)
        self.vmks = tuple(vmks)
        self.routes = tuple(routes)
        self.name_servers = tuple(name_servers)
        self.search_domains = tuple(search_domains)
        self.devices = tuple(devices)
        self.extents = tuple(extents)
        self.file_systems = tuple(file_systems)
        self.boot_bank_device = boot_bank_device

    def vswitch(self, name: str) -> Optional[VSwitch]:
        """The vSwitch of this name."""
        return _named(self.vswitches, name)

    def port_group(self, name: str) -> Optional[PortGroup]:
        """The port group of this name."""
        return _named(self.port_groups, name)

    def vmk(self, name: str) -> Optional[Vmk]:
        """The VMkernel interface of this name."""
        return _named(self.vmks, name)

    def device(self, name: str) -> Optional[Device]:
        """The disk of this name."""
        return _named(self.devices, name)

    def vswitch_of(self, vmk: Vmk) -> str:
        """The vSwitch that a VMkernel interface is on (empty: none that is known)."""
        group = self.port_group(vmk.port_group)
        return group.vswitch if group is not None else ""

    def own_gateway(self, vmk: Vmk) -> str:
        """The gateway that somebody gave a static interface beside its stack's default route (empty: none)."""
        defaults = [route.gateway for route in self.routes if route.network == "0.0.0.0/0"]
        return vmk.gateway if vmk.ipv4 == "static" and vmk.gateway not in defaults else ""


def _named(values: "Tuple[N, ...]", name: str) -> "Optional[N]":
    for value in values:
        if getattr(value, "name", None) == name:
            return value
    return None
