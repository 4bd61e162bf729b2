"""The default route belongs to management's lease: what another lease holds is claimed, and the effect is looked at.

Which of several leases brings the default route is not documented, nor is whether ESXi shows the router of a lease.
Where the last lease wins, it is enough that vmk0 asks last; where the first one wins, the others must be without a
lease while vmk0 asks. Only that shows whether vmk0's lease brings a router at all, if ESXi does not say.
"""

from typing import List, Optional, Tuple

from esxforge_target.agent.log import Log
from esxforge_target.agent.steps import StepError, Steps
from esxforge_target.agent.system import System
from esxforge_target.agent.undo import NETWORK
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.inventory.model import Inventory, RouteEntry, Vmk
from esxforge_target.inventory.read import reread_network
from esxforge_target.plan.commands import BY_HAND, EVERYTHING, asks_dhcp, dhcp_command, none_command, route_command
from esxforge_target.plan.layout import MANAGEMENT_VMK, layout_of
from esxforge_target.plan.routes import rivals_for_default, shows_lease_router
from esxforge_target.plan.steps import COMPLETE, Expectation, Plan, Step
from esxforge_target.plan.working import has_lease
from esxforge_target.runtime.errors import ForgeError

_PAUSE = 4.0
# A DHCP server may take this long, and a list may lag so far behind the lease.
_LEASE_SECONDS = 40.0
_LAG_SECONDS = 10.0
# The others must get their leases back, whatever is left of the phase.
_LEAST = 150.0


class DefaultRoute:
    """Claims the default route for vmk0's lease. ``rebooted``: the host was started again since it was installed."""

    def __init__(self, system: System, desired: DesiredHost, steps: Steps, log: Log, rebooted: bool) -> None:
        self._system = system
        self._desired = desired
        self._steps = steps
        self._log = log
        self._rebooted = rebooted
        self._is_tested = False

    def claim(self, now: Inventory, done: "Optional[Plan]") -> bool:
        """Let vmk0's lease bring the default route where another lease holds it. Return whether anything was done.

        Where ESXi does not show whose router is whose, it is tried if an interface asked DHCP: because of a step of
        ``done``, or at a boot. Raises StepError.
        """
        asked = self._rebooted or any(asks_dhcp(step.command) for step in (done.steps if done else ()))
        others = rivals_for_default(layout_of(self._desired, now), now)
        if self._is_tested or not others or not (asked or shows_lease_router(now)):
            return False
        before = self._system.end
        if before is not None:
            self._system.until(max(before, self._system.clock.monotonic() + _LEAST))
        try:
            self._claim(now, others)
        finally:
            self._system.until(before)
        return True

    def _claim(self, now: Inventory, others: "Tuple[Vmk, ...]") -> None:
        names = ", ".join(vmk.name for vmk in others)
        self._log.say("the default route does not lead through {}, which asks DHCP again".format(MANAGEMENT_VMK))
        if MANAGEMENT_VMK in self._renew(now):
            return
        self._log.say("it still does not: {} asks while {} has no lease".format(MANAGEMENT_VMK, names))
        self._is_tested = True
        owners = ()  # type: Tuple[str, ...]
        try:
            self._run([_gives_up(vmk) for vmk in others], now)
            for route in self._defaults(now) or ():
                self._system.run(route_command("remove", route.network, route.gateway))
            owners = self._renew(now)
        finally:
            self._run([_asks(vmk) for vmk in others], now)
        if owners and MANAGEMENT_VMK not in owners:
            raise StepError(
                "The default route stays with {}, so it cannot be seen whether DHCP gives {} one.".format(
                    ", ".join(owners), MANAGEMENT_VMK
                ),
                "Give the host's default gateway in MAAS, or let one interface alone use DHCP.",
            )
        if not owners:
            self._log.say("the lease of {} brings no router".format(MANAGEMENT_VMK))
        elif MANAGEMENT_VMK not in [one.interface for one in self._defaults(now) or ()]:
            self._renew(now)

    def _run(self, steps: "List[Step]", now: Inventory) -> None:
        self._steps.run(steps, NETWORK, now)

    def _renew(self, now: Inventory) -> "Tuple[str, ...]":
        """Let vmk0 ask again, and wait for its lease. Return the interfaces that have a default route then."""
        management = now.vmk(MANAGEMENT_VMK)
        assert management is not None, "it has rivals"  # noqa: S101
        self._run([_gives_up(management), _asks(management)], now)
        clock = self._system.clock
        end = clock.monotonic() + _LEASE_SECONDS
        leased = None  # type: Optional[float]
        owners = ()  # type: Tuple[str, ...]
        while True:
            seen = self._read(now)
            if seen is not None:
                owners = tuple(one.interface for one in _leased_defaults(seen))
                vmk = seen.vmk(MANAGEMENT_VMK)
                if leased is None and vmk is not None and has_lease(vmk):
                    leased = clock.monotonic()
            if MANAGEMENT_VMK in owners or clock.monotonic() + _PAUSE >= end or self._system.is_over():
                return owners
            if leased is not None and clock.monotonic() >= leased + _LAG_SECONDS:
                return owners
            clock.sleep(_PAUSE)

    def _read(self, before: Inventory) -> "Optional[Inventory]":
        commands = [dhcp_command(MANAGEMENT_VMK, True)]
        try:
            return reread_network(self._system.runner, before, commands, self._system.program, outdated=True)
        except ForgeError:
            return None

    def _defaults(self, before: Inventory) -> "Optional[List[RouteEntry]]":
        seen = self._read(before)
        return None if seen is None else _leased_defaults(seen)


def _leased_defaults(inventory: Inventory) -> "List[RouteEntry]":
    return [one for one in inventory.routes if one.network == EVERYTHING[4] and one.source not in BY_HAND]


def _gives_up(vmk: Vmk) -> Step:
    expects = (Expectation("vmk", vmk.name, (("ipv4", "is", "none"),)),)
    return Step(COMPLETE, none_command(vmk.name), "{} gives up its lease".format(vmk.name), expects=expects)


def _asks(vmk: Vmk) -> Step:
    expects = (Expectation("vmk", vmk.name, (("ipv4", "is", "dhcp"), ("dhcp_dns", "is", vmk.dhcp_dns))),)
    return Step(COMPLETE, dhcp_command(vmk.name, vmk.dhcp_dns), "{} asks DHCP again".format(vmk.name), expects=expects)
