"""The root of every error that a person is meant to read."""


class ForgeError(Exception):
    """Something went wrong that a person can understand and mend.

    ``message`` says what happened, where and why; ``hint`` says what to do next. Both are whole sentences without
    secrets: they are printed as they stand, on a terminal, in MAAS's log or on a host's console.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class FormatError(ForgeError):
    """Bytes are not what their format demands (boot.cfg, GPT, FAT, tar module, manifest, kickstart)."""
