"""Mutations: of bytes, of texts, and of JSON and YAML documents, which stay documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, TypeAlias

Mutate: TypeAlias = Callable[[Random, bytes], bytes]
# Values that a format knows, by the name of the field that may hold them.
Words: TypeAlias = Mapping[str, Sequence[Any]]
NO_WORDS: Words = MappingProxyType({})

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_TEXTS = (
    b"", b"\0", b"\n", b"\r\n", b"\x1b[31m", b"\xff\xfe", b"\xe2\x80\xae", b"=", b":", b"#", b"%", b"'", b'"', b"{",
    b"[", b"---", b"../..", b"9" * 30, b"-1", b"1e999", b"\xc2\xb2", b"\xd9\xa3", b"%pre", b"%include", b"!!bool x",
    b"&a [*a]",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, 10**400, 1.5, float("inf"), float("nan"), "", "x", "\0", "\n",
    "\x1b[31m", "\u202e", "\ud800", "\udcff", "-1", "0", "9" * 5000, "a" * 2000, "\u00b2", "\u0663", "1_000", "::",
    "::/0",
    "0.0.0.0/0", "fe80::1%eth0", "10.0.0.1/33", "255.255.255.255", "http://" + "a" * 300 + "/", "true", "5G", "N/A",
    [], {}, [[]], [{}], {"": ""}, [None], ["x"] * 3,
)  # fmt: skip


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """A few changes: bits, numbers in either order, pieces cut, doubled, moved or put in."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(changed) + 1)
        match random.randrange(8):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << random.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = random.randrange(256)
            case 2:
                width = random.choice((1, 2, 4, 8))
                number = random.choice(_NUMBERS) & ((1 << 8 * width) - 1)
                changed[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
            case 3:
                del changed[at : at + random.choice((1, 2, 4, 16, 64, 512))]
            case 4:
                changed[at:at] = changed[at : at + random.choice((1, 4, 16, 512))]
            case 5:
                start = random.randrange(len(changed) + 1)
                length = random.choice((1, 4, 32, 512))
                changed[at : at + length] = changed[start : start + length]
            case 6:
                changed[at:at] = random.choice(_TEXTS)
            case _:
                if random.random() < 0.2:
                    del changed[at:]
    return bytes(changed)


def mutate_in_place(random: Random, data: bytes) -> bytes:
    """Changes that move nothing, for structures with places in them; nothing to change in no bytes."""
    changed = bytearray(data)
    if not changed:
        return data
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        at = random.randrange(max(1, len(changed) - 8))
        width = random.choice((1, 1, 2, 4, 8))
        kind = random.randrange(3)
        if kind == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            number = random.choice(_NUMBERS) & ((1 << 8 * width) - 1)
            changed[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
        else:
            start = random.randrange(max(1, len(changed) - 32))
            taken = changed[start : start + width]
            changed[at : at + len(taken)] = taken
    return bytes(changed[: len(data)])


def mutate_lines(random: Random, data: bytes) -> bytes:
    """Lines and words are dropped, doubled, exchanged and replaced; now and then bytes, too."""
    if random.random() < 0.3:
        return mutate_bytes(random, data)
    lines = data.split(b"\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(5):
            case 0:
                lines.insert(at, lines[other])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                words = lines[at].split(b" ")
                words[random.randrange(len(words))] = random.choice((*_TEXTS, *lines[other].split(b" ")))
                lines[at] = b" ".join(words)
    return b"\n".join(lines)


def mutate_json(random: Random, data: bytes, words: Words = NO_WORDS) -> bytes:
    """A JSON document with some of its values changed; of a text that is none, its bytes."""
    if random.random() < 0.15:
        return mutate_bytes(random, data)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(random, data)
    document = mutate_value(random, document, words)
    try:
        text = json.dumps(document)
    except (ValueError, RecursionError):
        return data
    if random.random() < 0.03:
        text = text.replace("{", '{"a": 1, "a": 2, ', 1)
    return text.encode("utf-8", "surrogatepass")


def mutate_value(random: Random, document: Any, words: Words = NO_WORDS) -> Any:
    """Plain data with some values replaced, dropped, doubled or moved; half of the new values are the format's."""
    document = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        places = list(_places(document))
        if not places:
            return random.choice(_VALUES)
        if words and random.random() < 0.5:
            _put_word(random, places, words)
            continue
        holder, key = random.choice(places)
        match random.randrange(6):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2 if isinstance(holder, dict):
                holder[str(random.choice(_VALUES))[:40]] = holder.pop(key)
            case 3:
                alike = [place for place in places if place[1] == key]
                other, name = random.choice(alike if random.random() < 0.5 else places)
                if (name in other if isinstance(other, dict) else name < len(other)) and (
                    key in holder if isinstance(holder, dict) else key < len(holder)
                ):
                    holder[key] = copy.deepcopy(other[name])
            case 4 if isinstance(holder[key], int) and not isinstance(holder[key], bool):
                holder[key] += random.choice((-1, 1))
            case _:
                holder[key] = copy.deepcopy(random.choice(_VALUES))
    return document


def _put_word(random: Random, places: list[tuple[Any, Any]], words: Words) -> None:
    """A value that the format knows, where its field is; now and then a field that is not there yet."""
    known = [place for place in places if isinstance(place[1], str) and place[1] in words]
    if known and random.random() < 0.8:
        # Each name has the same chance, however often it is there.
        name = random.choice(sorted({key for _, key in known}))
        holder, key = random.choice([place for place in known if place[1] == name])
    else:
        objects = [holder for holder, _ in places if isinstance(holder, dict)]
        if not objects:
            return
        holder, key = random.choice(objects), random.choice(sorted(words))
    holder[key] = copy.deepcopy(random.choice(words[key]))


def _places(document: Any) -> Any:
    left = [document] if isinstance(document, dict | list) else []
    for _ in range(2000):  # YAML's aliases make documents without an end
        if not left:
            return
        holder = left.pop()
        items = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
        for key, value in items:
            yield holder, key
            if isinstance(value, dict | list):
                left.append(value)
