"""The options of ``build`` that only golden images have."""

from __future__ import annotations

from typing import Annotated

import typer

_PANEL = "Golden images"

AccelOption = Annotated[
    str, typer.Option("--accel", help="auto (KVM), kvm, or tcg (slow, without KVM).", rich_help_panel=_PANEL)
]
FirmwareOption = Annotated[
    str, typer.Option("--firmware", help="What the installer starts on: uefi or bios.", rich_help_panel=_PANEL)
]
DiskSizeOption = Annotated[
    int | None,
    typer.Option("--disk-size", min=1, help="Disk in GiB. Else the least.", show_default=False, rich_help_panel=_PANEL),
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--memory", min=64, help="Memory in MiB.", show_default=False, rich_help_panel=_PANEL),
]
TimeoutOption = Annotated[
    int | None,
    typer.Option(
        "--timeout", min=1, help="Longest run of the installer, minutes.", show_default=False, rich_help_panel=_PANEL
    ),
]
WatchOption = Annotated[
    bool, typer.Option("--watch", help="Show the installer's screen on a local web page.", rich_help_panel=_PANEL)
]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Keep the work directory after success too.", rich_help_panel=_PANEL)
]
