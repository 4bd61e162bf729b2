"""OAuth 1.0 with the PLAINTEXT signature, which is how MAAS's REST interface knows a user.

Source: RFC 5849 sections 3.4.4 and 3.5.1; canonical/maas ``src/apiclient/maas_client.py`` and
``src/maasserver/api/auth.py``. MAAS takes a nonce once, and a timestamp that is at most 300 seconds off, so both are
made anew for every request, and for every repetition of one.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx2

from esxforge.errors import MaasError

# MAAS makes 18, 18 and 32 letters and digits (piston3: KEY_SIZE, SECRET_SIZE).
_PART = re.compile(r"[A-Za-z0-9._~-]{8,256}")

KEY_HINT = (
    "An API key has three parts with colons between them. In MAAS: your name, “API keys”; "
    "or on the MAAS server: maas apikey --username NAME."
)


@dataclass(frozen=True)
class ApiKey:
    """An API key in its three parts. Neither ``repr`` nor ``str`` show them."""

    consumer: str = field(repr=False)
    token: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, origin: str) -> ApiKey:
        """The key ``consumer:token:secret``; blanks and a newline around it do not matter.

        ``origin`` says where the text comes from, for the error: the text itself is never shown. Raises MaasError.
        """
        parts = text.strip().split(":")
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise MaasError(f"What {origin} holds is not a MAAS API key.", KEY_HINT)
        return cls(*parts)


def authorization(key: ApiKey, *, nonce: str, timestamp: int) -> str:
    """The value of the ``Authorization`` header. ``timestamp`` is in seconds since 1970."""
    fields = (
        ("oauth_nonce", nonce),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_version", "1.0"),
        ("oauth_signature_method", "PLAINTEXT"),
        ("oauth_consumer_key", key.consumer),
        ("oauth_token", key.token),
        # Consumer secret, “&”, token secret; MAAS's consumers have an empty secret.
        ("oauth_signature", "&" + quote(key.secret, safe="~")),
    )
    return "OAuth " + ", ".join(f'{name}="{quote(value, safe="~")}"' for name, value in fields)


class OAuth1Plaintext(httpx2.Auth):
    """Signs each request that goes through it with a fresh nonce and the time of sending."""

    def __init__(self, key: ApiKey, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign and send."""
        nonce = secrets.token_hex(16)
        request.headers["Authorization"] = authorization(self._key, nonce=nonce, timestamp=int(self._clock()))
        yield request
