"""Telling SSH public keys from anything else, so that no message ever lands in authorized_keys.

A key's line is ``type base64 [comment]`` (RFC 4253 section 6.6, RFC 5656, RFC 8709; OpenSSH's PROTOCOL.u2f for the
``sk-`` types). The base64 holds length-prefixed fields of which the first repeats the type.
"""

import base64
import binascii
import re
from typing import List, Tuple

from esxforge_target.runtime.values import Value

# The fields that follow the type in the blob.
_FIELDS = {
    "ssh-rsa": 2,
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
_POINT_SIZES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
_LONGEST_LINE = 16384
_SMALLEST_RSA_BITS = 1024


class PublicKeys(Value):
    """``keys``: whole lines fit for authorized_keys, each once. ``dropped``: why each other line is not among them."""

    __slots__ = ("keys", "dropped")

    def __init__(self, keys: "Tuple[str, ...]", dropped: "Tuple[str, ...]") -> None:
        self.keys = keys
        self.dropped = dropped


def parse_public_keys(text: str) -> PublicKeys:
    """Sort the lines of ``text`` into keys and the rest. Never raises; empty lines and ``#`` comments are skipped."""
    keys = []  # type: List[str]
    dropped = []  # type: List[str]
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = raw.strip(" \t")
        if not line or line.startswith("#"):
            continue
        problem = problem_of_key(line)
        if problem:
            dropped.append("line {} is no SSH public key: {}".format(number, problem))
        elif line not in keys:
            keys.append(line)
    return PublicKeys(tuple(keys), tuple(dropped))


def problem_of_key(line: str) -> str:
    """Why ``line`` is not an SSH public key, or an empty string when it is one."""
    if len(line) > _LONGEST_LINE:
        return "longer than {} characters".format(_LONGEST_LINE)
    if not line.replace("\t", " ").isprintable():
        return "it holds control characters"
    # Not split(): that also splits at blanks which sshd takes for a part of the word.
    words = re.split("[ \t]+", line, maxsplit=2)
    if words[0] == "ssh-dss":
        return "DSA keys are not accepted by ESXi's sshd"
    if words[0] not in _FIELDS:
        return "it does not start with a known key type"
    if len(words) < 2:
        return "there is nothing after the type"
    try:
        blob = base64.b64decode(words[1].encode("ascii"), validate=True)
        fields = _split(blob)
    except (binascii.Error, ValueError):
        return "what follows the type is damaged"
    return _problem_of_fields(words[0], fields)


def _split(blob: bytes) -> "List[bytes]":
    """The length-prefixed fields of a key's blob; ValueError when they do not fill it exactly."""
    fields = []  # type: List[bytes]
    place = 0
    while place < len(blob):
        end = place + 4 + int.from_bytes(blob[place : place + 4], "big")
        if place + 4 > len(blob) or end > len(blob):
            raise ValueError("cut short")
        fields.append(blob[place + 4 : end])
        place = end
    return fields


def _problem_of_fields(kind: str, fields: "List[bytes]") -> str:
    if not fields or fields[0] != kind.encode("ascii"):
        return "the type inside is another one"
    if len(fields) != 1 + _FIELDS[kind]:
        return "it has {} parts instead of {}".format(len(fields), 1 + _FIELDS[kind])
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[2], "big").bit_length()
        if bits < _SMALLEST_RSA_BITS:
            return "an RSA key of {} bits is too short".format(bits)
    elif "ed25519" in kind:
        if len(fields[1]) != 32:
            return "an Ed25519 key has 32 bytes"
    else:
        curve = next(name for name in _POINT_SIZES if name in kind)
        if fields[1] != curve.encode("ascii") or len(fields[2]) != _POINT_SIZES[curve]:
            return "its curve and its point do not fit together"
    return ""
