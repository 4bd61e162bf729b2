"""The root of every error that a person is meant to read."""


class ForgeError(Exception):
    """Something went wrong that a person can understand and repair.

    ``message`` says what happened, where and why; ``hint`` says what to do next. Both are full sentences without
    secrets: they are printed unchanged, on a terminal, in MAAS's log or on a host's console. ``code`` is for
    programs: it names the kind of error and stays the same when sentences change. ``place`` is the file, option or
    address that the error is about, where one is known.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        return self.message


class FormatError(ForgeError):
    """Bytes are not what their format demands (boot.cfg, GPT, FAT, tar module, manifest, kickstart)."""

    code = "format"
