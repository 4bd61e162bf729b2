"""Steps in the making: appended phase by phase, read out in the phases' order."""

from typing import Dict, List, Tuple

from esxforge_target.plan.commands import Command, renew_commands
from esxforge_target.plan.steps import PHASES, STORAGE, Expectation, Step


class Draft:
    """Collects steps and notices."""

    def __init__(self) -> None:
        self._steps = {phase: [] for phase in PHASES}  # type: Dict[str, List[Step]]
        self.notices = []  # type: List[str]
        self.errors = []  # type: List[str]

    def add(  # noqa: PLR0917  # one for each field of a step
        self,
        phase: str,
        command: Command,
        changes: str,
        expects: "Tuple[Expectation, ...]" = (),
        undo: "Tuple[Command, ...]" = (),
        stdin: str = "",
        may_fail: bool = False,
    ) -> None:
        """Append a step to its phase. ``undo`` is for storage: the network's way back is plan.restore."""
        self.append(Step(phase, command, changes, undo, expects, stdin, may_fail))

    def renew(self, phase: str, name: str, dns: bool, reason: str, expects: "Tuple[Expectation, ...]" = ()) -> None:
        """Let an interface that uses DHCP ask again."""
        gives_up, asks = renew_commands(name, dns)
        self.add(phase, gives_up, "{} gives up its lease".format(name))
        own = Expectation("vmk", name, (("ipv4", "is", "dhcp"), ("dhcp_dns", "is", dns)))
        self.add(phase, asks, "{} asks DHCP again, {}".format(name, reason), (own,) + expects)

    def append(self, step: Step) -> None:
        """Append a complete step."""
        self._steps[step.phase].append(step)

    def steps(self) -> Tuple[Step, ...]:
        """All steps in order. What cannot be undone, as VMFS never shrinks, comes last: most failures come before."""
        self._steps[STORAGE].sort(key=lambda step: not step.undo)
        return tuple(step for phase in PHASES for step in self._steps[phase])
