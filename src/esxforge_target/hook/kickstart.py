"""This host's kickstart: the user's, and additions of MAAS and esxforge. No secret is in it."""

import shlex
from typing import List, Optional

from esxforge_target.contract import agent_start
from esxforge_target.contract.bond_modes import DEFAULT, bond_mode
from esxforge_target.contract.desired_host import BOND, DHCP4, STATIC, DesiredHost
from esxforge_target.contract.image_settings import IN_KICKSTART, ImageSettings
from esxforge_target.contract.kickstart_sections import FREE, GUARDED, LENIENT, carried, section_of
from esxforge_target.contract.management import base_of, management_of, nics_of
from esxforge_target.contract.names import (
    INCLUDES,
    INSTALL_INCLUDE,
    LAST_CHECK,
    POST,
    PRE,
    ROOT_PASSWORD_INCLUDE,
)
from esxforge_target.formats.kickstart import Command, Kickstart
from esxforge_target.formats.kickstart_merge import Additions, kept_install_options, merge
from esxforge_target.runtime.errors import ForgeError, FormatError
from esxforge_target.runtime.values import Value

_FIRST_BOOT = "%firstboot --interpreter=busybox\n" + agent_start.FIRST_BOOT


class HostKickstart(Value):
    """``data`` is the file; ``root_password`` the user's own rootpw line, taken out of it."""

    __slots__ = ("data", "root_password", "install_options", "notices")

    def __init__(self, data: bytes, root_password: str, install_options: "List[str]", notices: "List[str]") -> None:
        self.data = data
        self.root_password = root_password
        self.install_options = list(install_options)
        self.notices = list(notices)

    def __repr__(self) -> str:
        return "HostKickstart(…)"


def host_kickstart(settings: ImageSettings, desired: DesiredHost) -> HostKickstart:
    """Merge the user's kickstart with ours. Raises FormatError as ``merge`` does."""
    user = Kickstart.parse(settings.kickstart.encode("utf-8", "surrogateescape"))
    lines = user.named("rootpw")
    if settings.root_password_mode == IN_KICKSTART and not lines:
        raise FormatError("kickstart: there is no root password.", "Add rootpw to it, or give one in the recipe.")
    own = lines[-1] if settings.root_password_mode == IN_KICKSTART else None
    options = kept_install_options(user)
    guard = FREE if settings.allow_power_off else GUARDED
    data, notices = merge(user, additions(user, settings, network_line(desired), guard))
    if own is not None:
        notices = [notice for notice in notices if ": rootpw is replaced" not in notice]
    return HostKickstart(data, _without_comment(own) if own else "", options, notices)


def additions(user: Kickstart, settings: ImageSettings, network: str, guard: str) -> Additions:
    """Return the additions to a host's kickstart. Ours runs first and, if the user has scripts, last, too."""
    last = []
    if user.named("%include"):
        last.append(section_of("%pre", INCLUDES, (guard, LENIENT)))
    if user.sections or user.named("%include"):
        last.append(section_of("%post", LAST_CHECK))
    return Additions(
        include=INSTALL_INCLUDE,
        accept_eula=settings.accept_eula,
        rootpw="%include " + ROOT_PASSWORD_INCLUDE,
        network=network,
        commands=("reboot",),
        first=[section_of("%pre", PRE), section_of("%post", POST)],
        last=last + [_FIRST_BOOT],
        carry=lambda section: carried(section, guard, LENIENT),
    )


def _without_comment(command: Command) -> str:
    # Quoted again: in a password a blank, a quote or # would mean something to the installer.
    return " ".join([command.name] + [shlex.quote(word) for word in command.words])


def network_line(desired: DesiredHost) -> str:
    """Return the ``network`` command for the interface that reaches MAAS: one NIC, by its MAC.

    Of a bond the NIC that booted is taken, else the one that carries the traffic. A host whose way to MAAS is IPv6 gets
    DHCP here, as the installer sets up IPv4 only; the agent configures what MAAS asks for.
    """
    management = management_of(desired)
    if management is None:
        raise ForgeError("network: no interface has an address.", "Give the machine one in MAAS.")
    nics = nics_of(desired, management.interface)
    nic = next((one for one in nics if one.mac.lower() == desired.boot_mac), nics[0])
    mac = nic.mac or base_of(desired, management.interface).mac
    words = ["network", "--device=" + mac.lower()]
    address = management.address
    if address.kind == "static" and address.version == 4:
        words += ["--bootproto=static", "--ip=" + address.address, "--netmask=" + _netmask(address.prefix_length)]
        gateway = _gateway(desired)
        words += ["--gateway=" + gateway] if gateway else []
        servers = [server for server in desired.name_servers if ":" not in server][:2]
        words += ["--nameserver=" + ",".join(servers)] if servers else []
    else:
        words.append("--bootproto=dhcp")
    if management.interface.vlan_id:
        words.append("--vlanid={}".format(management.interface.vlan_id))
    return " ".join(words + ["--addvmportgroup=0"])


def network_line_problem(desired: DesiredHost) -> str:
    """Return why ``network_line`` alone would not make the host reachable, as a clause; empty if it does."""
    management = management_of(desired)
    if management is None:
        return "no interface has an address"
    address = management.address
    if (address.kind == STATIC and address.version != 4) or address.kind not in (STATIC, DHCP4):
        return "it sets up IPv4 only, but the way to MAAS is IPv6"
    base = base_of(desired, management.interface)
    mode = bond_mode(base.bond_mode or DEFAULT) if base.kind == BOND else None
    if mode is not None and not mode.one_nic_works:
        return "it sets up one NIC, but {} is a bond of mode {}, whose switch ports need all of it".format(
            base.name, mode.name
        )
    on_link = any(address.kind == STATIC and address.reaches(maas) for maas in desired.maas.addresses)
    if address.kind == STATIC and not on_link and not _gateway(desired):
        return "it knows the default gateway only, but the way to MAAS is another route"
    return ""


def _gateway(desired: DesiredHost) -> "Optional[str]":
    management = management_of(desired)
    if management is None:
        return None
    if management.address.gateway:
        return management.address.gateway
    for other in management.interface.addresses:
        if other.gateway and management.address.reaches(other.gateway):
            return other.gateway
    return None


def _netmask(prefix: int) -> str:
    mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return ".".join(str((mask >> shift) & 255) for shift in (24, 16, 8, 0))
