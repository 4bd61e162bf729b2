"""Actions for the host, as data. Contents can be secrets, so none of these print them."""

from typing import Tuple

from esxforge_target.runtime.values import Value


class Action(Value):
    """One thing to do."""

    __slots__ = ()


class WriteFile(Action):
    """Write ``content`` to the absolute ``path``, or append to it. ``mode``: permission bits; -1 leaves them."""

    __slots__ = ("path", "content", "mode", "append")

    def __init__(self, path: str, content: bytes, mode: int = 0o644, append: bool = False) -> None:
        self.path = path
        self.content = content
        self.mode = mode
        self.append = append

    def __repr__(self) -> str:
        return "WriteFile({}, {} bytes)".format(self.path, len(self.content))


class AddKeys(Action):
    """Let ``keys`` (lines of authorized_keys) log in as root, besides those that may already."""

    __slots__ = ("keys",)

    def __init__(self, keys: "Tuple[str, ...]") -> None:
        self.keys = keys


class RunCommand(Action):
    """Run one of ESXi's own commands; a status other than 0 is a problem."""

    __slots__ = ("arguments",)

    def __init__(self, arguments: "Tuple[str, ...]") -> None:
        self.arguments = arguments


class RunScript(Action):
    """Run the owner's script. ``interpreter`` is ``sh`` or ``python``, ``options`` those of its ``#!`` line."""

    __slots__ = ("name", "interpreter", "options", "content")

    def __init__(self, name: str, interpreter: str, options: "Tuple[str, ...]", content: bytes) -> None:
        self.name = name
        self.interpreter = interpreter
        self.options = options
        self.content = content

    def __repr__(self) -> str:
        return "RunScript({}, {}, {} bytes)".format(self.name, self.interpreter, len(self.content))


class SetPasswordHash(Action):
    """Give the local account ``user`` another password, by its hash."""

    __slots__ = ("user", "hash")

    def __init__(self, user: str, hash: str) -> None:  # noqa: A002  the name of the field
        self.user = user
        self.hash = hash

    def __repr__(self) -> str:
        return "SetPasswordHash({})".format(self.user)


class ActionPlan(Value):
    """Actions of a document. ``notices``: what should be known; ``problems``: requests that will not be
    fulfilled; both full sentences. ``vcenter``: the vCenter document that MAAS hid among the files, or empty.
    """

    __slots__ = ("actions", "notices", "problems", "vcenter")

    def __init__(
        self,
        actions: "Tuple[Action, ...]" = (),
        notices: "Tuple[str, ...]" = (),
        problems: "Tuple[str, ...]" = (),
        vcenter: bytes = b"",
    ) -> None:
        self.actions = actions
        self.notices = notices
        self.problems = problems
        self.vcenter = vcenter

    def __add__(self, other: "ActionPlan") -> "ActionPlan":
        return ActionPlan(
            self.actions + other.actions,
            self.notices + other.notices,
            self.problems + other.problems,
            other.vcenter or self.vcenter,
        )

    def __repr__(self) -> str:
        return "ActionPlan({!r}, {!r}, {!r})".format(self.actions, self.notices, self.problems)
