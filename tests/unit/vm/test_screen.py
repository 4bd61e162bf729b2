"""Pictures: PNG from QEMU's PPM, read back by code that is not ours."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.errors import FormatError
from esxforge.vm.qmp import QmpError
from esxforge.vm.screen import png_from_ppm, screenshot


@given(width=st.integers(1, 9), height=st.integers(1, 9), data=st.data())
@settings(deadline=None, max_examples=50)
def test_every_pixel_survives(width: int, height: int, data: st.DataObject) -> None:
    pixels = data.draw(st.binary(min_size=width * height * 3, max_size=width * height * 3))
    png = png_from_ppm(b"P6\n%d %d\n255\n" % (width, height) + pixels)
    chunks = dict(_chunks(png))
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (width, height, 8, 2, 0, 0, 0)
    rows = zlib.decompress(chunks[b"IDAT"])
    line = width * 3 + 1
    assert b"".join(rows[at + 1 : at + line] for at in range(0, len(rows), line)) == pixels


@pytest.mark.parametrize("data", [b"", b"P5\n1 1\n255\n\0", b"P6\n2 2\n255\n\0\0\0", b"P6\n0 0\n255\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        png_from_ppm(data)


class _OldQemu:
    """QEMU before 7.1: no argument “format”."""

    def execute(self, command: str, arguments: dict[str, str]) -> None:
        assert command == "screendump"
        if "format" in arguments:
            raise QmpError("QEMU refused “screendump”: Parameter 'format' is unexpected")
        Path(arguments["filename"]).write_bytes(b"P6\n1 1\n255\n\1\2\3")


def test_an_old_qemu_gives_png_too(tmp_path: Path) -> None:
    picture = screenshot(_OldQemu(), tmp_path)  # type: ignore[arg-type]
    assert picture.startswith(b"\x89PNG")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("file") is None, reason="the program “file” is not installed")
def test_the_program_file_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png_from_ppm(b"P6 2 1 255\n" + bytes(6)))
    said = subprocess.run(["file", "-b", str(path)], capture_output=True, text=True, check=True).stdout
    assert said.startswith("PNG image data, 2 x 1, 8-bit/color RGB")


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        size = struct.unpack_from(">I", png, at)[0]
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += size + 12
    return found
