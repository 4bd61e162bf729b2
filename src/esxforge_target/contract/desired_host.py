"""The desired host: what MAAS asks of this machine, in the words of MAAS, free of everything that ESXi does not need.

Secrets are no part of it: the token of the metadata service is a value of its own.
"""

from ipaddress import ip_address, ip_interface
from typing import List, Optional, Set, Tuple

from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.runtime.values import Value

STATIC = "static"
DHCP4 = "dhcp4"
DHCP6 = "dhcp6"

NIC = "physical"
BOND = "bond"
VLAN = "vlan"


class Address(Value):
    """One way in which an interface gets an address.

    ``kind`` is static, dhcp4 or dhcp6; ``address``, ``prefix_length`` and ``gateway`` belong to static ones. ``alias``
    counts the subnets of the interface as MAAS does: the second one is shown there as ``bond0:1``.
    """

    __slots__ = ("kind", "address", "prefix_length", "gateway", "alias")

    def __init__(self, kind: str, address: str = "", prefix_length: int = 0, gateway: str = "", alias: int = 0) -> None:
        self.kind = kind
        self.address = address
        self.prefix_length = prefix_length
        self.gateway = gateway
        self.alias = alias

    @property
    def version(self) -> int:
        """4 or 6."""
        if self.kind == STATIC:
            return ip_address(self.address).version
        return 4 if self.kind == DHCP4 else 6

    @property
    def cidr(self) -> str:
        """``10.0.0.10/24`` of a static address."""
        return "{}/{}".format(self.address, self.prefix_length)

    def reaches(self, other: str) -> bool:
        """Return whether ``other`` is on the network of this static address."""
        if self.kind != STATIC or ip_address(other).version != self.version:
            return False
        return ip_address(other) in ip_interface(self.cidr).network


class Interface(Value):
    """A NIC, a bond of NICs, or a VLAN on either.

    ``mtu`` is in bytes, or None where MAAS names none; ``members`` are the names of a bond's NICs, ``primary`` is the
    one that carries the traffic of an active-backup bond; ``link`` is what a VLAN lies on; ``router_advertisements``
    says whether router advertisements are heeded (None: not said).
    """

    __slots__ = (
        "name",
        "kind",
        "mac",
        "mtu",
        "members",
        "bond_mode",
        "primary",
        "link",
        "vlan_id",
        "addresses",
        "router_advertisements",
    )

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        name: str,
        kind: str,
        mac: str = "",
        mtu: Optional[int] = None,
        members: Tuple[str, ...] = (),
        bond_mode: str = "",
        primary: str = "",
        link: str = "",
        vlan_id: int = 0,
        addresses: Tuple[Address, ...] = (),
        router_advertisements: Optional[bool] = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.mac = mac
        self.mtu = mtu
        self.members = tuple(members)
        self.bond_mode = bond_mode
        self.primary = primary
        self.link = link
        self.vlan_id = vlan_id
        self.addresses = tuple(addresses)
        self.router_advertisements = router_advertisements


class Route(Value):
    """A route of the host: ``destination`` as network with prefix length (``172.16.0.0/16``)."""

    __slots__ = ("destination", "gateway")

    def __init__(self, destination: str, gateway: str) -> None:
        self.destination = destination
        self.gateway = gateway

    @property
    def version(self) -> int:
        """4 or 6."""
        return ip_address(self.gateway).version


class Disk(Value):
    """A disk as MAAS and Linux know it. ``disk_guid`` is the GPT disk GUID that the hook gave it (empty before)."""

    __slots__ = ("id", "name", "model", "serial", "wwn", "path", "boot", "disk_guid")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        id: str,  # noqa: A002  # what curtin calls it
        name: str = "",
        model: str = "",
        serial: str = "",
        wwn: str = "",
        path: str = "",
        boot: bool = False,
        disk_guid: str = "",
    ) -> None:
        self.id = id
        self.name = name
        self.model = model
        self.serial = serial
        self.wwn = wwn
        self.path = path
        self.boot = boot
        self.disk_guid = disk_guid


class Partition(Value):
    """A partition that MAAS lists; ``size`` and ``offset`` in bytes (None: not said). On the boot disk all guesses."""

    __slots__ = ("id", "disk", "number", "size", "offset")

    def __init__(
        self,
        id: str,  # noqa: A002  # what curtin calls it
        disk: str,
        number: int,
        size: Optional[int] = None,
        offset: Optional[int] = None,
    ) -> None:
        self.id = id
        self.disk = disk
        self.number = number
        self.size = size
        self.offset = offset


class Datastore(Value):
    """A VMFS datastore on ``partitions`` (their ids); the first is the head, the others are further extents."""

    __slots__ = ("name", "partitions")

    def __init__(self, name: str, partitions: Tuple[str, ...]) -> None:
        self.name = name
        self.partitions = tuple(partitions)


class DesiredHost(Value):
    """All that MAAS asks of this machine. ``boot_mac`` is the NIC that booted from MAAS (``BOOTIF``), where known."""

    __slots__ = (
        "interfaces",
        "routes",
        "name_servers",
        "search_domains",
        "disks",
        "partitions",
        "datastores",
        "maas",
        "hostname",
        "boot_mac",
        "notices",
    )

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        interfaces: Tuple[Interface, ...],
        routes: Tuple[Route, ...],
        name_servers: Tuple[str, ...],
        search_domains: Tuple[str, ...],
        disks: Tuple[Disk, ...],
        partitions: Tuple[Partition, ...],
        datastores: Tuple[Datastore, ...],
        maas: Endpoint,
        hostname: str = "",
        boot_mac: str = "",
        notices: Tuple[str, ...] = (),
    ) -> None:
        self.interfaces = tuple(interfaces)
        self.routes = tuple(routes)
        self.name_servers = tuple(name_servers)
        self.search_domains = tuple(search_domains)
        self.disks = tuple(disks)
        self.partitions = tuple(partitions)
        self.datastores = tuple(datastores)
        self.maas = maas
        self.hostname = hostname
        self.boot_mac = boot_mac
        self.notices = tuple(notices)

    @property
    def boot_disk(self) -> Disk:
        """The disk that ESXi is installed on."""
        return next(disk for disk in self.disks if disk.boot)

    def interface(self, name: str) -> Interface:
        """The interface of this name."""
        return next(interface for interface in self.interfaces if interface.name == name)

    def disk(self, id: str) -> Disk:  # noqa: A002  # what curtin calls it
        """The disk of this id."""
        return next(disk for disk in self.disks if disk.id == id)

    def partition(self, id: str) -> Partition:  # noqa: A002  # what curtin calls it
        """The partition of this id."""
        return next(partition for partition in self.partitions if partition.id == id)

    def datastore_disks(self) -> Tuple[Disk, ...]:
        """The disks besides the boot disk that carry a datastore, in the order of the configuration: those to stamp."""
        carriers = set()  # type: Set[str]
        for datastore in self.datastores:
            carriers.update(self.partition(partition).disk for partition in datastore.partitions)
        return tuple(disk for disk in self.disks if disk.id in carriers and not disk.boot)

    def vmfs_partitions(self, disk_id: str) -> Tuple[Partition, ...]:
        """The partitions of a disk that belong to datastores, by number."""
        used = [one for datastore in self.datastores for one in datastore.partitions]
        chosen = [one for one in self.partitions if one.disk == disk_id and one.id in used]
        return tuple(sorted(chosen, key=lambda partition: partition.number))

    def boot_datastore(self) -> Optional[Datastore]:
        """The datastore whose head lies on the boot disk, if MAAS asks for one."""
        for datastore in self.datastores:
            if self.partition(datastore.partitions[0]).disk == self.boot_disk.id:
                return datastore
        return None

    def with_disk_guids(self, stamps: "List[Tuple[str, str]]") -> "DesiredHost":
        """The same with GPT disk GUIDs noted: pairs of disk id and GUID."""
        by_id = dict(stamps)
        disks = tuple(disk.replace(disk_guid=by_id.get(disk.id, disk.disk_guid)) for disk in self.disks)
        return self.replace(disks=disks)
