"""The tree of errors. Every deliberately raised error is one of these and carries a hint.

::

    ForgeError                  root; ``message`` and ``hint`` (esxforge_target.runtime.errors)
    ├── FormatError             bytes are not what their format demands (esxforge_target.runtime.errors)
    ├── DiskError               reading or writing a disk failed (esxforge_target.runtime.blocks)
    ├── ValidationErrors        what MAAS asks for that ESXi cannot do; all reasons at once
    │                           (esxforge_target.runtime.validation_errors)
    ├── MediaError              the ISO cannot be used: not an ISO, not ESXi's, damaged, contradictory
    ├── RecipeError             the request is not possible; all problems at once
    ├── AddOnError              a file is damaged, or not a VIB or an offline bundle (addons.errors)
    ├── InputError              a named file cannot be read: absent, a device, too large, a silent pipe
    ├── OutputError             the output cannot be written: exists, in use, no space, no permission
    ├── ImageError              an image is incomplete or not ours; a disk holds no installed ESXi
    │   ├── ChangedError        it changed while it was uploaded (maas.reader)
    │   └── NotCapturedError    the installer ran, but its disk gives no image (image.golden)
    ├── ProcessError            a program that was started failed, or is not installed
    │   ├── QmpError            QEMU's control channel (vm.qmp)
    │   └── MachineFailedError  a virtual machine; carries a report of the likely cause (vm.failure)
    ├── InterruptedRunError     Ctrl-C, while something that was started keeps running
    └── MaasError               MAAS refused, or could not be reached
        ├── TransientError      it may work when tried again (maas.failures)
        └── RefusedError        it will not (maas.failures)

Exit status: 1 for all of them but InterruptedRunError, whose is 130; 2 is for a wrong command line. A class's ``code``
is what a program reads in the JSON error document (``--json``); classes without one of their own inherit their
base's.
"""

from __future__ import annotations

from esxforge_target.runtime.errors import ForgeError, FormatError

__all__ = [
    "ForgeError",
    "FormatError",
    "ImageError",
    "InputError",
    "InterruptedRunError",
    "MaasError",
    "MediaError",
    "OutputError",
    "ProcessError",
    "RecipeError",
]


class MediaError(ForgeError):
    """The installer ISO cannot be used."""

    code = "media"


class RecipeError(ForgeError):
    """The request is not possible.

    ``problems`` holds one sentence each, with its location; ``message`` is all of them.
    """

    code = "recipe"

    def __init__(self, problems: list[str], hint: str = "", place: str = "") -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems), hint, place)


class InputError(ForgeError):
    """A named file cannot be read."""

    code = "input"


class OutputError(ForgeError):
    """The output cannot be written. ``cause`` refines the code: ``output.exists``, ``output.no-space`` and so on."""

    code = "output"

    def __init__(self, message: str, hint: str = "", place: str = "", cause: str = "") -> None:
        super().__init__(message, hint, place)
        if cause:
            self.code = f"output.{cause}"


class ImageError(ForgeError):
    """An image is incomplete, or was not made by esxforge."""

    code = "image"


class ProcessError(ForgeError):
    """A program that was started failed, or is not installed."""

    code = "process"


class InterruptedRunError(ForgeError):
    """Ctrl-C ended esxforge, but not what it had started. Not a KeyboardInterrupt: typer would drop its text."""

    code = "interrupted"


class MaasError(ForgeError):
    """MAAS refused a request, or could not be reached."""

    code = "maas"
