"""A module of a VIB that the image adds to ESXi: how the boot loader calls it, and what its content is."""

import re

from esxforge_target.runtime.documents import ONE_LINE, Shape
from esxforge_target.runtime.values import Value

MOST = 64


class AddedModule(Value):
    """``name`` is that of its file, in the boot volume and in the boot bank (8.3, lower case). ``vib`` is the name and
    version of its VIB. ``sha256`` and ``size`` (bytes) are those of what it unzips to.
    """

    __slots__ = ("name", "vib", "sha256", "size")

    def __init__(self, name: str, vib: str, sha256: str, size: int) -> None:
        self.name = name
        self.vib = vib
        self.sha256 = sha256
        self.size = size


SHAPES = {
    "name": Shape(
        str, form=(re.compile(r"\A[a-z0-9_-]{1,8}\.[tv][0-9]{2}\Z"), "the name of a module, such as drv.v00")
    ),
    "vib": Shape(str, low=1, high=300, form=ONE_LINE),
    "sha256": Shape(str, form=(re.compile(r"\A[0-9a-f]{64}\Z"), "a SHA-256 in hexadecimal")),
    "size": Shape(int, low=1, high=1 << 32),
}
