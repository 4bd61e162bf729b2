"""Does the host answer at its address? Asked from this computer, through a forwarded port of QEMU's user network.

QEMU takes the connection itself and passes on what the guest does with it: a handshake that succeeds is the host's
management service, a connection that is closed at once a host without one, and silence no host.
"""

from __future__ import annotations

import socket
import ssl

from cryptography import x509
from cryptography.x509.oid import NameOID

from esxforge.selftest.evidence import ServiceAnswer

_WAIT = 4.0


class Connectivity:
    """Asks again and again; the best answer stays. ``patience``: seconds to wait for TLS once the host answers."""

    def __init__(self, port: int, patience: float) -> None:
        self._port = port
        self._patience = patience
        self.answer = ServiceAnswer("silent")

    def ask(self, seconds: float) -> bool:
        """Ask once, ``seconds`` after the start; whether that is enough."""
        found = probe(self._port)
        if found.kind == "tls":
            self.answer = ServiceAnswer("tls", seconds, found.subject)
        elif found.kind == "closed" and self.answer.kind == "silent":
            self.answer = ServiceAnswer("closed", seconds)
        return self.answer.kind == "tls" or (
            self.answer.kind == "closed" and seconds - self.answer.seconds > self._patience
        )


def probe(port: int) -> ServiceAnswer:
    """One try."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Any certificate will do: it is looked at, not trusted, and nothing is said.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), _WAIT) as plain, context.wrap_socket(plain) as secured:
            return ServiceAnswer("tls", subject=_subject(secured.getpeercert(binary_form=True) or b""))
    except TimeoutError:
        return ServiceAnswer("silent")
    except ConnectionRefusedError:  # QEMU itself does not listen: it has ended, or has not begun
        return ServiceAnswer("silent")
    except (ssl.SSLError, OSError):
        return ServiceAnswer("closed")


def _subject(certificate: bytes) -> str:
    try:
        names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return "a certificate that cannot be read"
    return str(names[0].value) if names else "nobody"
