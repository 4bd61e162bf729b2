"""Tar modules: the archives that ESXi's boot loader loads and its kernel unpacks into the root of the RAM disk.

Written is the old GNU format (magic ``ustar``, two blanks, NUL), as ESXi's own modules are: directories stand as
entries before what they hold, numbers are octal, owner is root, and times are fixed, so that the same entries give the
same bytes on every machine and Python. Read is any tar: old V7, ustar, GNU (long names, base-256 numbers) and pax.

Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"; tar(5) of libarchive.
The gzip that may lie around a tar, and can be rewritten in place, is :mod:`esxforge_target.formats.stored_gzip`.
"""

import gzip
import io
import zlib
from typing import Dict, List, Optional, Tuple

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

BLOCK = 512
RECORD = 10240
# Any fixed moment serves; GNU tar warns on unpacking what is dated 1970. This is 2020-01-01 00:00:00 UTC.
MODIFIED = 1577836800
LONGEST_NAME = 99
# No module of ESXi comes near; a small file that unpacks to more is an attack or damage.
LARGEST_TAR = 2 * 1024**3
_PIECE = 1 << 20

FILE = "file"
DIRECTORY = "directory"
LINK = "link"
OTHER = "other"
_TYPE_FLAGS = {FILE: b"0", DIRECTORY: b"5", LINK: b"2"}
_KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"5": DIRECTORY, b"2": LINK}


class TarEntry(Value):
    """One file, directory or symbolic link.

    ``name`` is relative, without a trailing slash. ``mode`` holds permissions and the set-user, set-group and sticky
    bits: 0o1777 is every permission and the sticky bit. ``data`` is a file's content, ``target`` what a link points
    to. ``offset`` is where the data start within the tar, for entries that were read.
    """

    __slots__ = ("name", "kind", "mode", "data", "target", "offset")

    def __init__(
        self, name: str, kind: str = FILE, mode: int = 0o644, data: bytes = b"", *, target: str = "", offset: int = 0
    ) -> None:
        self.name = name
        self.kind = kind
        self.mode = mode
        self.data = data
        self.target = target
        self.offset = offset


def file(name: str, data: bytes, mode: int = 0o644) -> TarEntry:
    """A file to be built."""
    return TarEntry(name, FILE, mode, data)


def directory(name: str, mode: int = 0o755) -> TarEntry:
    """A directory to be built; needed only where its mode is not 0o755."""
    return TarEntry(name.rstrip("/"), DIRECTORY, mode)


def link(name: str, target: str) -> TarEntry:
    """A symbolic link to be built."""
    return TarEntry(name, LINK, 0o777, target=target)


def build(entries: "List[TarEntry]") -> bytes:
    """The tar of these entries in this order, missing parent directories put in before their first member.

    FormatError for names that are absolute, leave the root, are too long for the format, or come twice, and for a
    directory that is listed after something in it.
    """
    out = []  # type: List[bytes]
    kinds = {}  # type: Dict[str, str]
    for entry in entries:
        _check_entry(entry)
        parts = entry.name.split("/")
        for count in range(1, len(parts)):
            parent = "/".join(parts[:count])
            kind = kinds.setdefault(parent, DIRECTORY + "?")
            if kind == DIRECTORY + "?":
                kinds[parent] = DIRECTORY
                out.append(_header(directory(parent)))
            elif kind != DIRECTORY:
                raise FormatError("tar module: {} lies in {}, which is a {}.".format(entry.name, parent, kind))
        if entry.name in kinds:
            raise FormatError("tar module: {} is listed twice, or after something that lies in it.".format(entry.name))
        kinds[entry.name] = entry.kind
        out.append(_header(entry))
        out.append(entry.data)
        out.append(b"\0" * (-len(entry.data) % BLOCK))
    tar = b"".join(out) + b"\0" * (2 * BLOCK)
    return tar + b"\0" * (-len(tar) % RECORD)


def read(data: bytes) -> "List[TarEntry]":
    """All entries of a tar, plain or in gzip. FormatError if it is damaged, or has a name that leaves the root."""
    return read_tar(unzip(data))


def unzip(data: bytes) -> bytes:
    """Return the tar in a gzip file; ``data`` itself if it is not one."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            tar = _read_bounded(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError("tar module: its gzip is damaged ({}).".format(error), "Make or copy the file again.")
    if len(tar) > LARGEST_TAR:
        raise FormatError("tar module: it unpacks to more than {} bytes.".format(LARGEST_TAR))
    return tar


def _read_bounded(stream: gzip.GzipFile) -> bytes:
    """All of it, or one piece more than the limit. One read of the limit's size would take that much memory at once."""
    pieces = []  # type: List[bytes]
    total = 0
    while total <= LARGEST_TAR:
        piece = stream.read(_PIECE)
        if not piece:
            break
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)


def read_tar(tar: bytes) -> "List[TarEntry]":
    """All entries of a plain tar."""
    entries = []  # type: List[TarEntry]
    extra = {}  # type: Dict[str, str]
    at = 0
    while True:
        header = tar[at : at + BLOCK]
        if len(header) < BLOCK:
            raise FormatError(
                "tar module: it ends at byte {} without an end mark.".format(len(tar)), "Make or copy the file again."
            )
        if header == b"\0" * BLOCK:
            return entries
        _check_sum(header, at)
        size = _number(header[124:136], at, "size")
        flag = header[156:157]
        if flag in (b"1", b"2", b"3", b"4", b"5", b"6"):
            size = 0  # They have no data, whatever the field says.
        elif flag not in (b"x", b"g", b"L", b"K") and "size" in extra:
            size = _decimal(extra["size"], at)
        data = tar[at + BLOCK : at + BLOCK + size]
        if len(data) < size:
            raise FormatError(
                "tar module: the entry at byte {} says {} bytes, but only {} are left.".format(at, size, len(data)),
                "Make or copy the file again.",
            )
        if flag == b"x":
            extra.update(_pax(data, at))
        elif flag == b"L":
            extra["path"] = _text(data)
        elif flag == b"K":
            extra["linkpath"] = _text(data)
        elif flag != b"g":
            entry = _entry(header, data, at, extra)
            if entry is not None:
                entries.append(entry)
            extra = {}
        at += BLOCK + size + -size % BLOCK


def _check_entry(entry: TarEntry) -> None:
    if entry.kind not in _TYPE_FLAGS:
        raise FormatError("tar module: {} is neither file, directory nor link.".format(entry.name))
    _check_name(entry.name)
    for name in (entry.name + ("/" if entry.kind == DIRECTORY else ""), entry.target):
        try:
            length = len(name.encode("ascii"))
        except UnicodeEncodeError:
            raise FormatError("tar module: the name {!r} is not ASCII.".format(name))
        if length > LONGEST_NAME:
            raise FormatError(
                "tar module: the name {} has {} characters; the format that ESXi reads takes {}.".format(
                    name, length, LONGEST_NAME
                ),
                "Use a shorter name.",
            )
    if not 0 <= entry.mode <= 0o7777:
        raise FormatError("tar module: {} has the mode {:o}, which is not a mode.".format(entry.name, entry.mode))
    if entry.data and entry.kind != FILE:
        raise FormatError("tar module: {} is a {} and cannot have data.".format(entry.name, entry.kind))
    if (entry.kind == LINK) != bool(entry.target):
        raise FormatError("tar module: {}: links have a target, and nothing else has.".format(entry.name))


def _check_name(name: str) -> None:
    if any(part in ("", ".", "..") for part in name.split("/")) or any(ord(letter) < 0x20 for letter in name):
        raise FormatError("tar module: {!r} is not a relative path within the root.".format(name))


def _header(entry: TarEntry) -> bytes:
    name = entry.name + ("/" if entry.kind == DIRECTORY else "")
    fields = [
        name.encode("ascii").ljust(100, b"\0"),
        _octal(entry.mode, 8),
        _octal(0, 8),
        _octal(0, 8),
        _octal(len(entry.data), 12),
        _octal(MODIFIED, 12),
        b" " * 8,
        _TYPE_FLAGS[entry.kind],
        entry.target.encode("ascii").ljust(100, b"\0"),
        b"ustar  \0",
        b"root".ljust(32, b"\0"),
        b"root".ljust(32, b"\0"),
    ]
    header = b"".join(fields).ljust(BLOCK, b"\0")
    return header[:148] + "{:06o}".format(sum(header)).encode("ascii") + b"\0 " + header[156:]


def _octal(number: int, width: int) -> bytes:
    text = "{:0{}o}".format(number, width - 1).encode("ascii") + b"\0"
    if len(text) > width:
        raise FormatError("tar module: {} is too large for the format.".format(number))
    return text


def _check_sum(header: bytes, at: int) -> None:
    found = _number(header[148:156], at, "checksum")
    plain = header[:148] + b" " * 8 + header[156:]
    # Some old writers summed signed bytes.
    if found not in (sum(plain), sum(byte - 256 if byte > 127 else byte for byte in plain)):
        raise FormatError(
            "tar module: the entry at byte {} has a wrong checksum.".format(at), "Make or copy the file again."
        )


def _number(field: bytes, at: int, what: str) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip()
    if text.strip(b"01234567"):
        raise FormatError(
            "tar module: the entry at byte {} has no number as its {}.".format(at, what), "Make or copy the file again."
        )
    return int(text or b"0", 8)


def _decimal(text: str, at: int) -> int:
    if not text or text.strip("0123456789") or len(text) > 20:
        raise FormatError("tar module: the entry at byte {} has no number as its size.".format(at))
    return int(text)


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")


def _pax(data: bytes, at: int) -> "Dict[str, str]":
    """Records of the form ``LENGTH KEY=VALUE\\n``."""
    records = {}  # type: Dict[str, str]
    while data.strip(b"\0"):
        digits = data.split(b" ", 1)[0]
        length = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        record = data[:length]
        if length <= len(digits) + 1 or len(record) < length or not record.endswith(b"\n") or b"=" not in record:
            raise FormatError("tar module: the extended header at byte {} is damaged.".format(at))
        key, value = record[len(digits) + 1 : -1].split(b"=", 1)
        records[_text(key)] = _text(value)
        data = data[length:]
    return records


def _entry(header: bytes, data: bytes, at: int, extra: "Dict[str, str]") -> "Optional[TarEntry]":
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    name = extra.get("path", prefix + "/" + name if prefix else name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise FormatError("tar module: {!r} is not a relative path within the root.".format(name))
    if not parts:
        return None  # The root itself, as "./".
    kind = _KINDS.get(header[156:157], OTHER)
    if kind == FILE and name.endswith("/"):
        kind = DIRECTORY  # As V7 wrote directories.
    target = extra.get("linkpath", _text(header[157:257])) if kind in (LINK, OTHER) else ""
    mode = _number(header[100:108], at, "mode") & 0o7777
    return TarEntry("/".join(parts), kind, mode, data if kind == FILE else b"", target=target, offset=at + BLOCK)
