"""Run the steps of a plan: the first is noted in the journal before, each is judged by ESXi's state afterwards."""

from typing import Optional, Sequence

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import COMMAND_SECONDS, System, said
from esxforge_target.agent.undo import Undo
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import reread_network, reread_storage
from esxforge_target.plan.commands import RENAME, dhcp_command, renew_commands, route_command
from esxforge_target.plan.routes import adds_route, obstacle
from esxforge_target.plan.steps import STORAGE, Step
from esxforge_target.runtime.errors import ForgeError

_PAUSE = 3.0
_ATTEMPTS = 3
# A list may lag so far behind what is in a route's way.
_LAG_SECONDS = 9.0


class StepError(ForgeError):
    """A step of the plan failed each time."""


class Steps:
    """Runs steps. Their changes are noted as ``about`` in the undo list."""

    def __init__(self, system: System, undo: Undo, log: Log) -> None:
        self._system = system
        self._undo = undo
        self._log = log

    def run(self, steps: "Sequence[Step]", about: str, before: Inventory) -> None:
        """Run ``steps`` in order; ``before`` is an inventory from before them. Raises StepError."""
        for step in steps:
            self._log.say("{}: {}".format(step.phase, step.changes))
            if step.phase != STORAGE:
                self._undo.open(about)
            is_rename = step.command[:2] == RENAME
            if is_rename:
                self._undo.before(about, step.undo)
            self._try(step, before)
            if step.phase == STORAGE and not is_rename:
                # Noted only after it: rolling back a partition that was never made could remove another one.
                self._undo.after(about, step.undo)
                if not step.undo:
                    self._undo.note_lasting(step.changes)

    def _try(self, step: Step, before: Inventory) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            command = step.command
            if attempt == _ATTEMPTS and command[0] == "esxcli":
                command = ("localcli",) + command[1:]  # past ESXi's management service, which may be why
            result = self._system.run(command, COMMAND_SECONDS, step.stdin)
            if result.status == 0:
                return
            reason = "{} ended with {}: {}".format(" ".join(step.command), result.status, said(result))
            now = self._read(step, before)
            # What was so before the plan already, a step between may have undone; a list that lags hides that.
            proves = attempt == _ATTEMPTS or [one for one in step.expects if one.unmet(before)]
            if proves and now is not None and not [one for one in step.expects if one.unmet(now)]:
                self._log.say("ESXi shows it as desired all the same: {}".format(reason))
                return
            self._log.warn(reason)
            route = None if now is None else obstacle(step, now)
            if route is None and attempt == _ATTEMPTS - 1 and adds_route(step) and not step.may_fail:
                self._system.clock.sleep(_LAG_SECONDS)
                now = self._read(step, before)
                route = None if now is None else obstacle(step, now)
            if route is not None and attempt < _ATTEMPTS:
                self._log.say("in its way: the route by {} of {}".format(route.gateway, route.interface))
                removed = self._system.run(route_command("remove", route.network, route.gateway)).status == 0
                # If it failed the first time, ESXi's management service may just have been busy.
                if not removed and attempt > 1 and self._run_without_lease(step, route.interface, before):
                    return
            elif step.may_fail and attempt > 1:
                return
            if attempt < _ATTEMPTS:
                self._system.clock.sleep(_PAUSE)
        raise StepError(
            "ESXi refused to {}: {}.".format(step.changes, reason),
            "Run the command in the host's shell to see why; the host is put back as it was found.",
        )

    def _run_without_lease(self, step: Step, name: str, before: Inventory) -> bool:
        """Run a step while the interface ``name`` has no lease: what was set by hand stays when the lease comes back.

        For an ESXi that does not remove a lease's route. Return whether the step worked.
        """
        runner, commands = self._system.runner, [dhcp_command(name, True)]
        try:
            vmk = reread_network(runner, before, commands, self._system.program, outdated=True).vmk(name)
        except ForgeError:
            return False
        if vmk is None or vmk.ipv4 != "dhcp":
            return False
        gives_up, asks = renew_commands(name, vmk.dhcp_dns)
        self._log.say("{} gives up its lease for a moment".format(name))
        self._system.run(gives_up)
        worked = self._system.run(step.command, COMMAND_SECONDS, step.stdin).status == 0
        for _ in range(_ATTEMPTS):
            if self._system.run(asks).status == 0:
                break
            self._system.clock.sleep(_PAUSE)
        return worked

    def _read(self, step: Step, before: Inventory) -> "Optional[Inventory]":
        """Return ESXi's state after a failed command, which may have worked before it hung; None if unreadable."""
        if not step.expects:
            return None
        try:
            if step.phase == STORAGE:
                return reread_storage(self._system.runner, before, self._system.program)
            return reread_network(self._system.runner, before, [step.command], self._system.program, outdated=True)
        except ForgeError:
            return None
