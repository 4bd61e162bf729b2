"""Whom the host's certificate is for. ESXi's own has the host's full name as the subject's common name (X.509, DER)."""

import ssl
from typing import Iterator, Tuple

_VERSION = 0xA0
_COMMON_NAME = b"\x06\x03\x55\x04\x03"
_SUBJECT = 4  # after serial number, algorithm, issuer and validity


def common_name(pem: bytes) -> str:
    """The common name of the first certificate in ``pem``; empty where there is none, or it cannot be read."""
    text = pem.decode("ascii", "replace")
    start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    try:
        der = ssl.PEM_cert_to_DER_cert(text[max(start, 0) : max(end, 0) + len(ssl.PEM_FOOTER)])
        certificate = next(_elements(der))[1]
        signed = next(_elements(certificate))[1]
        fields = [content for tag, content in _elements(signed) if tag != _VERSION]
        for _, group in _elements(fields[_SUBJECT]):
            for _, attribute in _elements(group):
                if attribute.startswith(_COMMON_NAME):
                    return next(_elements(attribute[len(_COMMON_NAME) :]))[1].decode("utf-8")
    except (ValueError, IndexError, StopIteration):
        pass
    return ""


def _elements(der: bytes) -> "Iterator[Tuple[int, bytes]]":
    """Tag and content of each element. Raises ValueError where one is longer than what is there."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[at : at + count], "big")
            at += count
        if at + length > len(der):
            raise ValueError("an element is cut short")
        yield tag, der[at : at + length]
        at += length
