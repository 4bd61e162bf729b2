"""Steps in the making: appended phase by phase, read out in the phases' order."""

from typing import Dict, List, Tuple

from esxforge_target.plan.steps import PHASES, Command, Expectation, Step


def esxcli(*words: object) -> Command:
    """The command of these words."""
    return ("esxcli",) + tuple(str(word) for word in words)


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
        undo: "Tuple[Command, ...]" = (),
        expects: "Tuple[Expectation, ...]" = (),
        stdin: str = "",
        may_fail: bool = False,
    ) -> None:
        """Append a step to its phase."""
        self.append(Step(phase, command, changes, undo, expects, stdin, may_fail))

    def append(self, step: Step) -> None:
        """Append a whole step."""
        self._steps[step.phase].append(step)

    def steps(self) -> Tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for phase in PHASES for step in self._steps[phase])
