"""Which vCenter to join, and where: the document that MAAS sends, or the recipe's own."""

from typing import Any, List, Tuple
from urllib.parse import urlsplit

from esxforge_target.cloud_data.documents import load_yaml
from esxforge_target.cloud_data.errors import CloudDataError
from esxforge_target.runtime.hosts import is_host
from esxforge_target.runtime.passwords import Password
from esxforge_target.runtime.values import Value
from esxforge_target.vcenter.errors import VcenterError

_HINT = "They come from MAAS's settings for vCenter (server, user name, password, datacenter)."


class DesiredVcenter(Value):
    """``server`` and ``port`` of vCenter, who to be there, and ``location``: datacenter first, then host folders;
    empty when vCenter has only one datacenter.
    """

    __slots__ = ("server", "port", "username", "password", "location")

    def __init__(
        self, server: str, port: int, username: str, password: Password, location: "Tuple[str, ...]" = ()
    ) -> None:
        self.server = server
        self.port = port
        self.username = username
        self.password = password
        self.location = location


def parse_document(data: bytes, server: str = "", datacenter: str = "") -> DesiredVcenter:
    """MAAS's ``vcenter.yaml``; ``server`` and ``datacenter`` are the recipe's, which come first where it names them.

    VcenterError names what is missing or wrong, never a value of it.
    """
    try:
        document = load_yaml(data, "vcenter.yaml")
    except CloudDataError as error:
        raise VcenterError(error.message, error.hint)
    if isinstance(document, dict):
        named = {"vcenter_server": server, "vcenter_datacenter": datacenter}
        document.update({key: value for key, value in named.items() if value})
    return parse_settings(document)


def parse_settings(document: Any) -> DesiredVcenter:
    """``vcenter_server``, ``vcenter_username``, ``vcenter_password`` and, where vCenter has several datacenters,
    ``vcenter_datacenter``: a name, or a path of host folders below it such as ``DC1/Racks/A``.
    """
    if not isinstance(document, dict):
        raise VcenterError("The vCenter document is not a mapping of keys.", _HINT)
    texts = {}
    for name in ("server", "username", "password"):
        value = document.get("vcenter_" + name)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise VcenterError("The vCenter document has no usable vcenter_{}.".format(name), _HINT)
        texts[name] = value
    server, port = parse_server(texts["server"])
    location = _location(document.get("vcenter_datacenter"))
    return DesiredVcenter(server, port, texts["username"], Password(texts["password"]), location)


def parse_server(text: str) -> "Tuple[str, int]":
    """Host and port; ``vc``, ``vc:8443`` and ``https://vc/`` are all met. Raises VcenterError."""
    problem = VcenterError("vcenter_server is not a host name or an address.", "Write it as vcenter.example.com.")
    try:
        parts = urlsplit(text if "://" in text else "//" + text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise problem
    extra = parts.path.strip("/") not in ("", "ui", "vsphere-client", "sdk") or parts.query or "@" in parts.netloc
    if not host or extra or parts.scheme not in ("", "https") or not is_host(host):
        raise problem
    return host, port or 443


def _location(value: Any) -> "Tuple[str, ...]":
    if value is None:
        return ()
    if not isinstance(value, str) or not value.isprintable():
        raise VcenterError("vcenter_datacenter is not text.", "Write a name, or a path such as DC1/Racks/A.")
    names = [name.strip() for name in value.split("/") if name.strip()]  # type: List[str]
    # "DC1/host/Racks" is how govc and the vSphere client's inventory paths write it.
    if len(names) > 1 and names[1] == "host":
        del names[1]
    return tuple(names)
