"""Where MAAS listens, and the token with which this machine speaks to it, from curtin's ``reporting.maas``."""

from ipaddress import ip_address
from typing import Optional

from esxforge_target.contract.endpoint import Endpoint, parse_endpoint
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.token import Token
from esxforge_target.curtin_config.reader import Item


def read_endpoint(config: Item) -> Optional[Endpoint]:
    """The endpoint in ``reporting.maas``; what is wrong with it goes to the problems of ``config``."""
    maas = _maas_item(config)
    url = maas.text("endpoint", required=True) if maas is not None else ""
    if maas is None or not url:
        return None
    try:
        endpoint = parse_endpoint(url)
    except ContractError as error:
        maas.refuse(error.message)
        return None
    return endpoint.replace(addresses=(endpoint.host,)) if _is_address(endpoint.host) else endpoint


def read_token(config: Item) -> Optional[Token]:
    """The token in ``reporting.maas``; a missing part goes to the problems of ``config``, without any value."""
    maas = _maas_item(config)
    if maas is None:
        return None
    missing = Token.missing_parts(maas.values)
    for key in missing:
        maas.refuse("{} is missing.".format(key))
    return None if missing else Token.from_config(maas.values)


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
