"""Running the steps of a plan: the first is noted in the journal before, each is judged by what ESXi then shows."""

from typing import Optional, Sequence

from esxforge_target.agent.log import Log
from esxforge_target.agent.system import COMMAND_SECONDS, System, said
from esxforge_target.agent.undo import Undo
from esxforge_target.inventory.model import Inventory
from esxforge_target.inventory.read import reread_network, reread_storage
from esxforge_target.plan.routes import obstacle
from esxforge_target.plan.steps import STORAGE, Step
from esxforge_target.runtime.errors import ForgeError

_PAUSE = 3.0
_ATTEMPTS = 3


class StepError(ForgeError):
    """A step of the plan failed each time."""


class Steps:
    """Runs steps. What they change is noted as ``about`` in the undo list."""

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
            self._try(step, before)
            if step.phase == STORAGE:
                # Noted after it only: rolling back a partition that was never made could take another one.
                self._undo.before(about, step.undo)

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
            if now is not None and not [one for one in step.expects if one.unmet(now)]:
                self._log.say("ESXi shows it as desired all the same: {}".format(reason))
                return
            self._log.warn(reason)
            way = None if now is None else obstacle(step, now)
            if way is not None and attempt < _ATTEMPTS:
                self._log.say("in its way: {}".format(" ".join(way)))
                self._system.run(way)
            elif step.may_fail:
                return
            if attempt < _ATTEMPTS:
                self._system.clock.sleep(_PAUSE)
        raise StepError(
            "ESXi refused to {}: {}.".format(step.changes, reason),
            "Run the command in the host's shell to see why; the host is put back as it was found.",
        )

    def _read(self, step: Step, before: Inventory) -> "Optional[Inventory]":
        """What ESXi shows after a failed command, which may have done its work where it hung; None: it does not say."""
        if not step.expects:
            return None
        try:
            if step.phase == STORAGE:
                return reread_storage(self._system.runner, before, self._system.program)
            return reread_network(self._system.runner, before, [step.command], self._system.program, outdated=True)
        except ForgeError:
            return None
