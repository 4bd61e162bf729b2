"""What piston3 and MAAS check of a signed request, in the words of MAAS 3.6.5's answers."""

from __future__ import annotations

import re
from urllib.parse import unquote

_FIELD = re.compile(r'(\w+)="([^"]*)"')


class RefusalError(Exception):
    """A 401: content type and text."""

    def __init__(self, content_type: str, text: str) -> None:
        super().__init__(text)
        self.content_type = content_type
        self.text = text


def check(header: str | None, keys: dict[str, bool], nonces: set[str], now: float) -> bool:
    """Whether the user of a valid request is an administrator. ``keys`` maps API keys to that. Raises RefusalError."""
    if not header or not header.startswith("OAuth "):
        raise RefusalError("text/plain", "Forbidden")
    fields = {name: unquote(value) for name, value in _FIELD.findall(header)}
    if fields.get("oauth_signature_method") != "PLAINTEXT" or fields.get("oauth_version") != "1.0":
        raise RefusalError("text/plain", "Forbidden")
    known = {tuple(key.split(":")[:2]): (key.split(":")[2], admin) for key, admin in keys.items()}
    identity = (fields.get("oauth_consumer_key", ""), fields.get("oauth_token", ""))
    if identity not in known:
        raise RefusalError("text/html; charset=utf-8", "Authorization Error: Invalid API key.")
    secret, admin = known[identity]
    given = int(fields["oauth_timestamp"])
    if abs(given - int(now)) > 300:
        raise RefusalError(
            "text/html; charset=utf-8",
            f"Authorization Error: 'Expired timestamp: given {given} and now {int(now)} has a greater difference than "
            "threshold 300'",
        )
    if fields["oauth_nonce"] in nonces:
        raise RefusalError(
            "text/html; charset=utf-8", f"Authorization Error: 'Nonce already used: {fields['oauth_nonce']}'"
        )
    nonces.add(fields["oauth_nonce"])
    if fields.get("oauth_signature") != f"&{secret}":
        raise RefusalError(
            "text/html; charset=utf-8",
            f"Authorization Error: 'Invalid signature. Expected signature base string: &{secret}'",
        )
    return admin
