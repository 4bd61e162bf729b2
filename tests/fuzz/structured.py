"""Mutations of XML and DER that stay well-formed, so that what is read behind the parser is reached."""

from __future__ import annotations

import copy
from random import Random
from typing import TypeAlias
from xml.etree.ElementTree import Element, ParseError, fromstring, tostring

from fuzz.mutate import mutate_bytes, mutate_in_place

_LARGEST_XML = 64 << 10
_WORDS = (
    "", "x", "-1", "0", "99999999999999", "../x", "/x", "http://x/y", "a b", "\u202e", "\u00e4", "true", "false",
    "bootbank", "locker", "community", "certified", "partner", "sha-256", "sha-1", "gunzip", "tgz", "vgz", "boot",
    "<", "<=", "=", ">=", "<<", "~", "1", "1.0-1", "2.0", "8.*", "9.*", "embeddedEsx", "esxio", "esx-base", "net-drv",
    "other", "f" * 64, "x" * 200,
)  # fmt: skip


def mutate_xml(random: Random, data: bytes) -> bytes:
    """Elements are dropped, doubled, moved and renamed, texts and attributes replaced; now and then bytes, too."""
    if random.random() < 0.15 or len(data) > _LARGEST_XML:
        return mutate_bytes(random, data)
    try:
        root = fromstring(data)  # noqa: S314  the fuzzer made it
    except (ParseError, ValueError, LookupError):
        return mutate_bytes(random, data)
    for _ in range(random.choice((1, 1, 2, 3))):
        elements = list(root.iter())
        element, other = random.choice(elements), random.choice(elements)
        match random.randrange(6):
            case 0 if len(element):
                element.remove(random.choice(list(element)))
            case 1 if len(element):
                element.append(copy.deepcopy(random.choice(list(element))))
            case 2:
                element.append(copy.deepcopy(other))
            case 3:
                element.text = _word(random, elements)
            case 4:
                _change_attribute(random, element, _word(random, elements))
            case _:
                element.tag = other.tag
        if len(elements) > 2000:
            break
    return tostring(root)


def _word(random: Random, elements: list[Element]) -> str:
    if random.random() < 0.7:
        return random.choice(_WORDS)
    other = random.choice(elements)
    return random.choice((other.text or "", *other.attrib.values()))


def _change_attribute(random: Random, element: Element, value: str) -> None:
    names = sorted(element.attrib)
    if names and random.random() < 0.2:
        del element.attrib[random.choice(names)]
    elif names:
        element.set(random.choice(names), value)
    else:
        element.set(random.choice(("name", "relation", "version", "type", "size")), value)


# An element of DER: its tag, and its content as bytes or as elements.
_Node: TypeAlias = "tuple[int, bytes | list[_Node]]"
_DEEPEST = 16
_OCTET_STRING = 0x04
_TAGS = (0x01, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x13, 0x14, 0x1F, 0x30, 0x31, 0x80, 0x82, 0xA0, 0xA1, 0xA3)


def mutate_der(random: Random, data: bytes) -> bytes:
    """Elements are dropped, doubled, moved and changed, those near the root more often; all lengths are corrected."""
    nodes = _parsed(data.rstrip(b"\0"), _DEEPEST) or _parsed(data, _DEEPEST)
    if not nodes or random.random() < 0.15:
        return random.choice((mutate_bytes, mutate_in_place))(random, data)
    for _ in range(random.choice((1, 1, 2))):
        holder, at = _chosen(random, nodes)
        tag, content = holder[at]
        match random.randrange(7):
            case 0 if len(holder) > 1:
                del holder[at]
            case 1:
                holder.insert(at, holder[at])
            case 2:
                other, place = _chosen(random, nodes)
                holder[at] = copy.deepcopy(other[place])
            case 3:
                holder[at] = random.choice(_TAGS), content
            case 4:
                holder[at] = tag, b""
            case 5 if isinstance(content, list) and len(content) > 1:
                random.shuffle(content)
            case _:
                whole = content if isinstance(content, bytes) else _encoded(content)
                holder[at] = tag, mutate_in_place(random, whole) or b"\0"
    return _encoded(nodes)[: 256 << 10]


def _chosen(random: Random, nodes: list[_Node]) -> tuple[list[_Node], int]:
    holder = nodes
    while True:
        at = random.randrange(len(holder))
        inner = holder[at][1]
        if not isinstance(inner, list) or not inner or random.random() < 0.2:
            return holder, at
        holder = inner


def _parsed(data: bytes, deepest: int) -> list[_Node] | None:
    """The elements in ``data``; None where it does not consist of such."""
    nodes: list[_Node] = []
    at = 0
    while at < len(data):
        tag, first = data[at], data[at + 1] if at + 1 < len(data) else 0xFF
        start = at + 2
        length = first
        if first & 0x80:
            count = first & 0x7F
            length = int.from_bytes(data[start : start + count], "big")
            start += count
        if first == 0xFF or start + length > len(data):
            return None
        content = data[start : start + length]
        inner = _parsed(content, deepest - 1) if deepest and (tag & 0x20 or tag == _OCTET_STRING) else None
        nodes.append((tag, inner or content))
        at = start + length
    return nodes


def _encoded(nodes: list[_Node]) -> bytes:
    return b"".join(_one(tag, content if isinstance(content, bytes) else _encoded(content)) for tag, content in nodes)


def _one(tag: int, content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 | len(octets)]) + octets) + content
