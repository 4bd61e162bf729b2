"""Names on FAT: what is allowed, the short name beside a long one, and the slots that hold long ones.

Facts: Microsoft, "FAT32 File System Specification" 1.03, "FAT Long Directory Entries" and "FAT Name Conventions"; short
names with a numeric tail as Windows makes them.
"""

import re
import struct
from typing import Dict, List, Set

from esxforge_target.runtime.errors import FormatError

SLOT_BYTES = 32
LONG_NAME = 0x0F  # attribute of a slot that holds a part of a long name
LONGEST_NAME = 255  # UTF-16 units
_LAST_SLOT = 0x40
_UNITS = 13  # UTF-16 units in a slot

_FORBIDDEN = re.compile('[\x00-\x1f"*/:<>?\\\\|]')
_PLAIN = re.compile(r"[A-Z0-9!#$%&'()@^_`{}~-]{1,8}(\.[A-Z0-9!#$%&'()@^_`{}~-]{1,3})?\Z")
_NOT_SHORT = re.compile(r"[^A-Z0-9!#$%&'()@^_`{}~-]")


def check_name(name: str) -> None:
    """Raise FormatError unless FAT can hold a file or directory of this name (one part of a path)."""

    def cannot(why: str) -> FormatError:
        return FormatError("FAT cannot hold a file named {!r}: {}.".format(name, why), "Give it another name.")

    if not name or name in (".", ".."):
        raise cannot("that is not a name")
    found = _FORBIDDEN.search(name)
    if found:
        raise cannot("the character {!r} is not allowed".format(found.group()))
    if name[-1] in ". ":
        raise cannot("names may not end in {!r}".format(name[-1]))
    if name[0] == " ":
        raise cannot("names may not begin with a blank")
    try:
        units = len(name.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise cannot("it is not valid text")
    if units > LONGEST_NAME:
        raise cannot("it is {} units of UTF-16 long, {} is the most".format(units, LONGEST_NAME))


def folded(name: str) -> str:
    """The name as FAT compares it: upper case, character by character."""
    return "".join(upper if len(upper) == 1 else char for char, upper in ((char, char.upper()) for char in name))


def is_plain(name: str) -> bool:
    """True when the short name alone says it all: 8.3, upper case, no blanks."""
    return _PLAIN.match(name) is not None


def packed_short(name: str) -> bytes:
    """The 11 bytes of a plain short name."""
    base, _, extension = name.partition(".")
    return base.ljust(8).encode("ascii") + extension.ljust(3).encode("ascii")


def unpacked_short(raw: bytes, case: int = 0) -> str:
    """The name in 11 bytes; ``case`` is byte 12 of its slot (Windows NT: 8 lower-case base, 16 extension)."""
    first = b"\xe5" if raw[:1] == b"\x05" else raw[:1]
    base = (first + raw[1:8]).decode("cp437").rstrip(" ")
    extension = raw[8:11].decode("cp437").rstrip(" ")
    base = base.lower() if case & 0x08 else base
    extension = extension.lower() if case & 0x10 else extension
    return base + "." + extension if extension else base


class ShortNames:
    """The short names of one directory: gives a new one that is not taken."""

    def __init__(self, taken: "Set[str]") -> None:
        self.taken = set(taken)
        self._tails = {}  # type: Dict[str, int]

    def take_lossless(self, name: str) -> str:
        """The name in upper case when that is a plain one and free, which is then taken; else ""."""
        upper = folded(name)
        if is_plain(upper) and upper not in self.taken:
            self.taken.add(upper)
            return upper
        return ""

    def take(self, name: str) -> str:
        """A short name for ``name``, now taken: LONGNA~1.EXT. Raises FormatError when a million are used up."""
        lossless = self.take_lossless(name)
        if lossless:
            return lossless
        base, dot, extension = folded(name).lstrip(".").rpartition(".")
        if not dot:
            base, extension = extension, ""
        base = _NOT_SHORT.sub("_", base.replace(" ", "").replace(".", "")) or "_"
        extension = _NOT_SHORT.sub("_", extension.replace(" ", ""))[:3]
        ending = "." + extension if extension else ""
        key = base[:6] + ending
        for tail in range(self._tails.get(key, 0) + 1, 1000000):
            suffix = "~{}".format(tail)
            short = base[: 8 - len(suffix)] + suffix + ending
            if short not in self.taken:
                self._tails[key] = tail
                self.taken.add(short)
                return short
        raise FormatError("There is no short name left for {!r}: its directory has too many alike.".format(name))


def checksum(short: bytes) -> int:
    """The sum over the 11 bytes of a short name that ties long-name slots to it."""
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return total


def long_slots(name: str, short: bytes) -> bytes:
    """The slots of a long name, in the order in which they stand before the slot of its short name."""
    units = name.encode("utf-16-le")
    count = -(-len(units) // (2 * _UNITS))
    if len(units) % (2 * _UNITS):
        units = (units + b"\0\0").ljust(count * 2 * _UNITS, b"\xff")
    tie = checksum(short)
    slots = []  # type: List[bytes]
    for number in range(count, 0, -1):
        part = units[(number - 1) * 2 * _UNITS : number * 2 * _UNITS]
        order = number | _LAST_SLOT if number == count else number
        slots.append(struct.pack("<B10sBBB12sH4s", order, part[:10], LONG_NAME, 0, tie, part[10:22], 0, part[22:]))
    return b"".join(slots)


class LongNameReader:
    """Puts long names together from slots, and forgets them when they do not fit what follows."""

    def __init__(self) -> None:
        self._parts = []  # type: List[bytes]
        self._expected = 0
        self._tie = -1

    def add(self, slot: bytes) -> None:
        """Take the next long-name slot of a directory."""
        order, tie = slot[0], slot[13]
        number = order & 0x3F
        if order & _LAST_SLOT and 1 <= number <= 20:
            self._parts, self._expected, self._tie = [], number, tie
        if number != self._expected or number == 0 or tie != self._tie:
            self.forget()
            return
        self._parts.append(slot[1:11] + slot[14:26] + slot[28:32])
        self._expected -= 1

    def forget(self) -> None:
        """Drop what was collected: the next slot is not of this name."""
        self._parts, self._expected, self._tie = [], 0, -1

    def count(self) -> int:
        """Number of slots collected."""
        return len(self._parts)

    def name_for(self, short: bytes) -> str:
        """The long name that belongs to this short name (11 bytes), or "" when none is whole; forgets it then."""
        whole = bool(self._parts) and self._expected == 0 and checksum(short) == self._tie
        units = b"".join(reversed(self._parts)) if whole else b""
        self.forget()
        for end in range(0, len(units), 2):
            if units[end : end + 2] == b"\0\0":
                units = units[:end]
                break
        return units.decode("utf-16-le", "replace")
