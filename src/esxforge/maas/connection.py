"""The address of a MAAS, and how to trust it."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from esxforge.errors import InputError, MaasError
from esxforge.local.reading import read_file
from esxforge.maas.auth import ApiKey
from esxforge_target.runtime.documents import shown
from esxforge_target.runtime.hosts import is_host

_LARGEST_CA_FILE = 4 << 20
_API_TAIL = re.compile(r"/api/[0-9.]+$")
_URL_HINT = "It looks like http://maas.example.com:5240/MAAS; MAAS listens on port 5240, or 5443 with TLS."


@dataclass(frozen=True)
class Connection:
    """A MAAS and the user's key for it.

    ``url`` is the address up to and with ``/MAAS``, see :func:`base_url`. ``ca_file``, or ``ca_certificates`` (PEM),
    are trusted instead of the system's authorities. ``insecure`` checks no certificate. ``timeout`` is the longest
    wait for an answer in seconds; it is long because MAAS hashes the whole image before it answers the last chunk.
    ``profile`` is the name of the maas CLI's profile that this came from, if any.
    """

    url: str
    key: ApiKey = field(repr=False)
    ca_file: Path | None = None
    ca_certificates: str | None = field(default=None, repr=False)
    insecure: bool = False
    timeout: float = 300.0
    profile: str | None = None

    @property
    def api(self) -> str:
        """Address of the REST interface, with a slash at its end."""
        return f"{self.url}/api/2.0/"


def base_url(text: str) -> str:
    """Return the address of a MAAS from user input: with or without ``/MAAS``, a slash, or ``/api/2.0/`` at the end.

    Any other path is kept: MAAS may be behind a reverse proxy. Raises MaasError.
    """
    try:
        url = httpx2.URL(text.strip())
    except httpx2.InvalidURL as error:
        raise MaasError("The address of MAAS is not a URL.", _URL_HINT) from error
    if url.userinfo:
        raise MaasError(
            "The address of MAAS holds a user name or password.",
            "MAAS takes an API key instead: --api-key-file, MAAS_API_KEY, or a profile of the maas CLI.",
        )
    if url.scheme not in ("http", "https") or not url.host:
        raise MaasError(f"“{text.strip()}” is not the http or https address of a MAAS.", _URL_HINT)
    if not is_host(url.host):
        raise MaasError(f"{shown(url.host)} cannot be the name of a host: DNS has no such names.", _URL_HINT)
    if url.query or url.fragment:
        raise MaasError(f"“{text.strip()}” holds more than an address: leave out what follows “?” or “#”.", _URL_HINT)
    path = _API_TAIL.sub("", url.path.rstrip("/")).rstrip("/") or "/MAAS"
    return str(url.copy_with(path=path))


def tls_context(connection: Connection) -> ssl.SSLContext | bool:
    """Return httpx2's ``verify`` for the connection. Raises MaasError for an unusable CA file."""
    if connection.insecure:
        return False
    if connection.ca_file is None and connection.ca_certificates is None:
        return True
    origin = f"The CA file {connection.ca_file}" if connection.ca_file else "The CA certificate in the profile"
    try:
        if connection.ca_file is not None:
            data = read_file(connection.ca_file, largest=_LARGEST_CA_FILE, pipes=True).decode(
                "ascii", "backslashreplace"
            )
        else:
            data = connection.ca_certificates or ""
        # From an empty text it would make a context that trusts the system's authorities.
        return ssl.create_default_context(cadata=data or "nothing")
    except InputError as error:
        raise MaasError(f"{origin} cannot be used: {error.message}", error.hint, error.place) from error
    except (OSError, ValueError) as error:
        raise MaasError(
            f"{origin} cannot be used: it is not a PEM certificate.", "Give the certificate authority as PEM."
        ) from error
