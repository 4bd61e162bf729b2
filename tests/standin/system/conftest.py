"""The stand-in's EFI program, made once for each worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from standin.pythons import python_of
from standin.system.iso import make_bootable_program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ESXi 8.0, with Python 3.6 where this computer has it."""
    out = tmp_path_factory.mktemp("program") / "BOOTX64.EFI"
    make_bootable_program(out, release="8.0", python="3.6" if python_of("3.6") else None)
    return out
