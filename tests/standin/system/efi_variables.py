"""EFI variables: where this boot came from, and a boot entry that is made the first.

Facts: UEFI 2.10, 3.1.3 (load options), 3.3 (BootOrder), 10.3 (device paths); efivarfs: four bytes of attributes before
the data; systemd's boot loader interface for ``LoaderDevicePartUUID`` and ``LoaderImageIdentifier``.
"""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

DIRECTORY = Path("/sys/firmware/efi/efivars")
_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_LASTING = 7  # non-volatile, for boot services and at run time


def boot_partition() -> str | None:
    """The GUID of the GPT partition that the running program was loaded from, lower case."""
    text = _read_text("LoaderDevicePartUUID")
    return text.lower() if text else None


def boot_program() -> str:
    """The path of the running program on its volume, with slashes; "" where the firmware did not say."""
    return _read_text("LoaderImageIdentifier").replace("\\", "/")


def add_first_boot_entry(name: str, disk_guid_partition: tuple[int, int, int, str], path: str) -> bool:
    """A boot entry called ``name``, first in the order; an older one of that name goes. False without EFI variables.

    The tuple: number, first sector, sectors and GUID of the partition. ``path``: the program's, with slashes.
    """
    if not DIRECTORY.is_dir() or not any(DIRECTORY.iterdir()):
        return False
    order = [number for number in _boot_order() if _entry_name(number) != name]
    taken = {int(path.name[4:8], 16) for path in DIRECTORY.glob(f"Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F]-{_GLOBAL}")}
    for number in list(taken):
        if _entry_name(number) == name:
            _remove(f"Boot{number:04X}")
            taken.discard(number)
    new = next(number for number in range(0x10000) if number not in taken)
    _write(f"Boot{new:04X}", load_option(name, disk_guid_partition, path))
    _write("BootOrder", b"".join(struct.pack("<H", number) for number in [new, *order]))
    return True


def load_option(name: str, partition: tuple[int, int, int, str], path: str) -> bytes:
    """An EFI_LOAD_OPTION: active, a hard disk's partition and a file on it."""
    number, first, sectors, guid = partition
    drive = struct.pack("<BBHIQQ16sBB", 4, 1, 42, number, first, sectors, uuid.UUID(guid).bytes_le, 2, 2)
    text = path.replace("/", "\\").encode("utf-16-le") + b"\0\0"
    file = struct.pack("<BBH", 4, 4, 4 + len(text)) + text
    paths = drive + file + b"\x7f\xff\x04\x00"
    return struct.pack("<IH", 1, len(paths)) + name.encode("utf-16-le") + b"\0\0" + paths


def boot_entries() -> list[dict[str, str]]:
    """The boot entries in their order: {"id", "name"}."""
    return [{"id": f"{number:04X}", "name": _entry_name(number)} for number in _boot_order()]


def _boot_order() -> list[int]:
    data = _read("BootOrder", _GLOBAL)
    return [number for (number,) in struct.iter_unpack("<H", data[: len(data) // 2 * 2])]


def _entry_name(number: int) -> str:
    data = _read(f"Boot{number:04X}", _GLOBAL)[6:]
    return data.decode("utf-16-le", "replace").split("\0")[0]


def _read_text(name: str) -> str:
    return _read(name, _LOADER).decode("utf-16-le", "replace").rstrip("\0")


def _read(name: str, vendor: str) -> bytes:
    try:
        return (DIRECTORY / f"{name}-{vendor}").read_bytes()[4:]
    except OSError:
        return b""


def _write(name: str, data: bytes) -> None:
    # One write is one SetVariable: it must come whole.
    with (DIRECTORY / f"{name}-{_GLOBAL}").open("wb", buffering=0) as stream:
        stream.write(struct.pack("<I", _LASTING) + data)


def _remove(name: str) -> None:
    (DIRECTORY / f"{name}-{_GLOBAL}").unlink(missing_ok=True)
