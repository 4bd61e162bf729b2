"""The name in the host's certificate. ESXi's own has the host's full name as the subject's common name."""

import ssl

from esxforge_target.formats.x509 import common_name as common_name_of
from esxforge_target.formats.x509 import parse_certificate
from esxforge_target.runtime.errors import FormatError


def common_name(pem: bytes) -> str:
    """Return the common name of the first certificate in ``pem``; empty if there is none, or it cannot be read."""
    text = pem.decode("ascii", "replace")
    start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    try:
        der = ssl.PEM_cert_to_DER_cert(text[max(start, 0) : max(end, 0) + len(ssl.PEM_FOOTER)])
        return common_name_of(parse_certificate(der).subject)
    except (ValueError, FormatError):
        return ""
