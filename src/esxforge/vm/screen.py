"""Pictures of the machine's screen as PNG, from QEMU itself: no VNC client, no display."""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from pathlib import Path

from esxforge.errors import FormatError
from esxforge.vm.qmp import Qmp, QmpError

_HINT = "Install a newer QEMU: it writes PNG itself."
_PPM_HEADER = re.compile(rb"P6\s+(?:#[^\n]*\n\s*)?(\d+)\s+(\d+)\s+255\s")


def screenshot(qmp: Qmp, directory: Path) -> bytes:
    """The screen as a PNG file's bytes; ``directory`` is for a passing file. Raises
    :class:`~esxforge.vm.qmp.QmpError`."""
    with tempfile.TemporaryDirectory(prefix="screen-", dir=directory) as name:
        picture = Path(name) / "screen"
        try:
            qmp.execute("screendump", {"filename": str(picture), "format": "png"})
        except QmpError as error:
            # QEMU before 7.1 knows no formats, and later ones may be built without libpng; PPM there is always.
            if "refused" not in error.message:
                raise
            qmp.execute("screendump", {"filename": str(picture)})
        data = picture.read_bytes()
    return data if data.startswith(b"\x89PNG") else png_from_ppm(data)


def png_from_ppm(data: bytes) -> bytes:
    """Turn a binary PPM (P6, 8 bits a channel) into PNG (ISO/IEC 15948). Raises :class:`FormatError`."""
    header = _PPM_HEADER.match(data)
    if header is None:
        raise FormatError("QEMU's picture of the screen is neither PNG nor PPM.", _HINT)
    width, height = int(header[1]), int(header[2])
    pixels = data[header.end() :]
    if len(pixels) != width * height * 3 or not pixels:
        raise FormatError(
            f"QEMU's picture of the screen is incomplete: {len(pixels)} bytes, {width} by {height}.", _HINT
        )
    rows = b"".join(b"\0" + pixels[row * width * 3 : (row + 1) * width * 3] for row in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(rows, 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
