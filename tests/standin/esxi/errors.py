"""How a command of the fake ends early."""


class CommandError(Exception):
    """The command prints ``message`` and ends with ``status``, as the real one would."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class AlreadyThereError(CommandError):
    """What the command adds is there already, just so (dial already-there)."""


class NotThereError(CommandError):
    """What the command takes away is not there (dial not-there)."""


class PowerLost(BaseException):
    """The machine is off. Not an Exception: the program under test must not be able to catch it and go on."""
