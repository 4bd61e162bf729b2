"""What the verbs that start virtual machines have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from esxforge.vm.hardware import Accelerator, NetworkCard, Vnc

_PANEL = "VNC"

ReleaseOption = Annotated[
    str | None,
    typer.Option("--release", help="ESXi release; sets the hardware. Else the image's own.", show_default=False),
]

VncOption = Annotated[
    str | None, typer.Option("--vnc", help="VNC display: N or ADDRESS:N.", show_default=False, rich_help_panel=_PANEL)
]
VncPasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--vnc-password-file",
        help="File whose first line is the display's password, at most 8 characters.",
        show_default=False,
        readable=False,
        rich_help_panel=_PANEL,
    ),
]
VncOpenOption = Annotated[
    bool,
    typer.Option(
        "--vnc-without-password",
        help="Let anyone who reaches ADDRESS see and control the machine.",
        rich_help_panel=_PANEL,
    ),
]
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


def accelerator(text: str) -> Accelerator | None:
    """``auto`` (None), ``kvm`` or ``tcg``; anything else is a usage error."""
    from esxforge.vm.hardware import Accelerator

    if text == "auto":
        return None
    try:
        return Accelerator(text)
    except ValueError:
        raise typer.BadParameter(f"“{text}” is none of auto, kvm, tcg.", param_hint="--accel") from None


def is_uefi(text: str) -> bool:
    """``uefi`` or ``bios``; anything else is a usage error."""
    if text not in ("uefi", "bios"):
        raise typer.BadParameter(f"“{text}” is neither uefi nor bios.", param_hint="--firmware")
    return text == "uefi"


def network_card(text: str | None) -> NetworkCard | None:
    """``e1000``, ``e1000e`` or ``vmxnet3``; None for the release's; anything else is a usage error."""
    from esxforge.vm.hardware import NetworkCard

    if text is None:
        return None
    try:
        return NetworkCard(text)
    except ValueError:
        raise typer.BadParameter(f"“{text}” is none of e1000, e1000e, vmxnet3.", param_hint="--nic") from None
