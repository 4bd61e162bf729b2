"""Where MAAS listens, read from the status endpoint that it puts into curtin's configuration."""

from typing import Iterable, Tuple
from urllib.parse import urlsplit

from esxforge_target.contract.errors import ContractError
from esxforge_target.runtime.hosts import is_host
from esxforge_target.runtime.values import Value

_HINT = "It looks like http://ADDRESS:5248/MAAS/metadata/status/SYSTEM-ID in what MAAS sends under reporting: maas:."


class Endpoint(Value):
    """MAAS's metadata service for one machine.

    ``host`` is a name or an address without brackets, ``port`` a number (80 or 443 when the URL names none),
    ``base`` the path up to and with ``metadata/``, ``system_id`` what MAAS calls this machine (its instance-id).
    ``addresses`` are those that are known for ``host``: it is reached by them, too.
    """

    __slots__ = ("secure", "host", "port", "base", "system_id", "addresses")

    def __init__(  # noqa: PLR0917  # one for each field
        self, secure: bool, host: str, port: int, base: str, system_id: str, addresses: "Tuple[str, ...]" = ()
    ) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.base = base
        self.system_id = system_id
        self.addresses = tuple(addresses)

    @property
    def url(self) -> str:
        """The URL for events, as MAAS writes it; the port only where it is not the scheme's own."""
        scheme, usual = ("https", 443) if self.secure else ("http", 80)
        host = "[{}]".format(self.host) if ":" in self.host else self.host
        return "{}://{}{}{}".format(
            scheme, host, "" if self.port == usual else ":{}".format(self.port), self.status_path
        )

    @property
    def status_path(self) -> str:
        return "{}status/{}".format(self.base, self.system_id)

    @property
    def where(self) -> str:
        """``address:port`` for messages."""
        return "{}:{}".format("[{}]".format(self.host) if ":" in self.host else self.host, self.port)


def parse_endpoint(url: str, addresses: "Iterable[str]" = ()) -> Endpoint:
    """The endpoint in ``reporting: maas: endpoint:``, with ``addresses`` of its host. Raises ContractError.

    The error repeats nothing of the URL, which may carry credentials.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except (ValueError, AttributeError):
        raise ContractError("MAAS's status endpoint is not a URL.", _HINT)
    printable = all("!" <= char <= "~" for char in url.strip())
    if parts.scheme not in ("http", "https") or not host or not is_host(host) or not printable:
        raise ContractError("MAAS's status endpoint is not an http or https URL.", _HINT)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ContractError("MAAS's status endpoint carries more than an address and a path.", _HINT)
    before, word, system_id = parts.path.rstrip("/").rpartition("/status/")
    if not word or not system_id.isalnum():
        raise ContractError("MAAS's status endpoint does not end in status/ and a machine's id.", _HINT)
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port or (443 if secure else 80), before + "/", system_id, tuple(addresses))
