"""Passwords that nobody chose: drawn, hashed and, when a public key was named, encrypted on the host itself.

ESXi's Python cannot be relied on to have ``crypt`` (gone from Python 3.13 on) or any cryptography package, so the
two public algorithms are written out here: SHA-512-crypt (Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512",
version 0.4) and RSAES-OAEP with SHA-256 (RFC 8017, sections 7.1 and B.2).
"""

import base64
import hashlib
import os
from typing import Callable, List

from esxforge_target.runtime.errors import ForgeError
from esxforge_target.runtime.values import Value

_LOWER = "abcdefghijkmnopqrstuvwxyz"
_UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "23456789"
# None of these means anything to a shell in double quotes, to YAML after a letter, or to a URL's path.
_OTHERS = "-_+=.,"
_LENGTH = 24
_CRYPT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DEFAULT_ROUNDS = 5000
_SMALLEST_MODULUS_BITS = 2048


class Password:
    """A secret. ``reveal()`` gives it; nothing else does."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Password(***)"

    def __reduce__(self) -> str:
        raise TypeError("a password is not written anywhere by pickling it")


class PublicKey(Value):
    """An RSA public key as numbers: ``modulus`` and ``exponent``."""

    __slots__ = ("modulus", "exponent")

    def __init__(self, modulus: int, exponent: int) -> None:
        self.modulus = modulus
        self.exponent = exponent


def draw_password(random_bytes: "Callable[[int], bytes]" = os.urandom) -> Password:
    """24 characters of four classes, more than 130 random bits.

    ESXi's rule (7 to 39 characters, three of four classes; a leading capital and a trailing digit do not count; no
    dictionary word) is met by construction: the first character is a lower-case letter, the last one is a letter
    too, and each class is there in between.
    """
    everything = _LOWER + _UPPER + _DIGITS + _OTHERS
    chosen = [_pick(_LOWER, random_bytes)]
    middle = [_pick(kind, random_bytes) for kind in (_LOWER, _UPPER, _DIGITS, _OTHERS)]
    middle += [_pick(everything, random_bytes) for _ in range(_LENGTH - 2 - len(middle))]
    for place in range(len(middle) - 1, 0, -1):  # Fisher and Yates
        other = _below(place + 1, random_bytes)
        middle[place], middle[other] = middle[other], middle[place]
    chosen += middle
    chosen.append(_pick(_LOWER, random_bytes))
    return Password("".join(chosen))


def _pick(alphabet: str, random_bytes: "Callable[[int], bytes]") -> str:
    return alphabet[_below(len(alphabet), random_bytes)]


def _below(limit: int, random_bytes: "Callable[[int], bytes]") -> int:
    """A number from 0 to ``limit`` - 1 (at most 256), each as likely: bytes beyond the last whole multiple are drawn
    again.
    """
    while True:
        drawn = random_bytes(1)[0]
        if drawn < 256 - 256 % limit:
            return drawn % limit


# SHA-512-crypt


def hash_password(password: Password, salt: str = "") -> str:
    """``$6$SALT$…`` of ``password``, with the usual 5000 rounds. ``salt``: at most 16 of ``./0-9A-Za-z``, or drawn."""
    salt = salt or "".join(_CRYPT_ALPHABET[value % 64] for value in os.urandom(16))
    if len(salt) > 16 or any(char not in _CRYPT_ALPHABET for char in salt):
        raise ValueError("a salt has at most 16 characters of ./0-9A-Za-z")
    digest = _sha512_crypt(password.reveal().encode("utf-8"), salt.encode("ascii"))
    return "$6${}${}".format(salt, _crypt_base64(digest))


def _sha512_crypt(key: bytes, salt: bytes) -> bytes:
    other = hashlib.sha512(key + salt + key).digest()
    first = hashlib.sha512(key + salt + _stretch(other, len(key)))
    bits = len(key)
    while bits:
        first.update(other if bits & 1 else key)
        bits >>= 1
    digest = first.digest()
    keys = _stretch(hashlib.sha512(key * len(key)).digest(), len(key))
    salts = _stretch(hashlib.sha512(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(_DEFAULT_ROUNDS):
        step = hashlib.sha512(keys if number & 1 else digest)
        if number % 3:
            step.update(salts)
        if number % 7:
            step.update(keys)
        step.update(digest if number & 1 else keys)
        digest = step.digest()
    return digest


def _stretch(data: bytes, length: int) -> bytes:
    """``data`` repeated to ``length`` bytes."""
    return (data * (length // len(data) + 1))[:length]


def _crypt_base64(digest: bytes) -> str:
    """The digest's bytes in the specification's order, three at a time, six bits each from the lowest up."""
    text = []  # type: List[str]
    place = 0
    for _ in range(21):
        triple = (digest[place] << 16) | (digest[(place + 21) % 63] << 8) | digest[(place + 42) % 63]
        text.extend(_CRYPT_ALPHABET[(triple >> shift) & 63] for shift in (0, 6, 12, 18))
        place = (place + 22) % 63
    text.extend(_CRYPT_ALPHABET[(digest[63] >> shift) & 63] for shift in (0, 6))
    return "".join(text)


# RSA


def encrypt(password: Password, key: PublicKey, random_bytes: "Callable[[int], bytes]" = os.urandom) -> str:
    """``password`` encrypted to ``key``, in base64. The owner of the private key reads it with

        base64 -d FILE | openssl pkeyutl -decrypt -inkey KEY -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256

    Raises ForgeError for a key that must not be used.
    """
    size = (key.modulus.bit_length() + 7) // 8
    if key.modulus.bit_length() < _SMALLEST_MODULUS_BITS or key.exponent < 3 or not key.exponent & 1:
        raise ForgeError(
            "The public key for the root password is too weak ({} bits).".format(key.modulus.bit_length()),
            "Name an RSA key of at least {} bits in the recipe.".format(_SMALLEST_MODULUS_BITS),
        )
    message = password.reveal().encode("utf-8")
    hashed = hashlib.sha256(b"").digest()
    room = size - 2 * len(hashed) - 2
    if len(message) > room:
        raise ForgeError("The password does not fit into the public key.", "Name a larger RSA key in the recipe.")
    block = hashed + b"\x00" * (room - len(message)) + b"\x01" + message
    seed = random_bytes(len(hashed))
    masked_block = _xor(block, _mask(seed, len(block)))
    masked_seed = _xor(seed, _mask(masked_block, len(hashed)))
    number = int.from_bytes(b"\x00" + masked_seed + masked_block, "big")
    return base64.b64encode(pow(number, key.exponent, key.modulus).to_bytes(size, "big")).decode("ascii")


def _mask(seed: bytes, length: int) -> bytes:
    """MGF1 with SHA-256."""
    found = b""
    counter = 0
    while len(found) < length:
        found += hashlib.sha256(seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return found[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right))
