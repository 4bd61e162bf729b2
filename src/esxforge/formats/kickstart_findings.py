"""Findings of a kickstart check, and the use that it is checked for."""

from __future__ import annotations

from dataclasses import dataclass

from esxforge_target.formats.kickstart_commands import Release

ERROR, WARNING = "error", "warning"
# The release whose installer's behaviour is known line by line; for others there are only VMware's pages.
KNOWN_INSTALLER: Release = (6, 7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: the problem and its hint. ``line`` 0: the entire file; ``column`` 0: the entire line."""

    line: int
    severity: str
    message: str
    hint: str
    column: int = 0

    @property
    def place(self) -> str:
        """``line 3, column 9: ``, or empty for the entire file."""
        if not self.line:
            return ""
        return f"line {self.line}, column {self.column}: " if self.column else f"line {self.line}: "

    def __str__(self) -> str:
        return f"{self.severity}: {self.place}{self.message}"


@dataclass(frozen=True, slots=True)
class Use:
    """Use of the kickstart that is checked.

    ``standalone``: used as it is, not merged by esxforge. ``eula_accepted`` and ``password_given``: whether the
    recipe accepts the EULA and gives a root password; None if there is no recipe. ``allow_power_off``: its
    scripts may power the machine off.
    """

    release: Release = (8, 0)
    standalone: bool = False
    eula_accepted: bool | None = None
    password_given: bool | None = None
    allow_power_off: bool = False

    @property
    def release_name(self) -> str:
        """Release as in messages, such as 8.0."""
        return f"{self.release[0]}.{self.release[1]}"

    def known(self, behaviour: str) -> str:
        """Return a clause on the installer's behaviour: certain for one release, unknown for others."""
        known = f"{KNOWN_INSTALLER[0]}.{KNOWN_INSTALLER[1]}"
        if self.release == KNOWN_INSTALLER:
            return f"{known}'s installer {behaviour}"
        return f"{known}'s installer {behaviour}, what {self.release_name}'s does is not known"


def error(line: int, message: str, hint: str, column: int = 0) -> Finding:
    """Return a finding that stops a build."""
    return Finding(line, ERROR, message, hint, column)


def warning(line: int, message: str, hint: str, column: int = 0) -> Finding:
    """Return a finding that stops nothing."""
    return Finding(line, WARNING, message, hint, column)
