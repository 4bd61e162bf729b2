"""Warnings about the desired network before the deployment: does it reach MAAS, which interface is for management.

MAAS names its metadata host only when the machine boots. The rack controllers of the boot VLAN are the likely ones.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from esxforge.deployment.answers import Answers
from esxforge.deployment.findings import Finding, Findings
from esxforge_target.contract.desired_host import STATIC, Address, DesiredHost
from esxforge_target.contract.management import management_of


def check_connectivity(answers: Answers, desired: DesiredHost, findings: Findings) -> None:
    """Add warnings. ``desired`` was read from the predicted configuration."""
    addresses = _rack_addresses(answers)
    ways = [_way(desired, address) for address in addresses]
    if not addresses:
        findings.not_known.append("whether the desired network reaches MAAS: the boot VLAN's rack is not known")
    elif not any(ways):
        findings.warnings.append(
            Finding(
                f"The desired network may not reach MAAS: no address is on a network of {', '.join(addresses)}, the "
                "rack controllers of the boot VLAN, and no route leads there.",
                "Give the machine a gateway of that IP version, or an address on one of these networks.",
            )
        )
    elif "certain" not in ways:
        findings.not_known.append("whether the desired network reaches MAAS: it depends on what DHCP gives")
    _management(answers, desired, addresses, findings)


def _rack_addresses(answers: Answers) -> list[str]:
    boot = answers.machine.boot_interface
    vlan = boot.vlan if boot is not None else None
    if vlan is None:
        return []
    # Without DHCP of its own a VLAN is served by relay.
    serving = [vlan]
    if vlan.relay_vlan is not None and vlan.relay_vlan.id in answers.vlans:
        serving.append(answers.vlans[vlan.relay_vlan.id])
    racks = [answers.rack(one) for vlan in serving for one in (vlan.primary_rack, vlan.secondary_rack)]
    links = [link for rack in racks if rack is not None for one in rack.interface_set for link in one.links]
    near = {one.id for one in serving}
    on_vlan = [link.ip_address for link in links if link.ip_address and link.subnet and link.subnet.vlan.id in near]
    return list(dict.fromkeys(on_vlan or [link.ip_address for link in links if link.ip_address]))


def _way(desired: DesiredHost, target: str) -> str:
    """``certain``, ``perhaps`` (DHCP may bring a gateway) or empty."""
    version = ip_address(target).version
    addresses = [address for interface in desired.interfaces for address in interface.addresses]
    if any(address.reaches(target) or _has_gateway(address, version) for address in addresses):
        return "certain"
    if any(one.version == version and ip_address(target) in ip_network(one.destination) for one in desired.routes):
        return "certain"
    return "perhaps" if any(address.kind != STATIC and address.version == version for address in addresses) else ""


def _has_gateway(address: Address, version: int) -> bool:
    return bool(address.gateway) and ip_address(address.gateway).version == version


def _management(answers: Answers, desired: DesiredHost, addresses: list[str], findings: Findings) -> None:
    planned = management_of(desired)
    if planned is None:
        return
    boot = answers.machine.boot_interface
    nic = next((one for one in answers.interfaces if boot is not None and one.id == boot.id), None)
    if nic is not None and nic.mac_address and not desired.boot_mac:
        found = management_of(desired.replace(boot_mac=nic.mac_address.lower()))
        if found is not None and found.interface.name != planned.interface.name:
            findings.warnings.append(
                Finding(
                    f"The host takes {found.interface.name} for management, not {planned.interface.name}, if it boots "
                    f"from {nic.name} as it did before: {found.reason}.",
                    f"For the plan with that: --boot-nic {nic.name}",
                )
            )
            return
    for address in addresses:
        found = management_of(desired.replace(maas=desired.maas.replace(addresses=(address,))))
        if found is not None and found.interface.name != planned.interface.name:
            findings.warnings.append(
                Finding(
                    f"If MAAS names its rack controller {address} as metadata host, {found.interface.name} is for "
                    f"management, not {planned.interface.name}: {found.reason}.",
                    "Both get the addresses that MAAS gives them; only vmk0 and the order of work differ.",
                )
            )
            return
