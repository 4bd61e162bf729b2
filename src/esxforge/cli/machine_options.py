"""The options of the verbs that start virtual machines, or describe one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from esxforge.cli.option_groups import OptionGroup

if TYPE_CHECKING:
    from esxforge.vm.deployed import Changes
    from esxforge.vm.hardware import Accelerator, Vnc

_PANEL = "VNC"

ReleaseOption = Annotated[
    str | None,
    typer.Option(
        "--release", help="ESXi release, which decides the hardware. [default: the image's]", show_default=False
    ),
]
Accel = Literal["auto", "kvm", "tcg"]
AccelOption = Annotated[
    Accel, typer.Option("--accel", help="Accelerator: auto uses KVM; tcg works without KVM, slowly.")
]
Firmware = Literal["uefi", "bios"]
FirmwareOption = Annotated[Firmware, typer.Option("--firmware", help="Firmware of the machine.")]


@dataclass(frozen=True)
class HardwareOptions(OptionGroup):
    """Changes to the hardware that the release gets. ``memory`` in MiB."""

    memory: Annotated[
        int | None,
        typer.Option("--memory", min=64, help="Memory in MiB. [default: as the release needs]", show_default=False),
    ] = None
    cpus: Annotated[
        int | None,
        typer.Option(
            "--cpus", min=1, max=64, help="Number of CPU cores. [default: as the release needs]", show_default=False
        ),
    ] = None
    nic: Annotated[
        Literal["e1000", "e1000e", "vmxnet3"] | None,
        typer.Option("--nic", help="Network card model. [default: as the release needs]", show_default=False),
    ] = None

    def changes(self) -> Changes:
        """The options as the virtual machine takes them."""
        from esxforge.vm.deployed import Changes
        from esxforge.vm.hardware import NetworkCard

        return Changes(self.memory, self.cpus, None if self.nic is None else NetworkCard(self.nic))


@dataclass(frozen=True)
class VncOptions(OptionGroup):
    """The machine's screen over VNC."""

    vnc: Annotated[
        str | None,
        typer.Option(
            "--vnc",
            metavar="DISPLAY",
            help="Show the screen on a VNC display: N, on this computer only, or ADDRESS:N.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    vnc_password_file: Annotated[
        Path | None,
        typer.Option(
            "--vnc-password-file",
            help="File whose first line is the VNC password (at most 8 characters).",
            show_default=False,
            readable=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    vnc_without_password: Annotated[
        bool,
        typer.Option(
            "--vnc-without-password",
            help="Allow a VNC display that other computers reach without a password.",
            rich_help_panel=_PANEL,
        ),
    ] = False

    def display(self) -> Vnc | None:
        """As :func:`vnc_display`."""
        return vnc_display(self.vnc, self.vnc_password_file, without_password=self.vnc_without_password)


_LARGEST_PASSWORD_FILE = 1 << 16


def vnc_display(text: str | None, password_file: Path | None, *, without_password: bool) -> Vnc | None:
    """The display that the options ask for; None for none.

    Raises RecipeError for one that other computers would reach without a password, InputError for a password file that
    cannot be read. Options that contradict each other are a usage error.
    """
    from dataclasses import replace

    from esxforge.errors import RecipeError
    from esxforge.local.reading import read_file
    from esxforge.vm.hardware import LONGEST_VNC_PASSWORD, parse_vnc

    if text is None:
        if password_file is not None or without_password:
            raise typer.BadParameter("there is no display without --vnc", param_hint="--vnc-password-file")
        return None
    if password_file is not None and without_password:
        raise typer.BadParameter("a password, or none: choose one", param_hint="--vnc-without-password")
    display = parse_vnc(text)
    if password_file is not None:
        data = read_file(password_file, largest=_LARGEST_PASSWORD_FILE, pipes=True)
        password = data.decode("utf-8", "replace").partition("\n")[0].rstrip("\r")
        if not (password.isascii() and password.isprintable() and 0 < len(password) <= LONGEST_VNC_PASSWORD):
            raise RecipeError(
                [f"{password_file}: the password has to have 1 to {LONGEST_VNC_PASSWORD} printable ASCII characters."],
                f"The VNC protocol uses the first {LONGEST_VNC_PASSWORD} characters only.",
                str(password_file),
            )
        return replace(display, password=password)
    if not display.is_local and not without_password:
        raise RecipeError(
            [f"The VNC display {text} could be seen and controlled by anyone who reaches {display.where}."],
            "Give --vnc-password-file FILE, or --vnc N and a tunnel (ssh -L); --vnc-without-password accepts the risk.",
            "--vnc",
        )
    return display


def accelerator(chosen: Accel) -> Accelerator | None:
    """The accelerator; None for ``auto``."""
    from esxforge.vm.hardware import Accelerator

    return None if chosen == "auto" else Accelerator(chosen)
