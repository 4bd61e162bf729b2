"""Faults that a test orders for commands to come."""

from typing import Any, Dict, List, Optional

ACTIONS = ("fail", "hang", "ignore", "cut-before", "cut-after")


def new_fault(
    action: str, nth: int = 1, match: str = "", status: int = 1, message: str = "", times: int = 1
) -> Dict[str, Any]:
    """``action`` for the ``nth`` command from now whose words contain ``match``, and ``times`` - 1 such after it.

    fail: it prints ``message`` and ends with ``status``, without effect. hang: it does not end in the time it is given,
    without effect. ignore: it reports success, without effect. cut-before, cut-after: the power goes.
    """
    if action not in ACTIONS:
        raise ValueError(f"no fault {action}; there are {', '.join(ACTIONS)}")
    return {
        "action": action, "nth": nth, "match": match, "status": status, "times": times, "seen": 0,
        "message": message or "Operation failed.",
    }  # fmt: skip


def strike(faults: List[Dict[str, Any]], arguments: List[str]) -> Optional[Dict[str, Any]]:
    """Count this command, and the first fault that is due for it."""
    line = " ".join(arguments)
    due = None
    for fault in faults:
        if fault["match"] in line:
            fault["seen"] += 1
            if due is None and fault["nth"] <= fault["seen"] < fault["nth"] + fault["times"]:
                due = fault
    return due
