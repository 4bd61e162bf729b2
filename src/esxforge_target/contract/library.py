"""The code that a module of the boot loader carries."""

import io
import zipfile
from typing import List

from esxforge_target.contract.names import LIBRARY
from esxforge_target.formats import tar_module


def library(target_zip: bytes) -> "List[tar_module.TarEntry]":
    """The packages in ``curtin/target.zip`` as files below ``names.LIBRARY``."""
    directory = LIBRARY.lstrip("/") + "/"
    with zipfile.ZipFile(io.BytesIO(target_zip)) as archive:
        return [
            tar_module.file(directory + name, archive.read(name))
            for name in sorted(archive.namelist())
            if name[-1:] != "/"
        ]
