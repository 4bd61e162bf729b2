"""Which ESXi release an image holds, as far as deploying differs between them."""

import re
from typing import Tuple

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

# ESXi 7.0 Update 1c, the first with systemMediaSize (VMware KB 81166; its release notes give the build).
_BUILD_OF_70U1C = 17325551


class Release(Value):
    """``numbers`` such as (8, 0, 3); ``build`` such as 24280767, or 0 where it is not known."""

    __slots__ = ("numbers", "build")

    def __init__(self, numbers: "Tuple[int, ...]", build: int = 0) -> None:
        self.numbers = numbers
        self.build = build

    @classmethod
    def parse(cls, version: str, build: str = "") -> "Release":
        """From a version (``8.0.3``, ``8.0.3-24280767``) and what boot.cfg says (``8.0.3-0.35.24280767``)."""
        found = re.match(r"\s*(\d+)\.(\d+)(?:\.(\d+))?", version)
        if found is None:
            raise FormatError("“{}” is not an ESXi release.".format(version), "Build the image again.")
        number = re.search(r"(?<!\d)(\d{7,9})\s*\Z", version) or re.search(r"(?<!\d)(\d{7,9})\s*\Z", build)
        return cls(tuple(int(part or 0) for part in found.groups()), int(number.group(1)) if number else 0)

    @property
    def major(self) -> int:
        """6, 7, 8…"""
        return self.numbers[0]

    @property
    def knows_media_size(self) -> bool:
        """Return whether the installer takes systemMediaSize: from 7.0 Update 1c on."""
        if self.numbers[:3] == (7, 0, 1):
            return self.build >= _BUILD_OF_70U1C
        return self.numbers > (7, 0, 1)

    def __str__(self) -> str:
        return ".".join(str(number) for number in self.numbers)
