"""A connection to vCenter that is known to be vCenter's before the first byte is said."""

import binascii
import hashlib
import hmac
import http.client
import os
import socket
import ssl
from typing import Optional

from esxforge_target.runtime.values import Value
from esxforge_target.vcenter.errors import VcenterError

# The certificate authorities that an ESXi host itself trusts.
_ESXI_AUTHORITIES = "/etc/vmware/ssl/castore.pem"
_HASHES = {40: hashlib.sha1, 64: hashlib.sha256}


class Trust(Value):
    """How vCenter's certificate is checked: by the ``authorities`` (PEM text), or by its own ``thumbprint`` (SHA-256 or
    SHA-1, hexadecimal, with or without colons). With neither, by the authorities that the host trusts anyway.
    """

    __slots__ = ("authorities", "thumbprint")

    def __init__(self, authorities: str = "", thumbprint: str = "") -> None:
        self.authorities = authorities
        self.thumbprint = _plain(thumbprint)


def _plain(thumbprint: str) -> str:
    plain = thumbprint.replace(":", "").replace(" ", "").lower()
    if plain and (len(plain) not in _HASHES or any(char not in "0123456789abcdef" for char in plain)):
        raise VcenterError(
            "The thumbprint of vCenter's certificate is neither SHA-256 (64 digits) nor SHA-1 (40 digits).",
            "Read it with: openssl s_client -connect VCENTER:443 </dev/null | openssl x509 -noout -fingerprint -sha256",
        )
    return plain


def connect(server: str, port: int, trust: Trust, timeout: float) -> http.client.HTTPSConnection:
    """A connected, verified connection. Raises VcenterError in plain words; nothing was sent then."""
    where = "vCenter {}:{}".format(server, port)
    context = _context(trust)
    connection = http.client.HTTPSConnection(server, port, timeout=timeout, context=context)
    try:
        _open(connection, where, server, timeout)
        if trust.thumbprint:
            _compare(connection, trust.thumbprint, where)
    except BaseException:
        connection.close()
        raise
    return connection


def _context(trust: Trust) -> ssl.SSLContext:
    if trust.thumbprint:
        # The chain is not looked at because the certificate itself is compared, right after the handshake and before
        # anything is sent.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if trust.authorities:
            return ssl.create_default_context(cadata=trust.authorities)
        context = ssl.create_default_context()
        if os.path.exists(_ESXI_AUTHORITIES):
            context.load_verify_locations(cafile=_ESXI_AUTHORITIES)
    except (ssl.SSLError, ValueError, OSError):
        raise VcenterError(
            "The certificate authorities for vCenter cannot be read.",
            "Give PEM text that starts with -----BEGIN CERTIFICATE-----.",
        )
    return context


def _open(connection: http.client.HTTPSConnection, where: str, server: str, timeout: float) -> None:
    try:
        connection.connect()
    except socket.gaierror:
        raise VcenterError(
            "The name of {} is unknown to this host's name servers.".format(where),
            "Check the DNS servers of the machine's subnet in MAAS, or give vCenter's address.",
        )
    except (ssl.SSLError, ssl.CertificateError) as error:
        raise _certificate_error(error, where)
    except socket.timeout:
        raise VcenterError(
            "{} did not answer within {:g} seconds.".format(where, timeout),
            "Check the route and the firewalls between this host and vCenter (TCP 443).",
        )
    except OSError as error:
        raise VcenterError(
            "{} cannot be reached: {}.".format(where, error.strerror or "no reason given"),
            "Check the route and the firewalls between this host and vCenter (TCP 443).",
        )


def _certificate_error(error: Exception, where: str) -> VcenterError:
    reason = str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error)
    return VcenterError(
        "The certificate of {} was not accepted: {}.".format(where, reason[:200].rstrip(".")),
        "Name the authority that signed it or its SHA-256 thumbprint in the recipe (vcenter: ca_file, thumbprint); "
        "the server's name must be one that the certificate holds; check this host's clock.",
    )


def _compare(connection: http.client.HTTPSConnection, desired: str, where: str) -> None:
    sock = connection.sock  # type: Optional[ssl.SSLSocket]
    certificate = sock.getpeercert(True) if sock is not None else None
    found = binascii.hexlify(_HASHES[len(desired)](certificate or b"").digest()).decode("ascii")
    if not certificate or not hmac.compare_digest(found, desired):
        raise VcenterError(
            "The certificate of {} is not the pinned one: its thumbprint is {}.".format(where, found),
            "Someone else may be answering. If vCenter's certificate was renewed, put the new thumbprint in place.",
        )
