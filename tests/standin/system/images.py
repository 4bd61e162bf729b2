"""Boot media for tests of the bootable stand-in: an image built by esxforge, and a kickstart put into its module."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from esxforge.image.build import BuildOptions, build_installer_image
from esxforge.local.processes import run
from esxforge.recipe.load import load_recipe
from standin.system.iso import make_bootable_iso

HASH = "$6$saltsalt$" + "a" * 86
_VOLUME_AT = "@@1M"
_MODULE = "::ESXFORGE.TGZ"
BOOT_CFGS = ("::BOOT.CFG", "::EFI/BOOT/BOOT.CFG")


@dataclass(frozen=True)
class BootMedium:
    """A raw image with one FAT volume; changed with mtools, as a tool on the host would."""

    path: Path

    def read(self, name: str) -> bytes:
        """A file's content."""
        out = self.path.with_suffix(".read")
        run(["mcopy", "-n", "-o", "-i", f"{self.path}{_VOLUME_AT}", name, str(out)], timeout=60)
        return out.read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Replace a file."""
        source = self.path.with_suffix(".write")
        source.write_bytes(data)
        run(["mcopy", "-o", "-i", f"{self.path}{_VOLUME_AT}", str(source), name], timeout=60)

    def remove(self, name: str) -> None:
        """Delete a file."""
        run(["mdel", "-i", f"{self.path}{_VOLUME_AT}", name], timeout=60)

    def add_kickstart(self, text: str, files: Mapping[str, tuple[bytes, int]] | None = None) -> None:
        """Put a kickstart (and other files) into the extra module, and ``ks=`` on the kernel's command line."""
        self.write(_MODULE, archive({"esxforge/ks.cfg": (text.encode(), 0o644), **(files or {})}))
        for name in BOOT_CFGS:
            self.add_option(name, "ks=file:///esxforge/ks.cfg")

    def add_option(self, name: str, option: str) -> None:
        """One more word on the kernel's command line of one boot.cfg."""
        self.write(name, self.read(name).replace(b"kernelopt=", f"kernelopt={option} ".encode(), 1))


def build_medium(directory: Path, program: Path, *, release: str = "8.0", size: int = 0) -> BootMedium:
    """An installer image of esxforge from a bootable stand-in ISO. ``size``: of the disk that it lies on, in bytes."""
    iso = directory / "standin.iso"
    make_bootable_iso(iso, release=release, program=program)
    recipe = load_recipe(
        None, {"install": {"accept_eula": True}, "root_password": {"hash": HASH}, "image": {"format": "raw"}}
    )
    built = build_installer_image(iso, recipe, BuildOptions(directory / "disk.raw", True, False), lambda _: None)
    iso.unlink()
    if size:
        with built.image.open("r+b") as stream:
            stream.truncate(size)
    return BootMedium(built.image)


def archive(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """A gzipped tar of the kind that ESXi's boot loader takes: path → (content, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, (data, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
