"""curtin's log, and commands whose output goes there; a failed one is told as curtin tells it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from standin.curtin.choices import InstallationError

_INDENT = "\n" + " " * 8


class CommandError(InstallationError):
    """A command ended with another status than was allowed; ``output`` where curtin kept it."""

    def __init__(self, command: Sequence[str], status: int | None, output: str = "", reason: object = "-") -> None:
        self.status, self.reason = status, reason
        shown = output.replace("\n", _INDENT) if output else "''"
        super().__init__(
            "Unexpected error while running command.\n"
            f"Command: {list(command)}\nExit code: {'-' if status is None else status}\nReason: {reason}\n"
            f"Stdout: {shown}\nStderr: ''"
        )


class Log:
    """install.log: a file, and the console of the machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"")

    def say(self, text: str) -> None:
        """Add lines."""
        with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text.removesuffix("\n") + "\n")
        print(f"curtin: {text.rstrip()}".encode("ascii", "backslashreplace").decode("ascii"), flush=True)

    def text(self, start: int = 0) -> str:
        """What was said from the byte ``start`` on."""
        return self.path.read_bytes()[start:].decode("utf-8", "replace")

    @property
    def length(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size

    def run(
        self,
        command: Sequence[str],
        *,
        allowed: Sequence[int] = (0,),
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
    ) -> None:
        """Run a command with nothing to read; its output is added as it comes. Raises CommandError."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
            )
        except OSError as error:
            raise CommandError(command, None, reason=error) from error
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self.say(line.decode("utf-8", "surrogateescape"))
        if process.returncode not in allowed:
            raise CommandError(command, process.returncode)
