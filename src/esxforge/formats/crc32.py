"""CRC-32 of data that is never looked at: of two parts joined, and of runs of zeros.

A CRC-32 is a polynomial over GF(2) modulo the one of RFC 1952, lowest degree in the highest bit; appending n bytes
multiplies it by x^(8n), which repeated squaring finds in O(log n).
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
_X = 1 << 30


def _multiply(a: int, b: int) -> int:
    """a times b modulo the polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@cache
def _x_to_power_of_two(exponent: int) -> int:
    """x^(2^exponent) modulo the polynomial."""
    if exponent == 0:
        return _X
    half = _x_to_power_of_two(exponent - 1)
    return _multiply(half, half)


def _x_to_bytes(count: int) -> int:
    """x^(8 * count) modulo the polynomial."""
    power, exponent = _ONE, 3
    while count:
        if count & 1:
            power = _multiply(power, _x_to_power_of_two(exponent))
        count >>= 1
        exponent += 1
    return power


def crc32_combine(first: int, second: int, second_length: int) -> int:
    """The CRC-32 of two parts joined, from theirs and the length of the second in bytes."""
    return _multiply(_x_to_bytes(second_length), first) ^ second


def crc32_with_zeros(crc: int, count: int) -> int:
    """The CRC-32 after ``count`` more zero bytes."""
    return _multiply(_x_to_bytes(count), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
