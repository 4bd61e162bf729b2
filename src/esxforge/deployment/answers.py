"""Answers of MAAS's REST API 2.0 about a machine before its deployment, typed and checked.

Only fields that are read are here. A field without a default must be present, null if MAAS says so: an absent field
is unknown, and nothing is computed from it. Source: canonical/maas 3.7.3, ``src/maasserver/api`` (machines.py,
interfaces.py, blockdevices.py, vmfs_datastores.py, subnets.py, …); recorded answers in tests/data/maas-pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from esxforge.deployment.storage_answers import (
    Bcache,
    BlockDevice,
    Count,
    Datastore,
    Raid,
    Reference,
    VolumeGroup,
)
from esxforge.errors import MaasError
from esxforge.maas.boot_resources import BootResource
from esxforge.maas.checked import CheckedAnswer, checked
from esxforge.maas.versions import Capabilities, capabilities

NEW, READY, DEPLOYED, BROKEN, DEPLOYING, ALLOCATED, FAILED_DEPLOYMENT = 0, 4, 6, 8, 9, 10, 11
# In these statuses MAAS serves the configuration itself (api/machines.py, get_curtin_config).
HAS_CONFIGURATION = (DEPLOYING, DEPLOYED, FAILED_DEPLOYMENT)
UNDEFINED_SPACE = "undefined"


def _address(text: str) -> str:
    return str(ip_address(text))


def _network(text: str) -> str:
    return str(ip_network(text))


def _no_text(value: Any) -> Any:
    """Treat empty text as None: MAAS's form writes it where there is no value."""
    return None if value == "" else value


Address = Annotated[str, AfterValidator(_address)]
Cidr = Annotated[str, AfterValidator(_network)]
MaybeAddress = Annotated[Address | None, BeforeValidator(_no_text)]


class Vlan(CheckedAnswer):
    """A VLAN. ``primary_rack`` and ``secondary_rack`` are system ids; the racks of ``relay_vlan`` serve it by relay."""

    id: int
    vid: Annotated[int, Field(ge=0, le=4094)]
    dhcp_on: bool
    primary_rack: str | None
    secondary_rack: str | None
    space: str
    relay_vlan: Reference | None = None


class Subnet(CheckedAnswer):
    """A subnet."""

    id: int
    cidr: Cidr
    vlan: Vlan
    gateway_ip: MaybeAddress
    dns_servers: list[Address]
    allow_dns: bool

    @property
    def version(self) -> int:
        """IP version, 4 or 6."""
        return ip_network(self.cidr).version

    @property
    def prefix_length(self) -> int:
        """Bits of the network part."""
        return ip_network(self.cidr).prefixlen


class Link(CheckedAnswer):
    """An address of an interface. MAAS omits ``ip_address`` and ``subnet`` if there are none."""

    id: int
    mode: Literal["static", "auto", "dhcp", "link_up"]
    ip_address: MaybeAddress = None
    subnet: Subnet | None = None


class Discovered(CheckedAnswer):
    """An address assigned by MAAS's DHCP."""

    ip_address: Address
    subnet: Subnet | None = None


class NodeInterface(CheckedAnswer):
    """An interface of a machine or of a rack controller."""

    id: int
    enabled: bool
    links: list[Link]
    discovered: list[Discovered] | None = None


class Interface(NodeInterface):
    """An interface of the machine. ``parents`` are names. ``vlan`` is None if it is not connected.

    ``link_speed`` is in Mbit/s, as seen at commissioning; 0 and None are “not known”.
    """

    name: str
    type: Literal["physical", "bond", "vlan", "bridge"]
    mac_address: str | None
    parents: list[str]
    params: Annotated[dict[str, Any] | None, BeforeValidator(_no_text)]
    effective_mtu: Count
    vlan: Vlan | None
    link_connected: bool | None = None
    link_speed: Count | None = None


class DefaultGateway(CheckedAnswer):
    """MAAS's choice for one IP version; ``link_id`` only if a person set it."""

    gateway_ip: MaybeAddress
    link_id: int | None


class DefaultGateways(CheckedAnswer):
    """Default gateways of each IP version."""

    ipv4: DefaultGateway
    ipv6: DefaultGateway


class Domain(CheckedAnswer):
    """A DNS domain; MAAS's own name server answers for it if ``authoritative``."""

    name: str
    authoritative: bool


class Named(CheckedAnswer):
    """A resource of which only the name matters."""

    name: str


class BootInterface(CheckedAnswer):
    """The NIC from which the machine starts."""

    id: int
    vlan: Vlan | None


class SpecialFilesystem(CheckedAnswer):
    """A file system without a disk, such as tmpfs."""

    fstype: str
    mount_point: str | None
    mount_options: str | None


class Hardware(CheckedAnswer):
    """Hardware as the firmware describes it; MAAS writes “Unknown” for missing values."""

    system_vendor: str | None = None
    system_product: str | None = None
    system_serial: str | None = None
    chassis_serial: str | None = None


class Machine(CheckedAnswer):
    """A machine. Fields with a default are informational; None there is “not known”."""

    system_id: str
    hostname: str
    fqdn: str
    domain: Named
    status: int
    status_name: str
    owner: Annotated[str | None, BeforeValidator(_no_text)]
    locked: bool
    architecture: str
    bios_boot_method: str | None
    boot_interface: BootInterface | None
    boot_disk: Reference | None
    default_gateways: DefaultGateways
    special_filesystems: list[SpecialFilesystem]
    raids: list[Reference]
    volume_groups: list[Reference]
    bcaches: list[Reference]
    osystem: str = ""
    distro_series: str = ""
    ip_addresses: list[str] | None = None
    pool: Named | None = None
    power_type: str | None = None
    power_state: str | None = None
    tag_names: list[str] | None = None
    hardware_info: Hardware | None = None

    @property
    def label(self) -> str:
        """Name of the machine in messages."""
        return f"{self.fqdn} ({self.system_id})"


class Rack(CheckedAnswer):
    """A rack controller."""

    system_id: str
    fqdn: str
    interface_set: list[NodeInterface]


class RouteDestination(CheckedAnswer):
    """Destination of a route."""

    cidr: Cidr


class Fabric(CheckedAnswer):
    """A fabric: VLANs that share switches."""

    vlans: list[Vlan]


class StaticRoute(CheckedAnswer):
    """A route that hosts of ``source`` get."""

    id: int
    source: Reference
    destination: RouteDestination
    gateway_ip: Address
    metric: int


class IpRange(CheckedAnswer):
    """A range of free addresses."""

    start: Address
    end: Address
    num_addresses: int


class FreeAddresses(CheckedAnswer):
    """Free addresses of one subnet; ``subnets/ID/?op=unreserved_ip_ranges``."""

    unreserved_ip_ranges: list[IpRange]


class ReservedIp(CheckedAnswer):
    """An address reserved for a MAC address."""

    ip: Address
    mac_address: str
    subnet: Reference


class Settings(CheckedAnswer):
    """MAAS's settings; None for those that MAAS does not give."""

    use_rack_proxy: bool | None = None
    node_timeout: int | None = None


class Account(CheckedAnswer):
    """The user of the API key. ``ssh_keys`` is the number of their keys in MAAS."""

    username: str
    is_superuser: bool
    ssh_keys: int | None = None


class Version(CheckedAnswer):
    """The version of MAAS."""

    version: str


@dataclass(frozen=True)
class Answers:
    """All that is known of a machine before its deployment. None: MAAS did not say.

    ``racks`` is None if MAAS shows the caller no rack controllers: users who are not administrators get an empty
    list (models/node.py, ``_filter_visible_nodes``), and a MAAS has at least one. ``free`` has the subnets of AUTO
    links by their id. ``config`` is curtin's configuration if MAAS has it already.
    """

    machine: Machine
    interfaces: list[Interface]
    block_devices: list[BlockDevice]
    datastores: list[Datastore]
    raids: list[Raid]
    volume_groups: list[VolumeGroup]
    bcaches: list[Bcache]
    subnets: list[Subnet]
    static_routes: list[StaticRoute]
    domains: list[Domain]
    racks: list[Rack] | None
    settings: Settings
    vlans: Mapping[int, Vlan] = field(default_factory=dict)
    free: Mapping[int, FreeAddresses] = field(default_factory=dict)
    reserved: list[ReservedIp] | None = None
    account: Account | None = None
    images: list[BootResource] | None = None
    version: str | None = None
    config: Any = None

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities of the version of MAAS; those of the newest if the version is not known."""
        return capabilities(self.version or "")

    def rack(self, system_id: str | None) -> Rack | None:
        """Return a rack controller, or None if it is not known."""
        return next((rack for rack in self.racks or [] if rack.system_id == system_id), None)


_T = TypeVar("_T")
Documents = Mapping[str, Any]
# Keys are the names of the files in which answers are saved.
MACHINE, INTERFACES, BLOCK_DEVICES, DATASTORES = "machine", "interfaces", "blockdevices", "vmfs-datastores"
RAIDS, VOLUME_GROUPS, BCACHES = "raids", "volume-groups", "bcaches"
SUBNETS, STATIC_ROUTES, DOMAINS, RACKS = "subnets", "static-routes", "domains", "rackcontrollers"
FABRICS = "fabrics"
SETTINGS, FREE, RESERVED = "config", "auto-subnets", "reservedips"
ACCOUNT, IMAGES, VERSION, CONFIG = "account", "boot-resources", "version", "curtin"
TYPES: Mapping[str, TypeAdapter[Any]] = {
    MACHINE: TypeAdapter(Machine),
    INTERFACES: TypeAdapter(list[Interface]),
    BLOCK_DEVICES: TypeAdapter(list[BlockDevice]),
    DATASTORES: TypeAdapter(list[Datastore]),
    RAIDS: TypeAdapter(list[Raid]),
    VOLUME_GROUPS: TypeAdapter(list[VolumeGroup]),
    BCACHES: TypeAdapter(list[Bcache]),
    SUBNETS: TypeAdapter(list[Subnet]),
    STATIC_ROUTES: TypeAdapter(list[StaticRoute]),
    DOMAINS: TypeAdapter(list[Domain]),
    RACKS: TypeAdapter(list[Rack]),
    FABRICS: TypeAdapter(list[Fabric]),
    SETTINGS: TypeAdapter(Settings),
    FREE: TypeAdapter(dict[str, FreeAddresses]),
    RESERVED: TypeAdapter(list[ReservedIp]),
    ACCOUNT: TypeAdapter(Account),
    IMAGES: TypeAdapter(list[BootResource]),
    VERSION: TypeAdapter(Version),
}
REQUIRED = (MACHINE, INTERFACES, BLOCK_DEVICES, SUBNETS, STATIC_ROUTES, DOMAINS)


def answers_of(documents: Documents) -> Answers:
    """Return the typed answers of raw ones, by the names above. Raises MaasError for missing or malformed ones."""
    _nothing_missing(documents)
    racks = _optional(documents, RACKS)
    free = _optional(documents, FREE) or {}
    version = _optional(documents, VERSION)
    fabrics = _optional(documents, FABRICS) or []
    return Answers(
        machine=_answer(documents, MACHINE),
        interfaces=_answer(documents, INTERFACES),
        block_devices=_answer(documents, BLOCK_DEVICES),
        datastores=_optional(documents, DATASTORES) or [],
        raids=_optional(documents, RAIDS) or [],
        volume_groups=_optional(documents, VOLUME_GROUPS) or [],
        bcaches=_optional(documents, BCACHES) or [],
        subnets=_answer(documents, SUBNETS),
        static_routes=_answer(documents, STATIC_ROUTES),
        domains=_answer(documents, DOMAINS),
        racks=racks or None,
        vlans={vlan.id: vlan for fabric in fabrics for vlan in fabric.vlans},
        settings=checked(TYPES[SETTINGS], _told(documents.get(SETTINGS, {})), SETTINGS),
        free={int(key): value for key, value in free.items() if key.isdecimal()},
        reserved=_optional(documents, RESERVED),
        account=_optional(documents, ACCOUNT),
        images=_optional(documents, IMAGES),
        version=version.version if version else None,
        config=documents.get(CONFIG),
    )


def _nothing_missing(documents: Documents) -> None:
    """Check that no list is missing unless the machine's own answer says that it is empty."""
    needed = set(REQUIRED)
    machine = documents.get(MACHINE)
    if isinstance(machine, dict):
        fields = {RAIDS: "raids", VOLUME_GROUPS: "volume_groups", BCACHES: "bcaches"}
        needed |= {name for name, key in fields.items() if machine.get(key)}
    devices = documents.get(BLOCK_DEVICES)
    if isinstance(devices, list) and any(_is_datastore(device) for device in devices):
        needed.add(DATASTORES)
    missing = sorted(needed - set(documents))
    if missing:
        raise MaasError(
            f"Of MAAS's answers these are missing: {', '.join(missing)}.", "Save them again: esxforge plan --save DIR."
        )


def _is_datastore(device: Any) -> bool:
    filesystem = device.get("filesystem") if isinstance(device, dict) and device.get("type") == "virtual" else None
    return isinstance(filesystem, dict) and filesystem.get("fstype") == "vmfs6"


def _answer(documents: Documents, name: str) -> Any:
    return checked(TYPES[name], documents[name], name)


def _optional(documents: Documents, name: str) -> Any:
    return _answer(documents, name) if name in documents else None


def _told(settings: Any) -> Any:
    """Return the settings without those that MAAS refused to give, which hold the text of its refusal."""
    if not isinstance(settings, dict):
        return settings
    return {key: value for key, value in settings.items() if not (isinstance(value, str) and value.startswith("HTTP "))}
