"""The tree of errors. Whatever is raised on purpose is one of these, and each carries a hint for the person.

::

    ForgeError                  root; ``message`` and ``hint`` (esxforge_target.runtime.errors)
    ├── FormatError             bytes are not what their format demands (esxforge_target.runtime.errors)
    ├── DiskError               reading or writing a disk failed (esxforge_target.runtime.blocks)
    ├── ValidationErrors                what MAAS wants that ESXi cannot be; all reasons at once
    (esxforge_target.curtin_config) ├── MediaError              the ISO cannot be used: not an ISO, not ESXi's,
    damaged, contradictory ├── RecipeError             what the person asked for is not possible; all problems at once
    ├── AddOnError              a VIB or an offline bundle is damaged, or is none (addons.errors)
    ├── InputError              a file that was named cannot be read: absent, a device, too large, a silent pipe
    ├── OutputError             the output cannot be written: exists, in use, no space, no permission
    ├── ImageError              an image is not whole or not ours; a disk holds no installed ESXi
    │   ├── ChangedError        it changed while it was uploaded (maas.reader)
    │   └── NotCapturedError    the installer ran, but its disk gives no image (image.golden)
    ├── ProcessError            a program that was started failed, or is not there
    │   ├── QmpError            QEMU's control channel (vm.qmp)
    │   └── MachineFailedError  a virtual machine; carries a report of the likely cause (vm.failure)
    ├── InterruptedRunError     Ctrl-C, where something that was started goes on
    └── MaasError               MAAS refused, or could not be reached
        ├── TransientError      it may work when tried again (maas.failures)
        └── RefusedError        it will not (maas.failures)

Exit status: 1 for all of them but InterruptedRunError, whose is 130; 2 is for a wrong command line. ``code`` of each
class is what a program reads in the JSON error document (``--json``); classes without one of their own have that of
their base.
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
    """What the person asked for is not possible.

    ``problems`` holds one sentence each, with its place; ``message`` is all of them.
    """

    code = "recipe"

    def __init__(self, problems: list[str], hint: str = "", place: str = "") -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems), hint, place)


class InputError(ForgeError):
    """A file that was named cannot be read."""

    code = "input"


class OutputError(ForgeError):
    """The output cannot be written. ``cause`` refines the code: ``output.exists``, ``output.no-space`` and so on."""

    code = "output"

    def __init__(self, message: str, hint: str = "", place: str = "", cause: str = "") -> None:
        super().__init__(message, hint, place)
        if cause:
            self.code = f"output.{cause}"


class ImageError(ForgeError):
    """An image is not whole, or was not made by esxforge."""

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
