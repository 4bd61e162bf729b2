"""boot.cfg for the building side: the same code that runs on the target."""

from __future__ import annotations

from esxforge_target.formats.boot_cfg import (
    KERNEL_COMMAND_LINE_LIMIT,
    SECTOR_SIZE,
    BootCfg,
    Module,
    installer_kernelopt,
)

__all__ = ["KERNEL_COMMAND_LINE_LIMIT", "SECTOR_SIZE", "BootCfg", "Module", "installer_kernelopt"]
