"""A gzip file of fixed length whose data lie unpacked in it, so that it can be rewritten in place on a disk.

The deflate stream consists of *stored* blocks only (RFC 1951, 3.2.4): five bytes of header, then the data as they are.
So each byte of the tar has a known place in the file (:func:`stored_offset`), and two tars of whatever content can take
exactly the same room.

How lengths and places come out as desired:

* The tar is zero-padded, in whole blocks of 512, after its end mark.
* Where fewer than 512 bytes are left over, empty stored blocks of five bytes each (what zlib's "sync flush" writes) go
  in before the last block; as 5 and 512 have no common divisor, every length can be met.
* A member to be *aligned* gets a stored block of its own, so no block header lies within its data; the gzip header's
  extra field (RFC 1952, 2.3.1.1) is made as long as it takes for the data to start at a multiple of ``alignment``.
  VMware's loader skips that field (vmware/esx-boot, ``bootlib/gzip.c``), and so does every other reader.

An aligned member's data start a sector of 4096 bytes, but end in one that may hold the next entry's header too: give it
a multiple of 4096 bytes (JSON takes trailing blanks) so that its sectors hold nothing else.

VMware's loader compares the CRC and stops the boot if it is wrong: who overwrites a member on a disk that is to boot
again uses :func:`with_member`, which renews the CRC in the last eight bytes too.
"""

import struct
import zlib
from typing import List, Optional, Tuple

from esxforge_target.formats import tar_module
from esxforge_target.runtime.errors import FormatError

# The largest stored block of whole tar blocks: 127 * 512.
LARGEST_BLOCK = 65024
ALIGNMENT = 4096
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_EXTRA_ID = b"EF"
_TRAILER = 8
_BLOCK_HEADER = 5


def stored_gzip(tar: bytes, total_length: int, align: "Optional[str]" = None, alignment: int = ALIGNMENT) -> bytes:
    """``tar`` as a gzip file of exactly ``total_length`` bytes.

    ``align`` names a file in the tar whose data shall start at a multiple of ``alignment`` of the gzip file and lie
    there in one piece. FormatError if the length is too small (it says what is needed) or the file is not to be found
    or larger than one block takes (65,024 bytes).
    """
    member = _member(tar, align)
    tar = tar + b"\0" * (-len(tar) % tar_module.BLOCK)
    needed = _length(len(tar), member, alignment)
    if total_length < needed:
        raise FormatError(
            "tar module: its gzip needs {} bytes, but the room for it has {}.".format(needed, total_length),
            "Leave something out, or build the image again with more room for it.",
        )
    # Adding tar blocks may add block headers too, so try from the largest padding down; empty blocks fill the rest.
    padding = (total_length - needed) // tar_module.BLOCK * tar_module.BLOCK
    while padding >= 0:
        spare = total_length - _length(len(tar) + padding, member, alignment)
        if spare >= 0 and spare % _BLOCK_HEADER == 0:
            return _write(tar + b"\0" * padding, member, alignment, spare // _BLOCK_HEADER)
        padding -= tar_module.BLOCK
    raise FormatError(
        "tar module: its gzip cannot be made {} bytes long; {} bytes and a little more are possible.".format(
            total_length, needed
        ),
        "Use a length that is some KiB larger.",
    )


def stored_length(tar: bytes, align: "Optional[str]" = None, alignment: int = ALIGNMENT) -> int:
    """The smallest length that :func:`stored_gzip` may be asked for; any 2,560 or more above is possible too."""
    return _length(len(tar) + -len(tar) % tar_module.BLOCK, _member(tar, align), alignment)


def stored_offset(gzip_file: bytes, tar_offset: int) -> int:
    """Where byte ``tar_offset`` of the tar lies in a gzip file of stored blocks."""
    for start, length, file_offset in _blocks(gzip_file):
        if start <= tar_offset < start + length:
            return file_offset + tar_offset - start
    raise FormatError("tar module: byte {} is not in it.".format(tar_offset))


def member_extent(gzip_file: bytes, name: str) -> "Tuple[int, int]":
    """(offset, length) of a member's data in a gzip file of stored blocks; FormatError if they are not in one piece."""
    blocks = _blocks(gzip_file)
    tar = b"".join(gzip_file[at : at + length] for _, length, at in blocks)
    start, length = _find(tar, name)
    if not length:
        raise FormatError("tar module: {} is empty.".format(name))
    offset = stored_offset(gzip_file, start)
    if stored_offset(gzip_file, start + length - 1) != offset + length - 1:
        raise FormatError("tar module: {} does not lie in one piece in it.".format(name))
    return offset, length


def with_member(gzip_file: bytes, name: str, data: bytes) -> bytes:
    """The same file with other data, of the same length, for one member; differs there and in the CRC only."""
    offset, length = member_extent(gzip_file, name)
    if len(data) != length:
        raise FormatError("tar module: {} has {} bytes, not {}.".format(name, length, len(data)))
    changed = gzip_file[:offset] + data + gzip_file[offset + length :]
    crc = 0
    for _, size, at in _blocks(changed):
        crc = zlib.crc32(changed[at : at + size], crc)
    return changed[:-_TRAILER] + struct.pack("<I", crc & 0xFFFFFFFF) + changed[-4:]


def _find(tar: bytes, name: str) -> "Tuple[int, int]":
    for entry in tar_module.read_tar(tar):
        if entry.name == name and entry.kind == tar_module.FILE:
            return entry.offset, len(entry.data)
    raise FormatError("tar module: it holds no file {}.".format(name))


def _member(tar: bytes, align: "Optional[str]") -> "Optional[Tuple[int, int]]":
    """(offset, length) in the tar of the member to be aligned, its length rounded up to whole tar blocks."""
    if align is None:
        return None
    start, length = _find(tar, align)
    length += -length % tar_module.BLOCK
    if not 0 < length <= LARGEST_BLOCK:
        raise FormatError(
            "tar module: {} has {} bytes; only files of 1 to {} bytes can be aligned.".format(
                align, length, LARGEST_BLOCK
            )
        )
    return start, length


def _plan(tar_length: int, member: "Optional[Tuple[int, int]]") -> "List[int]":
    """Lengths of the stored blocks, in order."""
    edges = [0, tar_length] if member is None else [0, member[0], sum(member), tar_length]
    lengths = []  # type: List[int]
    for start, end in zip(edges, edges[1:]):
        full, rest = divmod(end - start, LARGEST_BLOCK)
        lengths.extend([LARGEST_BLOCK] * full + ([rest] if rest else []))
    return lengths or [0]


def _header_length(lengths: "List[int]", member: "Optional[Tuple[int, int]]", alignment: int) -> int:
    """Length of the gzip header with which the member's data start at a multiple of ``alignment``."""
    if member is None:
        return len(_HEADER)
    before = _BLOCK_HEADER
    done = 0
    for length in lengths:
        if done == member[0]:
            break
        done += length
        before += _BLOCK_HEADER
    header = -(member[0] + before) % alignment
    smallest_with_extra = len(_HEADER) + 2 + 4
    while header != len(_HEADER) and header < smallest_with_extra:
        header += alignment
    return header


def _length(tar_length: int, member: "Optional[Tuple[int, int]]", alignment: int) -> int:
    lengths = _plan(tar_length, member)
    return _header_length(lengths, member, alignment) + tar_length + _BLOCK_HEADER * len(lengths) + _TRAILER


def _write(tar: bytes, member: "Optional[Tuple[int, int]]", alignment: int, empty_blocks: int) -> bytes:
    lengths = _plan(len(tar), member)
    header = _header_length(lengths, member, alignment)
    out = [_HEADER]
    if header > len(_HEADER):
        extra = header - len(_HEADER) - 2
        out = [_HEADER[:3] + b"\x04" + _HEADER[4:], struct.pack("<H", extra)]
        out += [_EXTRA_ID, struct.pack("<H", extra - 4), b"\0" * (extra - 4)]
    at = 0
    for number, length in enumerate(lengths, 1):
        last = number == len(lengths)
        if last:
            out.append(_block_header(0, last=False) * empty_blocks)
        out.append(_block_header(length, last))
        out.append(tar[at : at + length])
        at += length
    out.append(struct.pack("<II", zlib.crc32(tar) & 0xFFFFFFFF, len(tar) & 0xFFFFFFFF))
    return b"".join(out)


def _block_header(length: int, last: bool) -> bytes:
    return struct.pack("<BHH", 1 if last else 0, length, length ^ 0xFFFF)


def _blocks(gzip_file: bytes) -> "List[Tuple[int, int, int]]":
    """(offset in the tar, length, offset in the file) of each stored block; FormatError if it is not such a file."""
    wrong = FormatError("tar module: it is not a gzip file of stored blocks, as esxforge writes them.")
    at = len(_HEADER)
    if len(gzip_file) < at + _TRAILER or gzip_file[:3] != _HEADER[:3] or gzip_file[3] & ~0x04:
        raise wrong
    if gzip_file[3] & 0x04:
        at += 2 + struct.unpack_from("<H", gzip_file, at)[0]
    blocks = []  # type: List[Tuple[int, int, int]]
    done = 0
    last = 0
    while not last:
        if at + _BLOCK_HEADER > len(gzip_file) - _TRAILER:
            raise wrong
        last, length, inverse = struct.unpack_from("<BHH", gzip_file, at)
        at += _BLOCK_HEADER
        if last > 1 or length != inverse ^ 0xFFFF or at + length > len(gzip_file) - _TRAILER:
            raise wrong
        blocks.append((done, length, at))
        done += length
        at += length
    if at != len(gzip_file) - _TRAILER:
        raise wrong
    return blocks
