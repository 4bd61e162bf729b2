"""Elements of a plan: steps, each with its command and the effect that a later inventory must show."""

from typing import Any, Optional, Tuple

from esxforge_target.inventory.model import Inventory, PortGroup, Vmk, VSwitch
from esxforge_target.plan.commands import Command
from esxforge_target.runtime.values import Value

# The phases, in their order. During MANAGEMENT the way to MAAS may be cut.
PREPARE = "prepare"
MANAGEMENT = "management"
COMPLETE = "complete"
STORAGE = "storage"
PHASES = (PREPARE, MANAGEMENT, COMPLETE, STORAGE)


class Expectation(Value):
    """Expected content of an inventory: something of a ``kind`` and ``name``, with triples (field, operator, value).

    Kinds: vswitch, port_group, vmk, route (named by its network), datastore, partition (``DEVICE:N``), host.
    Operators: is, has, lacks. If ``gone`` is true, nothing of that name may be there.
    """

    __slots__ = ("kind", "name", "facts", "gone")

    def __init__(
        self, kind: str, name: str, facts: "Tuple[Tuple[str, str, Any], ...]" = (), gone: bool = False
    ) -> None:
        self.kind = kind
        self.name = name
        self.facts = tuple(facts)
        self.gone = gone

    def unmet(self, inventory: Inventory) -> Optional[str]:
        """Return a sentence that says what is not met; None if everything is."""
        found = _find(self.kind, self.name, inventory)
        label = "{} {}".format(self.kind.replace("_", " "), self.name).strip()
        if self.gone:
            return "{} is still there.".format(label) if found is not None else None
        if found is None:
            return "{} is not there.".format(label)
        for field, operator, value in self.facts:
            actual = found[field]
            right = (
                actual == value if operator == "is" else value in actual if operator == "has" else value not in actual
            )
            if not right:
                return "{}: {} {} {!r}, but it is {!r}.".format(label, field, _WORDS[operator], value, actual)
        return None


_WORDS = {"is": "should be", "has": "should have", "lacks": "should not have"}


def _find(kind: str, name: str, inventory: Inventory) -> Any:
    if kind == "host":
        return _fields(inventory)
    if kind == "route":
        routes = [route for route in inventory.routes if route.network == name]
        return {"gateways": [route.gateway for route in routes], "interfaces": [one.interface for one in routes]}
    if kind == "datastore":
        extents = sorted((one for one in inventory.extents if one.volume == name), key=lambda one: one.number)
        return {"extents": ["{}:{}".format(one.device, one.partition) for one in extents]} if extents else None
    if kind == "partition":
        device = inventory.device(name.rpartition(":")[0])
        entry = device.table.partition(int(name.rpartition(":")[2])) if device and device.table else None
        return _fields(entry) if entry is not None else None
    found = {"vswitch": inventory.vswitch, "port_group": inventory.port_group, "vmk": inventory.vmk}[kind](name)
    if found is None:
        return None
    fields = _fields(found)
    if isinstance(found, VSwitch):
        fields.update(_fields(found.team))
    if isinstance(found, PortGroup):
        fields["overrides_team"] = found.overrides_team
    if isinstance(found, Vmk):
        fields["ipv6"] = ["{}/{}".format(one.address, one.prefix_length) for one in found.ipv6_addresses]
    return fields


def _fields(value: Value) -> Any:
    return {name: getattr(value, name) for name in value.__slots__}


class Step(Value):
    """One command. ``expects`` is how to verify it, ``changes`` is for people.

    ``undo`` restores the former state, for storage; the network's way back is plan.restore. ``may_fail`` marks
    steps that depend on a DHCP server's answer: their failure is noted, and verification decides.
    """

    __slots__ = ("phase", "command", "changes", "undo", "expects", "stdin", "may_fail")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        phase: str,
        command: Command,
        changes: str,
        undo: Tuple[Command, ...] = (),
        expects: Tuple[Expectation, ...] = (),
        stdin: str = "",
        may_fail: bool = False,
    ) -> None:
        self.phase = phase
        self.command = tuple(command)
        self.changes = changes
        self.undo = tuple(tuple(one) for one in undo)
        self.expects = tuple(expects)
        self.stdin = stdin
        self.may_fail = may_fail


class Plan(Value):
    """Steps in their order, notices for people, and errors; with an error nothing must be applied."""

    __slots__ = ("steps", "notices", "errors")

    def __init__(self, steps: Tuple[Step, ...], notices: Tuple[str, ...], errors: Tuple[str, ...]) -> None:
        self.steps = tuple(steps)
        self.notices = tuple(notices)
        self.errors = tuple(errors)
