"""``ar`` archives, the container of a VIB.

Facts (ar(5) of FreeBSD and of binutils): the archive starts with ``!<arch>`` and a line feed. Each member has a header
of 60 bytes: name (16), time (12), owner and group (6 each), mode (8), size in decimal (10), and the mark 0x60 0x0A; its
data stand at an even offset. Names end with blanks or, as GNU writes them, with a slash. Longer names stand in a member
``//``, and the header has ``/OFFSET`` (GNU), or in front of the data, and the header has ``#1/LENGTH`` (BSD).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from esxforge.addons.errors import AGAIN, AddOnError
from esxforge.addons.source import Source
from esxforge_target.runtime.visible import one_line

MAGIC = b"!<arch>\n"
_HEADER = 60
_MARK = b"`\n"
_MOST_MEMBERS = 1024
_LONGEST_NAME = 255
_LARGEST_TABLE = 1 << 20


def read_members(archive: Source) -> dict[str, Source]:
    """Name → data of each member, in their order. Only headers are read.

    Raises :class:`AddOnError` for what is not an ar archive, is truncated, or has two members of one name.
    """
    found: dict[str, Source] = {}
    with archive.opened() as stream:

        def read(offset: int, length: int) -> bytes:
            stream.seek(archive.offset + offset)
            data = stream.read(min(length, max(0, archive.length - offset)))
            if len(data) != length:
                raise AddOnError(f"{archive.name} is truncated at byte {offset + len(data)}.", AGAIN)
            return data

        if archive.length < len(MAGIC) or read(0, len(MAGIC)) != MAGIC:
            raise AddOnError(f"{archive.name} is not a VIB: not an ar archive.", "Name a .vib file.")
        table = b""
        for offset, size, written in _headers(archive, read):
            if written == "//":
                table = read(offset, _checked(archive, size, _LARGEST_TABLE, "its table of names"))
                continue
            if written in ("/", "__.SYMDEF"):
                continue  # the index of a library, which ar may add
            name, prefix = _name(archive, written, table, partial(read, offset))
            if prefix > size:
                raise _damaged(archive, "a member is shorter than its name")
            if name in found:
                raise _damaged(archive, f"it has two members {one_line(name)}")
            found[name] = archive.part(f"{archive.name}: {one_line(name)}", offset + prefix, size - prefix)
    return found


def _headers(archive: Source, read: Callable[[int, int], bytes]) -> Iterator[tuple[int, int, str]]:
    """(offset of the data, size, name as written) of each member."""
    at = len(MAGIC)
    count = 0
    while at < archive.length:
        header = read(at, _HEADER)
        text = header[48:58].decode("ascii", "replace").strip(" ")
        if header[58:] != _MARK or not re.fullmatch("[0-9]{1,10}", text):
            raise _damaged(archive, f"the header of a member is missing at byte {at}")
        count += 1
        if count > _MOST_MEMBERS:
            raise _damaged(archive, f"it has more than {_MOST_MEMBERS} members")
        size = int(text)
        at += _HEADER
        if at + size > archive.length:
            raise AddOnError(
                f"{archive.name} is truncated: a member of {size} bytes begins at byte {at}, "
                f"and the archive ends at byte {archive.length}.",
                AGAIN,
            )
        yield at, size, header[:16].decode("utf-8", "replace").rstrip(" ")
        at += size + size % 2


def _name(archive: Source, written: str, table: bytes, read: Callable[[int], bytes]) -> tuple[str, int]:
    """Return (the member's name, bytes of it that precede the data)."""
    prefix = 0
    if re.fullmatch("/[0-9]+", written):
        raw = table[int(written[1:]) :].split(b"\n", 1)[0] if int(written[1:]) < len(table) else b""
        name = raw.decode("utf-8", "replace").removesuffix("/")
    elif re.fullmatch("#1/[0-9]+", written):
        prefix = _checked(archive, int(written[3:]), _LONGEST_NAME, "a name")
        name = read(prefix).rstrip(b"\0").decode("utf-8", "replace")
    else:
        name = written.removesuffix("/")
    if not name or "/" in name or not name.isprintable() or name in (".", "..") or len(name) > _LONGEST_NAME:
        raise _damaged(archive, f"a member's name cannot be used: {one_line(name)[:300]!r}")
    return name, prefix


def _checked(archive: Source, size: int, most: int, what: str) -> int:
    if size > most:
        raise _damaged(archive, f"{what} has {size} bytes")
    return size


def _damaged(archive: Source, why: str) -> AddOnError:
    return AddOnError(f"{archive.name} is damaged: {why}.", AGAIN)
