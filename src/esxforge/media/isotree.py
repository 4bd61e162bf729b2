"""The tree of an ISO: every file as (path, extent), from the Rock Ridge, Joliet or plain ISO 9660 names.

pycdlib parses; this module bounds what it may read, so that no hostile or damaged ISO costs more than a moment, and
checks what it found. Content is never read here.

**Names.** One tree is chosen: Rock Ridge where it is present, else Joliet, else plain ISO 9660 (whose names a level 1
writer may have cut to 8.3, so it comes last). Version suffixes (``;1``) and the dot of a name without extension go. All
names are given out in upper case, as the primary tree of VMware's ISO has them: FAT and mboot ignore case, 8.3 names in
upper case need no long names on FAT, and the same content gives the same names whichever tree the ISO carries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from esxforge.errors import MediaError
from esxforge.formats.segments import FileRange, ImageFile
from esxforge.media.volume import SECTOR, IsoVolume
from esxforge_target.runtime.visible import one_line

# An ESXi ISO has some 300 entries; their directories, in two trees, and its boot sectors stay far below these.
_MAX_BYTES = 1 << 20
_MAX_READS = 2_000
_MAX_ENTRIES = 5_000
_MAX_DEPTH = 8
_ENDLESS = 2**63
_FAT_LARGEST_FILE = 2**32 - 1
_MAX_PROBLEMS = 10
_NOT_ON_FAT = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]')
_DAMAGED = "Download or copy the ISO again and compare its checksum with the one on the download page."


class TooMuchToRead(Exception):  # noqa: N818 - a limit, not an error of its own: callers turn it into MediaError
    """The ISO's directories exceed what any ESXi installer has."""


@dataclass(frozen=True, slots=True)
class ElToritoEntry:
    """A boot entry: ``platform`` is "bios", "uefi" or a number in hex; ``offset`` in bytes; ``load_sectors`` of 512."""

    platform: str
    bootable: bool
    offset: int
    load_sectors: int


@dataclass(frozen=True, slots=True)
class IsoTree:
    """``kind`` is the tree that the names come from: "Rock Ridge", "Joliet" or "ISO 9660"."""

    kind: str
    files: tuple[ImageFile[FileRange], ...]
    boot_entries: tuple[ElToritoEntry, ...]


class _BoundedReader:
    """A file that counts what is read of it, and claims to be endless.

    pycdlib silently shortens a file that ends beyond the end of the ISO. Such an extent must come out as it stands, to
    be reported; so the end is hidden, and what is read there is short.
    """

    mode = "rb"

    def __init__(self, stream: BinaryIO, file_size: int) -> None:
        self._stream = stream
        self._file_size = file_size
        self._position = 0
        self._bytes = 0
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file_size - self._position)
        size = left if size < 0 else min(size, left)
        self._bytes += size
        self._reads += 1
        if self._bytes > _MAX_BYTES or self._reads > _MAX_READS:
            raise TooMuchToRead
        self._stream.seek(min(self._position, self._file_size))
        data = self._stream.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: _ENDLESS}[whence]
        if start + offset < 0:
            raise ValueError("seek before the start")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position


def read_tree(stream: BinaryIO, path: Path, volume: IsoVolume) -> IsoTree:
    """Read the tree of the ISO open as ``stream``.

    Raises :class:`MediaError` with every problem found (extents past the end or overlapping, names that meet on FAT,
    files too large for it), and :class:`TooMuchToRead` when the directories exceed every reasonable size.
    """
    from pycdlib import PyCdlib  # noqa: PLC0415 - not needed for --help
    from pycdlib.pycdlibexception import PyCdlibException  # noqa: PLC0415

    iso: Any = PyCdlib()
    try:
        iso.open_fp(_BoundedReader(stream, volume.file_size))
        kind, entries = _entries(iso, path)
        boot_entries = tuple(_boot_entries(iso))
    except (MediaError, TooMuchToRead):
        raise
    except OSError as error:
        raise MediaError(f"Cannot read {path}: {error.strerror or error}.", "Check the disk it is on.") from error
    except PyCdlibException as error:
        raise MediaError(f"{path} is damaged: {_sentence(error)}", _DAMAGED) from error
    except Exception as error:  # whatever garbage makes of pycdlib: struct, Index, Key, Unicode, Recursion errors
        raise MediaError(
            f"{path} is damaged: its directories make no sense ({type(error).__name__}: {_sentence(error)})", _DAMAGED
        ) from error
    files = tuple(sorted(entries, key=lambda file: file.path))
    problems = list(_problems(files, volume))
    if problems:
        shown = problems[:_MAX_PROBLEMS]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more problems")
        raise MediaError(f"{path} cannot be used:\n" + "\n".join(shown), _DAMAGED)
    return IsoTree(kind, files, boot_entries)


def _sentence(error: Exception) -> str:
    text = one_line(str(error)[:200])
    return text if text.endswith(".") else text + "."


def _entries(iso: Any, path: Path) -> tuple[str, list[ImageFile[FileRange]]]:
    if iso.rock_ridge:
        kind, root = "Rock Ridge", iso.pvd.root_dir_record
    elif iso.joliet_vd is not None:
        kind, root = "Joliet", iso.joliet_vd.root_dir_record
    else:
        kind, root = "ISO 9660", iso.pvd.root_dir_record
    files: list[ImageFile[FileRange]] = []
    directories = [("", root, 0)]
    count = 0
    while directories:
        prefix, directory, depth = directories.pop()
        if depth > _MAX_DEPTH:
            raise MediaError(f"{path} nests directories deeper than {_MAX_DEPTH}, which ISO 9660 forbids.", _DAMAGED)
        continued: set[int] = set()
        for record in directory.children:
            if record.is_dot() or record.is_dotdot() or id(record) in continued:
                continue
            count += 1
            if count > _MAX_ENTRIES:
                raise TooMuchToRead
            name = prefix + _name(record, kind, path)
            if record.is_dir():
                directories.append((name + "/", record, depth + 1))
            elif not record.is_associated_file():
                parts = [record]
                while parts[-1].data_continuation is not None:
                    parts.append(parts[-1].data_continuation)
                    continued.add(id(parts[-1]))
                files.append(ImageFile(name, _extent(parts, name, path)))
    return kind, files


def _name(record: Any, kind: str, path: Path) -> str:
    rock_ridge = record.rock_ridge if kind == "Rock Ridge" else None
    if rock_ridge is not None:
        raw: bytes = rock_ridge.name()
        if record.is_symlink() or rock_ridge.child_link_record_exists():
            raise MediaError(
                f"{path} has a symbolic link or a moved directory ({raw.decode('utf-8', 'replace')!r}),"
                " which a FAT file system cannot hold.",
                "Use VMware's own ISO, or one made without such entries.",
            )
        name: str = raw.decode("utf-8")
    elif kind == "Joliet":
        name = record.file_identifier().decode("utf-16_be")
    else:
        name = record.file_identifier().decode("ascii")
    if kind != "Rock Ridge":
        name = re.sub(r";[0-9]+\Z", "", name)
        name = name.removesuffix(".")
    if not name or name in {".", ".."} or name[-1] in ". " or _NOT_ON_FAT.search(name) or len(name) > 255:
        raise MediaError(f"{path} has a file or directory whose name FAT cannot hold: {name[:300]!r}.", _DAMAGED)
    return name.upper()


def _extent(parts: list[Any], name: str, path: Path) -> FileRange:
    offset = parts[0].extent_location() * SECTOR
    length = parts[0].data_length
    for part in parts[1:]:
        if part.extent_location() * SECTOR != offset + length:
            raise MediaError(f"{path}: {name} lies in several pieces, which is not supported.", _DAMAGED)
        length += part.data_length
    return FileRange(path, offset if length else 0, length)


def _boot_entries(iso: Any) -> Iterator[ElToritoEntry]:
    catalog = iso.eltorito_boot_catalog
    if catalog is None:
        return
    found = [(catalog.validation_entry.platform_id, catalog.initial_entry)]
    found += [(section.platform_id, entry) for section in catalog.sections for entry in section.section_entries]
    for platform, entry in found:
        name = {0: "bios", 0xEF: "uefi"}.get(platform, f"{platform:#04x}")
        yield ElToritoEntry(name, entry.boot_indicator == 0x88, entry.load_rba * SECTOR, entry.sector_count)


def _problems(files: tuple[ImageFile[FileRange], ...], volume: IsoVolume) -> Iterator[str]:
    """Every reason why these files cannot be copied to a FAT file system. ``files`` are in the order of their paths."""
    for before, after in pairwise(files):
        if before.path == after.path:
            yield f"two files are named {after.path} once upper and lower case count as the same"
    names = {file.path for file in files}
    for directory in sorted({parent for file in files for parent in _parents(file.path)} & names):
        yield f"{directory} is both a file and a directory once upper and lower case count as the same"
    for file in files:
        end = file.content.offset + file.content.length
        if file.size > _FAT_LARGEST_FILE:
            yield f"{file.path} has {file.size} bytes; FAT holds files below 4 GiB only"
        elif end > volume.file_size:
            yield f"{file.path} ends at byte {end}, {end - volume.file_size} bytes past the end of the ISO"
        elif file.size and file.content.offset < (16 + 2) * SECTOR:
            yield f"{file.path} lies on top of the volume descriptors (byte {file.content.offset})"
    # Files that share one whole extent are links to each other; only partly shared bytes make no sense.
    widest: ImageFile[FileRange] | None = None
    for file in sorted((file for file in files if file.size), key=lambda file: (file.content.offset, -file.size)):
        if widest is not None and file.content.offset < widest.content.offset + widest.size:
            if (file.content.offset, file.size) != (widest.content.offset, widest.size):
                yield f"{widest.path} and {file.path} overlap at byte {file.content.offset}"
            if file.content.offset + file.size <= widest.content.offset + widest.size:
                continue
        widest = file


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
