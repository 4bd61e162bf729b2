"""What the verbs that start virtual machines have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from esxforge.vm.hardware import Accelerator, NetworkCard

ReleaseOption = Annotated[
    str | None,
    typer.Option("--release", help="ESXi release; sets the hardware. Else the image's own.", show_default=False),
]


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
