"""Steps for the IPv6 side of VMkernel interfaces."""

from typing import List, Optional, Tuple

from esxforge_target.inventory.model import Vmk
from esxforge_target.plan.commands import IPV6, esxcli, static_ipv6, word
from esxforge_target.plan.draft import Draft
from esxforge_target.plan.layout import DesiredVmk
from esxforge_target.plan.steps import PREPARE, Expectation, Step


def plan_ipv6(draft: Draft, phase: str, desired_vmk: DesiredVmk, name: str, vmk: Optional[Vmk]) -> List[Step]:
    """Append the steps for one interface (``vmk`` None: it is made anew); give back those that belong last.

    Those let the interface ask DHCPv6 or heed router advertisements: a router's default route must not come
    before a static one.
    """
    now = vmk if vmk is not None else Vmk(name, "", desired_vmk.port_group)
    if vmk is None and desired_vmk.router_advertisements is not None:
        now = now.replace(
            router_advertisements=not desired_vmk.router_advertisements
        )  # not known: it is set in any case
    if desired_vmk.needs_ipv6 and not now.ipv6_enabled:
        draft.append(_settings(phase, name, [("-e", "ipv6_enabled", True)]))
    changes = [("-d", "dhcp6", desired_vmk.dhcp6)] if desired_vmk.dhcp6 != now.dhcp6 else []
    if desired_vmk.router_advertisements is not None and desired_vmk.router_advertisements != now.router_advertisements:
        changes.append(("-r", "router_advertisements", desired_vmk.router_advertisements))
    off = [change for change in changes if not change[2]]
    if off:
        # What a router gave must be gone before a static default route comes, whichever interface has it.
        draft.append(_settings(phase if desired_vmk.management or vmk is None else PREPARE, name, off))
    _addresses(draft, phase, desired_vmk, name, now)
    return [_settings(phase, name, [change for change in changes if change[2]])] if len(off) < len(changes) else []


def _settings(phase: str, name: str, changes: "List[Tuple[str, str, bool]]") -> Step:
    words = [text for option, _, value in changes for text in (option, word(value))]
    said = {"-e": "IPv6", "-d": "DHCPv6", "-r": "router advertisements"}
    return Step(
        phase,
        esxcli(*IPV6 + ("set", "-i", name) + tuple(words)),
        "{}: {}".format(
            name, ", ".join("{} {}".format(said[option], "on" if value else "off") for option, _, value in changes)
        ),
        expects=(Expectation("vmk", name, tuple((field, "is", value) for _, field, value in changes)),),
    )


def _addresses(draft: Draft, phase: str, desired_vmk: DesiredVmk, name: str, now: Vmk) -> None:
    desired = [address.cidr for address in desired_vmk.ipv6]
    has = static_ipv6(now)
    for cidr in has:
        if cidr not in desired:
            # Before any other interface may want it.
            _address(draft, phase if desired_vmk.management else PREPARE, name, "remove", cidr)
    for cidr in desired:
        if cidr not in has:
            _address(draft, phase, name, "add", cidr)


def _address(draft: Draft, phase: str, name: str, verb: str, cidr: str) -> None:
    draft.add(
        phase,
        esxcli(*IPV6 + ("address", verb, "-i", name, "-I", cidr)),
        "{} {} {}".format(name, "gets" if verb == "add" else "loses", cidr),
        (Expectation("vmk", name, (("ipv6", "has" if verb == "add" else "lacks", cidr),)),),
    )
