"""The machine's OAuth token, and how a request is signed with it.

MAAS takes OAuth 1.0 (RFC 5849) with the PLAINTEXT method: the signature is the consumer's secret, which MAAS leaves
empty, ``&`` and the token's secret. A timestamp may be 300 s off and a nonce works once.
"""

import binascii
import os
from typing import Any, List, Mapping, Tuple
from urllib.parse import quote

from esxforge_target.contract.errors import ContractError

_MASK = "***"
_PARTS = ("consumer_key", "token_key", "token_secret")


class Token:
    """Proof to MAAS that this is the machine it deployed. Its repr holds nothing that could be used."""

    __slots__ = ("_consumer_key", "_token_key", "_token_secret")

    def __init__(self, consumer_key: str, token_key: str, token_secret: str) -> None:
        self._consumer_key = consumer_key
        self._token_key = token_key
        self._token_secret = token_secret

    @classmethod
    def from_config(cls, reporting: "Mapping[str, Any]") -> "Token":
        """Return the token in curtin's ``reporting: maas:`` mapping. ContractError names missing keys, never values."""
        missing = cls.missing_parts(reporting)
        if missing:
            raise ContractError(
                "The configuration from MAAS has no usable {} under reporting: maas:.".format(", ".join(missing)),
                "Deploy the machine from MAAS: it writes this into each machine's configuration.",
            )
        return cls(*[reporting[name] for name in _PARTS])

    @staticmethod
    def missing_parts(reporting: "Mapping[str, Any]") -> "List[str]":
        """Return the keys of the mapping that are absent, empty or not text."""
        return [name for name in _PARTS if not isinstance(reporting.get(name), str) or not reporting[name]]

    def parts(self) -> "Tuple[str, str, str]":
        """Return consumer key, token key, token secret: for the one file that holds secrets."""
        return self._consumer_key, self._token_key, self._token_secret

    def authorization(self, timestamp: int) -> str:
        """Return the value of the ``Authorization`` header for one request sent at ``timestamp`` (epoch seconds).

        Each call draws a new nonce of 128 random bits: make one per request, retries too.
        """
        nonce = binascii.hexlify(os.urandom(16)).decode("ascii")
        fields = [
            ("oauth_nonce", nonce),
            ("oauth_timestamp", str(int(timestamp))),
            ("oauth_version", "1.0"),
            ("oauth_signature_method", "PLAINTEXT"),
            ("oauth_consumer_key", self._consumer_key),
            ("oauth_token", self._token_key),
            ("oauth_signature", "&" + quote(self._token_secret, safe="~")),
        ]
        return "OAuth " + ", ".join('{}="{}"'.format(name, quote(value, safe="~")) for name, value in fields)

    def redact(self, text: str) -> str:
        """Return ``text`` with every part of this token masked: MAAS repeats keys in some of its error pages."""
        for value in (self._token_secret, self._token_key, self._consumer_key):
            for form in (value, quote(value, safe="~")):
                text = text.replace(form, _MASK)
        return text

    def __repr__(self) -> str:
        return "Token({})".format(_MASK)

    def __reduce__(self) -> Any:
        raise TypeError("a token is not written anywhere by pickling it")
