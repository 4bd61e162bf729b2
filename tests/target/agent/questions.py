"""Which of the commands on a host only ask."""

from __future__ import annotations

from collections.abc import Sequence

# Words by which a program is asked something; all else may change something.
_ESXCLI = {"--formatter=json", "--formatter=keyvalue", "get", "list"}
QUESTIONS = {
    "esxcli": _ESXCLI,
    "localcli": _ESXCLI,
    "vmkfstools": {"-P"},
    "partedUtil": {"getptbl", "getUsableSectors"},
    "chkconfig": {"--list"},
    "SSH": {"status"},
    "bootorder": {"-l", "-h"},
    "secureBoot.py": {"-c"},
}


def is_question(command: Sequence[str]) -> bool:
    """Return whether a command only asks."""
    program = command[0].rpartition("/")[2]
    return not QUESTIONS.get(program, set()).isdisjoint(command[1:])
