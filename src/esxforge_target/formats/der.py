"""DER, read element by element: as much of it as certificates and Authenticode signatures need.

Source: ITU-T X.690, 8.1 and 10.1. Only tags of one byte and definite lengths in their shortest form are taken, which is
all that these formats use. Nothing is read recursively, so no nesting exhausts the stack.
"""

from typing import List

from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_LONG_TAG = 0x1F
_MOST_LENGTH_BYTES = 4


def context(number: int, constructed: bool = True) -> int:
    """The tag [number] of the class context-specific."""
    return 0x80 | (0x20 if constructed else 0) | number


class Element(Value):
    """``whole`` is the element's bytes, ``content`` those behind tag and length."""

    __slots__ = ("tag", "content", "whole")

    def __init__(self, tag: int, content: bytes, whole: bytes) -> None:
        self.tag = tag
        self.content = content
        self.whole = whole

    def children(self) -> "List[Element]":
        """The elements in the content. Raises FormatError."""
        found = []
        at = 0
        while at < len(self.content):
            element = _element_at(self.content, at)
            found.append(element)
            at += len(element.whole)
        return found


class Fields:
    """The children of a SEQUENCE or SET, taken one after the other."""

    def __init__(self, element: Element, what: str) -> None:
        self._left = element.children()
        self._what = what

    def take(self, *tags: int) -> Element:
        """The next child, which has one of these tags. Raises FormatError."""
        if not self._left or self._left[0].tag not in tags:
            raise FormatError("{} does not have the structure of one.".format(self._what))
        return self._left.pop(0)

    def skip(self, *tags: int) -> None:
        """Leave out the next child if it has one of these tags."""
        if self.has(*tags):
            del self._left[0]

    def has(self, *tags: int) -> bool:
        """True if the next child has one of these tags."""
        return bool(self._left) and self._left[0].tag in tags


def read_element(data: bytes, tag: int, what: str, padded: bool = False) -> Element:
    """The one element that ``data`` is; ``what`` names it in errors. ``padded``: zeros may follow it.

    Raises FormatError.
    """
    element = _element_at(data, 0)
    rest = data[len(element.whole) :]
    if element.tag != tag or (rest.strip(b"\0") if padded else rest):
        raise FormatError("{} does not have the structure of one.".format(what))
    return element


def _element_at(data: bytes, at: int) -> Element:
    if len(data) - at < 2:
        raise FormatError("DER: an element is cut short.")
    tag, first = data[at], data[at + 1]
    start = at + 2
    if tag & _LONG_TAG == _LONG_TAG:
        raise FormatError("DER: tag {:#x} is not one of those used here.".format(tag))
    length = first
    if first & 0x80:
        count = first & 0x7F
        octets = data[start : start + count]
        if not 1 <= count <= _MOST_LENGTH_BYTES or len(octets) < count:
            raise FormatError("DER: a length is indefinite, too long or cut short.")
        length = int.from_bytes(octets, "big")
        start += count
        if length < 0x80 or octets[0] == 0:
            raise FormatError("DER: a length is not in its shortest form.")
    if len(data) - start < length:
        raise FormatError("DER: an element is cut short.")
    return Element(tag, data[start : start + length], data[at : start + length])
