"""One HTTP request and its complete answer: bounded in time and size, without proxies, without redirects.

``http.client`` is used directly because it never looks at ``http_proxy`` and its like: on this network MAAS is
contacted directly, and a signed request must not reach anybody else. That is also why a redirect is not followed:
MAAS sends none from these paths, and following one would hand the token to whoever sent it.
"""

import http.client
import socket
import ssl
from typing import Dict, Optional

from esxforge_target.contract.endpoint import Endpoint
from esxforge_target.metadata.connection import Connection
from esxforge_target.metadata.errors import ANSWERED, SILENCE, TooLargeError, UnreachableError
from esxforge_target.runtime.http_limits import Alarm, AnswerTooLongError, read_body
from esxforge_target.runtime.values import Value

_WORKS = "The network works; look at MAAS's services, and at what is in between (proxy, firewall, MTU)."


class Request(Value):
    """Request to send. ``headers`` hold the signature, so its repr omits them."""

    __slots__ = ("method", "path", "headers", "body")

    def __init__(self, method: str, path: str, headers: "Dict[str, str]", body: Optional[bytes] = None) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return "Request({} {})".format(self.method, self.path)


class MetadataResponse(Value):
    """Answer: HTTP status, headers by lower-case name, and the complete body."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: "Dict[str, str]", body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def exchange(  # noqa: PLR0917  # one for each part that it uses
    endpoint: Endpoint,
    request: Request,
    timeout: float,
    limit: int,
    context: Optional[ssl.SSLContext] = None,
    way: Optional[Connection] = None,
) -> MetadataResponse:
    """Send ``request``, read the answer. All of it takes at most about ``timeout`` seconds for the connection and as
    much again for the rest; at most ``limit`` bytes of body are taken. ``context`` verifies an https endpoint
    (default: the system's certificate authorities); the certificate is for its name, whatever address is used.

    Raises UnreachableError (with what it proves about the network) and TooLargeError.
    """
    checked = (context or ssl.create_default_context()) if endpoint.secure else None
    if checked is not None:
        connection = http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout, context=checked)  # type: http.client.HTTPConnection
    else:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout)
    try:
        _connect(connection, endpoint, timeout, checked, way or Connection())
        return _talk(connection, endpoint, request, timeout, limit)
    finally:
        connection.close()


def _connect(
    connection: http.client.HTTPConnection,
    endpoint: Endpoint,
    timeout: float,
    context: "Optional[ssl.SSLContext]",
    way: Connection,
) -> None:
    try:
        connection.sock = way.connect(endpoint, timeout)
        connection.sock.settimeout(timeout)
        if context is not None:
            connection.sock = context.wrap_socket(connection.sock, server_hostname=endpoint.host)
    except ssl.SSLError as error:
        raise UnreachableError(
            "The TLS connection to MAAS at {} failed: {}.".format(endpoint.where, error.reason or "no reason given"),
            ANSWERED,
            "Check MAAS's certificate and this host's clock.",
        )
    except ValueError as error:  # ssl.CertificateError before 3.7, names that no IDNA allows
        raise UnreachableError(
            "MAAS at {} cannot be used: {}.".format(endpoint.where, error),
            ANSWERED,
            "Check MAAS's name and certificate.",
        )
    except ConnectionError as error:
        raise UnreachableError(
            "MAAS at {} refused the connection ({}).".format(endpoint.where, error.strerror or "reset"),
            ANSWERED,
            "The network works; check that MAAS's services run there.",
        )
    except socket.timeout:
        raise UnreachableError(
            "MAAS at {} did not answer within {:g} seconds.".format(endpoint.where, timeout),
            SILENCE if connection.sock is None else ANSWERED,  # connected, and silent in the TLS handshake
            "Check address, VLAN, gateway and uplink of the management network.",
        )
    except OSError as error:
        raise UnreachableError(
            "MAAS at {} cannot be reached: {}.".format(endpoint.where, error.strerror or error),
            SILENCE,
            "Check address, VLAN, gateway and uplink of the management network.",
        )


def _talk(
    connection: http.client.HTTPConnection, endpoint: Endpoint, request: Request, timeout: float, limit: int
) -> MetadataResponse:
    alarm = Alarm(connection.sock, timeout)
    try:
        with alarm:
            answer = _answer(connection, endpoint, request, limit)
    except socket.timeout:
        raise UnreachableError(
            "MAAS at {} took the connection and then said nothing for {:g} seconds.".format(endpoint.where, timeout),
            ANSWERED,
            _WORKS,
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        if alarm.rang:
            raise _too_slow(endpoint, timeout)
        raise UnreachableError(
            "MAAS at {} broke off in the middle of an answer ({}).".format(endpoint.where, type(error).__name__),
            ANSWERED,
            _WORKS,
        )
    if alarm.rang:  # an answer that ends where the connection does looks complete then
        raise _too_slow(endpoint, timeout)
    return answer


def _too_slow(endpoint: Endpoint, timeout: float) -> UnreachableError:
    return UnreachableError(
        "MAAS at {} did not finish its answer within {:g} seconds.".format(endpoint.where, timeout), ANSWERED, _WORKS
    )


def _answer(
    connection: http.client.HTTPConnection, endpoint: Endpoint, request: Request, limit: int
) -> MetadataResponse:
    connection.request(request.method, request.path, body=request.body, headers=request.headers)
    response = connection.getresponse()
    try:
        body = read_body(response, limit)
    except AnswerTooLongError:
        raise TooLargeError(
            "MAAS at {} sent more than {} bytes for one answer; the rest was not read.".format(endpoint.where, limit),
            "Make the document smaller; put large files on a datastore or a web server.",
        )
    finally:
        response.close()
    return MetadataResponse(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
