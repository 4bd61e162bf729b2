"""X.509 certificates: who issued one, and what tells one key of an issuer from another. No signature is verified.

Source: RFC 5280, 4.1, 4.2.1.1 and 4.2.1.2.
"""

from typing import Dict, Tuple

from esxforge_target.formats.der import BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, Element, Fields, context
from esxforge_target.formats.der import read_element as _read
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

LARGEST_CERTIFICATE = 64 << 10
_SUBJECT_KEY_ID = bytes.fromhex("551d0e")
_AUTHORITY_KEY_ID = bytes.fromhex("551d23")
_WHAT = "A certificate"
_UTC_TIME, _GENERALIZED_TIME, _BOOLEAN = 0x17, 0x18, 0x01
_COMMON_NAME, _ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
# UTF8String, PrintableString, T61String, IA5String, BMPString
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


class Certificate(Value):
    """``subject`` and ``issuer`` are names in DER, ``key_id`` and ``authority_key_id`` the key identifiers of both,
    empty where the certificate gives none. ``signed`` is the part that its signature covers; ``serial`` the content of
    its INTEGER. ``whole`` is the certificate.
    """

    __slots__ = ("whole", "signed", "serial", "issuer", "subject", "key_id", "authority_key_id")

    def __init__(  # noqa: PLR0917  # one for each field
        self,
        whole: bytes,
        signed: bytes,
        serial: bytes,
        issuer: bytes,
        subject: bytes,
        key_id: bytes,
        authority_key_id: bytes,
    ) -> None:
        self.whole = whole
        self.signed = signed
        self.serial = serial
        self.issuer = issuer
        self.subject = subject
        self.key_id = key_id
        self.authority_key_id = authority_key_id

    def issued(self, other: "Certificate") -> bool:
        """True where name and key identifier say that this one's key signed ``other``; an identifier that is missing
        says nothing.
        """
        return self.subject == other.issuer and bool(self.key_id) and self.key_id == other.authority_key_id


def parse_certificate(data: bytes, padded: bool = False) -> Certificate:
    """Read a certificate in DER; ``padded``: zeros may follow it. Raises FormatError."""
    if len(data) > LARGEST_CERTIFICATE:
        raise FormatError("A certificate has {} bytes, more than one ever has.".format(len(data)))
    outer = _read(data, SEQUENCE, _WHAT, padded)
    fields = Fields(outer, _WHAT)
    signed = fields.take(SEQUENCE)
    fields.take(SEQUENCE)
    fields.take(BIT_STRING)
    fields = Fields(signed, _WHAT)
    fields.skip(context(0))
    serial = fields.take(INTEGER)
    fields.take(SEQUENCE)
    issuer = fields.take(SEQUENCE)
    fields.take(SEQUENCE)
    subject = fields.take(SEQUENCE)
    fields.take(SEQUENCE)
    for number in (1, 2):
        fields.skip(context(number, constructed=False))
    key_id = authority = b""
    if fields.has(context(3)):
        extensions = _read(fields.take(context(3)).content, SEQUENCE, _WHAT)
        key_id, authority = _key_ids(extensions)
    return Certificate(outer.whole, signed.whole, serial.content, issuer.whole, subject.whole, key_id, authority)


def _key_ids(extensions: Element) -> "Tuple[bytes, bytes]":
    key_id = authority = b""
    for extension in extensions.children():
        fields = Fields(extension, _WHAT)
        kind = fields.take(OID).content
        fields.skip(_BOOLEAN)
        value = fields.take(OCTET_STRING).content
        if kind == _SUBJECT_KEY_ID:
            key_id = _read(value, OCTET_STRING, _WHAT).content
        elif kind == _AUTHORITY_KEY_ID:
            parts = Fields(_read(value, SEQUENCE, _WHAT), _WHAT)
            authority = parts.take(0x80).content if parts.has(0x80) else b""
    return key_id, authority


def name_text(name: bytes) -> str:
    """A name in DER for people: its common name, else its organisation, else its bytes. Raises FormatError."""
    found = _name_parts(name)
    return found.get(_COMMON_NAME) or found.get(_ORGANIZATION) or name.hex()


def common_name(name: bytes) -> str:
    """The common name in a name in DER; empty where it has none. Raises FormatError."""
    return _name_parts(name).get(_COMMON_NAME, "")


def _name_parts(name: bytes) -> "Dict[bytes, str]":
    found = {}  # type: Dict[bytes, str]
    for group in _read(name, SEQUENCE, "A name").children():
        for pair in group.children():
            fields = Fields(pair, "A name")
            kind = fields.take(OID).content
            value = fields.take(*_ENCODINGS) if fields.has(*_ENCODINGS) else None
            if value is not None:
                found[kind] = value.content.decode(_ENCODINGS[value.tag], "replace")
    return found
