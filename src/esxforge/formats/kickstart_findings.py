"""What a check of a kickstart finds, and what it is checked for."""

from __future__ import annotations

from dataclasses import dataclass

from esxforge_target.formats.kickstart_commands import Release

ERROR, WARNING = "error", "warning"
# The release whose installer's behaviour is known line by line; of others only VMware's pages are.
KNOWN_INSTALLER: Release = (6, 7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: what is wrong and what to do. ``line`` 0: the whole file; ``column`` 0: the whole line."""

    line: int
    severity: str
    message: str
    remedy: str
    column: int = 0

    @property
    def place(self) -> str:
        """``line 3, column 9: ``, or empty for the whole file."""
        if not self.line:
            return ""
        return f"line {self.line}, column {self.column}: " if self.column else f"line {self.line}: "

    def __str__(self) -> str:
        return f"{self.severity}: {self.place}{self.message}"


@dataclass(frozen=True, slots=True)
class Use:
    """What the kickstart is checked for.

    ``standalone``: it is used as it is, not merged by esxforge. ``eula_accepted`` and ``password_given``: whether the
    recipe accepts the EULA and gives a root password; None if there is no recipe to ask. ``allow_power_off``: its
    scripts may power the machine off.
    """

    release: Release = (8, 0)
    standalone: bool = False
    eula_accepted: bool | None = None
    password_given: bool | None = None
    allow_power_off: bool = False

    @property
    def release_name(self) -> str:
        """8.0"""
        return f"{self.release[0]}.{self.release[1]}"

    def known(self, behaviour: str) -> str:
        """A clause on what the installer does there: for certain for one release, and for others that nobody knows."""
        known = f"{KNOWN_INSTALLER[0]}.{KNOWN_INSTALLER[1]}"
        if self.release == KNOWN_INSTALLER:
            return f"{known}'s installer {behaviour}"
        return f"{known}'s installer {behaviour}, what {self.release_name}'s does is not known"


def error(line: int, message: str, remedy: str, column: int = 0) -> Finding:
    """A finding that stops a build."""
    return Finding(line, ERROR, message, remedy, column)


def warning(line: int, message: str, remedy: str, column: int = 0) -> Finding:
    """A finding that stops nothing."""
    return Finding(line, WARNING, message, remedy, column)
