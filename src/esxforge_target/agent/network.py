"""The desired network is put in place and proved; where it is silent, the ladder of fall-backs.

Silence of MAAS and the gateway under the desired network: back to the one that was found. Is MAAS silent there too,
DHCP on the NIC that booted. Is it silent there too, the network was not the cause: the desired one is put back, and
tried on until the deadline. Where MAAS answers under a fall-back, the desired one gets a second chance, as MAAS may
have been away just then; if it stays silent, the host stays on the fall-back and MAAS is told why.
"""

from typing import Callable, Optional, Tuple

from esxforge_target.agent import deadlines
from esxforge_target.agent.connectivity import Connectivity
from esxforge_target.agent.deadlines import Deadlines
from esxforge_target.agent.log import Log
from esxforge_target.agent.steps import Steps
from esxforge_target.agent.system import System, said
from esxforge_target.agent.undo import FALLBACK, NETWORK, Undo
from esxforge_target.contract.desired_host import DHCP4, NIC, Address, DesiredHost, Interface
from esxforge_target.esxi.esxcli import CommandError
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.network import read_routes
from esxforge_target.inventory.read import (
    WHOLE_NETWORK,
    read,
    reread_network,
    reread_storage,
    reread_to_verify,
)
from esxforge_target.metadata.errors import ANSWERED, RIGHT
from esxforge_target.plan.commands import EVERYTHING, INTERFACE, Command, esxcli, listen_again_commands, renew_commands
from esxforge_target.plan.layout import MANAGEMENT_VMK, layout_of
from esxforge_target.plan.planner import make_plan
from esxforge_target.plan.steps import COMPLETE, MANAGEMENT, PREPARE, Plan
from esxforge_target.runtime.errors import ForgeError

_CREATES = esxcli(*INTERFACE + ("add",))
_ROUTE = esxcli("network", "ip", "route")
# Between two questions, where an answer cannot be read or contradicts another one.
_READ_PAUSE = 4.0
_ATTEMPTS = 3
_ATTEMPT_PAUSE = 3.0
# How long to read again what contradicts itself after a correction: lists may lag behind it.
_READ_SECONDS = 20.0


class NetworkError(ForgeError):
    """The desired network does not lead to MAAS, or MAAS did not answer in time."""


class NetworkSetup:
    """Makes the desired network and proves it."""

    def __init__(  # noqa: PLR0917  # one for each part that it uses
        self,
        system: System,
        desired: DesiredHost,
        steps: Steps,
        undo: Undo,
        connectivity: Connectivity,
        ends: Deadlines,
        log: Log,
    ) -> None:
        self._system = system
        self._desired = desired
        self._steps = steps
        self._undo = undo
        self._connectivity = connectivity
        self._ends = ends
        self._log = log
        self.fallback = False
        self._corrected = False

    def make(self, plan: Plan, inventory: Inventory, heard: "Callable[[], None]") -> None:
        """Run the plan's steps of the network; MAAS answers rightly when this returns, and ``heard`` was called.

        Raises StepError or NetworkError; it is then for the caller to take the network back.
        """
        self._apply(plan, inventory, (PREPARE, MANAGEMENT))
        self._prove(plan, inventory)
        heard()
        if self._corrected:
            inventory = self.current(inventory, True, False, _READ_SECONDS)
            plan = make_plan(self._desired, inventory)
        if self._apply(plan, inventory, (COMPLETE,)):
            self.ask_for_default(plan, inventory, False)
            # If MAAS stays silent, the next phase fails and says so.
            end = min(self._system.clock.monotonic() + deadlines.FALLBACK, self._ends.end(deadlines.CONNECTIVITY))
            self._connectivity.listen(end, deadlines.FALLBACK, lambda: self._correct(plan, inventory))

    def inventory(self, seconds: float = 0.0) -> Inventory:
        """The host as it is now. What cannot be read is asked for again for so many seconds: lists may lag behind, and
        ESXi's management service may still be starting. Raises CommandError.
        """
        stamps = [disk.disk_guid for disk in self._desired.datastore_disks()]
        return self._patiently(
            lambda: read(self._system.runner, self._system.devices, stamps, self._system.program), seconds
        )

    def _patiently(self, question: "Callable[[], Inventory]", seconds: float) -> Inventory:
        end = self._system.clock.monotonic() + seconds
        while True:
            try:
                return question()
            except CommandError as error:
                if self._system.is_over() or self._system.clock.monotonic() + _READ_PAUSE >= end:
                    raise
                self._log.warn("{} Asked again.".format(error.message))
            self._system.clock.sleep(_READ_PAUSE)

    def current(self, before: Inventory, network: bool, storage: bool, seconds: float) -> Inventory:
        """Return ``before`` with its ``network``, its ``storage`` or both read again. Raises CommandError.

        Left out is what no step changes (the release and the list of disks), and what neither a plan nor its
        verification looks at. What cannot be read is asked for again for so many ``seconds``.
        """
        runner, program = self._system.runner, self._system.program
        port_groups = [one.name for one in layout_of(self._desired, before).port_groups]

        def ask() -> Inventory:
            after = reread_to_verify(runner, before, port_groups, (MANAGEMENT_VMK,), program) if network else before
            return reread_storage(runner, after, program) if storage else after

        return self._patiently(ask, seconds)

    def ask_for_default(self, done: Plan, now: Inventory, fresh: bool = True) -> bool:
        """Ask DHCP again for the management address where an interface that ``done`` made may have cost its default
        route: on some ESXi a new one asks, too, before it is told not to. Whether it was asked. The routes of ``now``
        are read first unless they are ``fresh``.
        """
        layout = layout_of(self._desired, now)
        management = [one for one in layout.vmks if one.management and one.ipv4 == "dhcp"]
        created = [step for step in done.steps if step.command[: len(_CREATES)] == _CREATES]
        if not created or not management or not layout.default_by_dhcp:
            return False
        try:
            routes = now.routes if fresh else read_routes(self._system.esxcli(), (4,))
        except CommandError:
            return False
        if [route for route in routes if route.network == EVERYTHING[4]]:
            return False
        self._log.say("no lease's default route is there: {} asks DHCP again".format(MANAGEMENT_VMK))
        self._ask_again(renew_commands(MANAGEMENT_VMK, management[0].dhcp_dns))
        return True

    def _ask_again(self, commands: "Tuple[Command, ...]") -> None:
        """Run these, each until it works: between giving up a lease and asking again the host has no address."""
        for command in commands:
            for attempt in range(1, _ATTEMPTS + 1):
                words = ("localcli",) + command[1:] if attempt == _ATTEMPTS else command
                result = self._system.run(words)
                if result.status == 0:
                    break
                self._log.warn("{} ended with {}: {}".format(" ".join(words), result.status, said(result)))
                self._system.clock.sleep(_ATTEMPT_PAUSE)

    def _apply(self, plan: Plan, inventory: Inventory, phases: "Tuple[str, ...]") -> bool:
        """Run the steps of these phases; return whether there are any. Raises StepError."""
        steps = [step for step in plan.steps if step.phase in phases]
        self._steps.run(steps, NETWORK, inventory)
        return bool(steps)

    def _correct(self, done: Plan, before: Inventory) -> None:
        """MAAS is silent after the steps of ``done``: plan again what is not as they should have left it.

        A command may claim that it worked, or a new interface may have taken the default route with it.
        """
        try:
            now = self._network_now(before)
            plan = make_plan(self._desired, now)
            remaining = [step for step in plan.steps if step.phase in (PREPARE, MANAGEMENT)]
            # Where nothing of that is missing, a route that comes later may be the one that leads to MAAS.
            remaining = remaining or [step for step in plan.steps if step.command[:4] == _ROUTE]
            if remaining:
                self._log.say("MAAS is silent: what is not as it should be is set again")
                self._corrected = True
                self._steps.run(remaining, NETWORK, now)
                return
        except ForgeError as error:
            self._log.warn(error.message)
            return
        vmk = now.vmk(MANAGEMENT_VMK)
        if vmk is not None and vmk.address:  # else the DHCP server may just be slow
            self.ask_for_default(done, now)

    # The ladder

    def _prove(self, plan: Plan, before: Inventory) -> None:
        end = self._ends.end(deadlines.CONNECTIVITY)
        heard = self._connectivity.listen(end, correct=lambda: self._correct(plan, before))
        if heard == RIGHT:
            return
        if heard == ANSWERED:
            raise self._too_late()
        reason = self._connectivity.detail
        self._log.announce("the desired network is silent ({}): back to what was found".format(reason))
        self._undo.roll_back(NETWORK)
        by_dhcp = False
        if not self._connectivity.maas_answers(end):
            self._log.announce("MAAS is silent there, too: DHCP on the NIC that booted")
            by_dhcp = self._by_dhcp(before, end)
            if not by_dhcp:
                self._log.announce("MAAS is silent everywhere, so the network is not the cause: the desired one again")
                self._undo.roll_back(FALLBACK)
                again = self._again(before)
                if self._connectivity.listen(end, deadlines.MOST, lambda: self._correct(again, before)) != RIGHT:
                    raise self._too_late()
                return
        self._second_chance(before, reason, by_dhcp, end)

    def _too_late(self) -> NetworkError:
        return NetworkError(
            "MAAS did not answer for this machine in time. Last: {}".format(self._connectivity.detail),
            "See whether MAAS's services run, and whether the machine is still being deployed there.",
        )

    def _second_chance(self, before: Inventory, reason: str, by_dhcp: bool, end: float) -> None:
        """MAAS answers under a fall-back. Raises NetworkError unless the desired network works now."""
        where = "with DHCP on the NIC that booted" if by_dhcp else "with the network that was found"
        self._log.announce("MAAS answers {}: the desired network is tried once more".format(where))
        self._undo.roll_back(FALLBACK)
        try:
            plan = self._again(before)
            if self._connectivity.listen(end, deadlines.FALLBACK, lambda: self._correct(plan, before)) == RIGHT:
                return
        except ForgeError as error:
            self._log.warn(error.message)
        self._undo.roll_back(NETWORK)
        if by_dhcp:
            self.fallback = self._by_dhcp(before, end)
        raise NetworkError(
            "The desired network does not lead to MAAS ({}); MAAS answers {}.".format(reason, where),
            "Compare addresses, VLANs, bonds and gateways in MAAS with the switch ports; the log lists each step.",
        )

    def _again(self, before: Inventory) -> Plan:
        now = self._network_now(before)
        plan = make_plan(self._desired, now)
        self._apply(plan, now, (PREPARE, MANAGEMENT))
        return plan

    def fall_back(self) -> bool:
        """The last resort where MAAS must still be told and nothing is heard: DHCP on the NIC that booted.

        Whether MAAS answers there.
        """
        if self._connectivity.is_anybody_there():
            return False
        self.fallback = self._by_dhcp(None, self._system.clock.monotonic() + deadlines.CLOSING)
        if not self.fallback:
            self._undo.roll_back(FALLBACK)
        return self.fallback

    def _network_now(self, before: Inventory) -> Inventory:
        """Return ``before`` with its network read again: the ladder changes nothing else, a slow host lacks time."""
        return reread_network(self._system.runner, before, WHOLE_NETWORK, self._system.program)

    def _by_dhcp(self, before: "Optional[Inventory]", end: float) -> bool:
        """DHCP on the NIC that booted; whether MAAS answers then. ``before``: an inventory, where one was taken."""
        host = self._booted()
        if host is None:
            self._log.warn("which NIC booted is not known, so DHCP is not tried")
            return False
        try:
            now = self.inventory() if before is None else self._network_now(before)
            plan = make_plan(host, now)
            for refusal in plan.errors:
                self._log.warn(refusal)
            self._steps.run(plan.steps, FALLBACK, now)
            # It may have used DHCP before, and be waiting for an answer from another VLAN: let it ask again.
            self._undo.touch()
            vmk = now.vmk(MANAGEMENT_VMK)
            listens = vmk is not None and vmk.ipv6_enabled and vmk.router_advertisements
            again = listen_again_commands(MANAGEMENT_VMK) if listens else ()
            self._ask_again(renew_commands(MANAGEMENT_VMK, True) + again)
        except ForgeError as error:
            self._log.warn(error.message)
            return False
        return self._connectivity.maas_answers(end)

    def _booted(self) -> "Optional[DesiredHost]":
        if not self._desired.boot_mac:
            return None
        nic = Interface("boot", NIC, self._desired.boot_mac, addresses=(Address(DHCP4),))
        return self._desired.replace(
            interfaces=(nic,), routes=(), name_servers=(), search_domains=(), datastores=(), notices=()
        )
