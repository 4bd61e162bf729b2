"""Checks of a machine's status, lock and owner: may a deployment start?

MAAS itself looks at the owner only while a machine is Ready: an administrator's call on a machine that is allocated to
somebody else goes through (canonical/maas 3.7.3, api/machines.py). Here it does not, unless the owner is named.
"""

from __future__ import annotations

from esxforge.deployment.answers import (
    ALLOCATED,
    READY,
    Account,
    Machine,
)
from esxforge.deployment.findings import Finding, Findings

_RELEASE = "release it (its disks are not erased unless you ask for it): maas PROFILE machine release {id}"
# Statuses by MAAS's numbers (src/maascommon/enums/node.py), with the command that leads on.
_NEXT = {
    0: "commission it: maas PROFILE machine commission {id}",
    1: "wait until it is commissioned",
    2: "commission it again: maas PROFILE machine commission {id}",
    3: "find it: MAAS counts it as missing",
    5: _RELEASE,
    6: _RELEASE,
    7: "take it into service again in MAAS: it is retired",
    8: "if it is repaired: maas PROFILE machine mark-fixed {id}",
    9: "follow that deployment: esxforge follow {id}",
    11: _RELEASE,
    12: "wait until it is released",
    13: "look into its log, then: maas PROFILE machine release {id}",
    14: "wait until its disks are erased",
    15: "look into its log, then: maas PROFILE machine release {id}",
    16: "end rescue mode: maas PROFILE machine exit-rescue-mode {id}",
    17: "wait until it is in rescue mode, then end that: maas PROFILE machine exit-rescue-mode {id}",
    18: "look into its log, then: maas PROFILE machine exit-rescue-mode {id}",
    19: "wait until it has left rescue mode",
    20: "look into its log, then: maas PROFILE machine exit-rescue-mode {id}",
    21: "wait until its tests end",
    22: "if its hardware is right: maas PROFILE machine override-failed-testing {id}",
}


def judge_state(machine: Machine, account: Account | None, owner: str | None, findings: Findings) -> None:
    """Add what stands against deploying now. ``owner`` is whose machine may be taken, by the caller's own word."""
    if machine.locked:
        hint = f"Unlock it, if no one needs it unchanged: maas PROFILE machine unlock {machine.system_id}"
        findings.reasons.append(Finding(f"{machine.label} is locked.", hint))
    if machine.status not in (READY, ALLOCATED):
        todo = _NEXT.get(machine.status, "see in MAAS what it is doing").format(id=machine.system_id)
        hint = f"Only a machine that is Ready or Allocated can be deployed; {todo}"
        findings.reasons.append(Finding(f"{machine.label} is “{machine.status_name}”.", hint))
    _judge_owner(machine, account, owner, findings)


def _judge_owner(machine: Machine, account: Account | None, owner: str | None, findings: Findings) -> None:
    if owner is not None and machine.owner != owner:
        has = f"belongs to {machine.owner}" if machine.owner else "has no owner"
        findings.reasons.append(Finding(f"{machine.label} {has}, not to {owner}.", "Leave --owner out, or correct it."))
        return
    if machine.owner is None:
        return
    if account is None:
        findings.not_known.append(f"whether you are {machine.owner}, to whom the machine belongs")
        return
    if machine.owner in (account.username, owner):
        return
    hint = f"If {machine.owner} agrees, an administrator can say so: --owner {machine.owner}"
    findings.reasons.append(Finding(f"{machine.label} belongs to {machine.owner}, you are {account.username}.", hint))
