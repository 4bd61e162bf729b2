"""Where MAAS listens, and the token with which this machine speaks to it, from curtin's ``reporting.maas``."""

from ipaddress import ip_address
from typing import Optional
from urllib.parse import urlsplit

from esxforge_target.contract.desired_host import Maas
from esxforge_target.curtin_config.reader import Item
from esxforge_target.runtime.validation_errors import shown


class Token:
    """The OAuth token of this machine: a secret. It is never shown, compared or written by accident."""

    __slots__ = ("consumer_key", "token_key", "token_secret")

    def __init__(self, consumer_key: str, token_key: str, token_secret: str) -> None:
        self.consumer_key = consumer_key
        self.token_key = token_key
        self.token_secret = token_secret

    def __repr__(self) -> str:
        return "Token(…)"


def read_maas(config: Item) -> Optional[Maas]:
    """The endpoint in ``reporting.maas``; what is wrong with it goes to the reasons of ``config``."""
    maas = _maas_item(config)
    if maas is None:
        return None
    endpoint = maas.text("endpoint", required=True)
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        maas.refuse("endpoint {} is no URL.".format(shown(endpoint)))
        return None
    if parts.username is not None or parts.password is not None:
        maas.refuse("the endpoint must not carry credentials.")
        return None
    if parts.scheme not in ("http", "https") or not host or not endpoint.isprintable() or " " in endpoint:
        maas.refuse("endpoint {} is no http or https URL.".format(shown(endpoint)))
        return None
    metadata, found, system_id = endpoint.rpartition("/status/")
    if not found or not system_id.strip("/"):
        maas.refuse("endpoint {} does not end in status/ and the machine's id.".format(shown(endpoint)))
        return None
    return Maas(
        endpoint,
        metadata + "/",
        host,
        port or (443 if parts.scheme == "https" else 80),
        system_id.strip("/"),
        (host,) if _is_address(host) else (),
    )


def read_token(config: Item) -> Optional[Token]:
    """The token in ``reporting.maas``; a missing part goes to the reasons of ``config``, without any value."""
    maas = _maas_item(config)
    if maas is None:
        return None
    parts = []
    for key in ("consumer_key", "token_key", "token_secret"):
        value = maas.get(key)
        if not isinstance(value, str) or not value:
            maas.refuse("{} is missing.".format(key))
        else:
            parts.append(value)
    return Token(*parts) if len(parts) == 3 else None


def _maas_item(config: Item) -> Optional[Item]:
    reporting = config.item("reporting")
    maas = reporting.item("maas") if reporting is not None else None
    if maas is None:
        config.reasons.refuse(
            "reporting.maas", "it is missing, so the host could not tell MAAS how it went; is this MAAS's own file?"
        )
    return maas


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
