"""Read from MAAS all that a plan before the deployment needs. Nothing is changed there.

No call needs an administrator (measured with MAAS 3.7.3); what MAAS does not show the caller is left out, and so not
known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esxforge.deployment import answers as names
from esxforge.deployment.find import not_yours
from esxforge.errors import MaasError
from esxforge.maas import region
from esxforge.maas.boot_resources import BootResource, BootResources
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError
from esxforge.preview.curtin_yaml import parse_config

_SETTINGS = ("use_rack_proxy", "node_timeout")
_NOT_TOLD = (400, 403, 404)


def read_state(client: Client, system_id: str) -> dict[str, Any]:
    """Return the machine with its interfaces and storage, by the names in ``answers.py``. Raises MaasError."""
    node = f"nodes/{system_id}"
    machine = _required(client, f"machines/{system_id}/", system_id)
    found: dict[str, Any] = {
        names.MACHINE: machine,
        names.INTERFACES: _required(client, f"{node}/interfaces/", system_id),
        names.BLOCK_DEVICES: _required(client, f"{node}/blockdevices/", system_id),
        names.DATASTORES: _required(client, f"{node}/vmfs-datastores/", system_id),
    }
    for name, key in ((names.RAIDS, "raids"), (names.VOLUME_GROUPS, "volume_groups"), (names.BCACHES, "bcaches")):
        if isinstance(machine, Mapping) and machine.get(key):
            found[name] = _required(client, f"{node}/{name}/", system_id)
    return found


def read_answers(client: Client, system_id: str) -> dict[str, Any]:
    """Return MAAS's answers by the names in ``answers.py``. Raises MaasError."""
    found = {names.VERSION: {"version": region.ask(client).version}, **read_state(client, system_id)}
    found |= {
        names.SUBNETS: _required(client, "subnets/", "subnets"),
        names.STATIC_ROUTES: _required(client, "static-routes/", "static routes"),
        names.DOMAINS: _required(client, "domains/", "domains"),
    }
    settings = {name: _told(client, "maas/", op="get_config", name=name) for name in _SETTINGS}
    optional = {
        names.RACKS: _told(client, "rackcontrollers/"),
        names.FABRICS: _told(client, "fabrics/"),
        names.SETTINGS: {name: value for name, value in settings.items() if value is not None},
        names.FREE: _free_addresses(client, found[names.INTERFACES]),
        names.RESERVED: _told(client, "reservedips/"),
        names.ACCOUNT: _account(client),
        names.IMAGES: _images(client),
        names.CONFIG: _configuration(client, found[names.MACHINE], system_id),
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _required(client: Client, path: str, what: str) -> Any:
    try:
        return client.patiently(lambda: client.json("GET", path))
    except RefusedError as error:
        if error.status == 403:
            raise not_yours(what) from None
        if error.status == 404:
            raise MaasError(
                f"MAAS has no {client.clean(what)} any more.", "Somebody may have deleted it: look into MAAS."
            ) from None
        raise


def _told(client: Client, path: str, **query: str) -> Any:
    """Return MAAS's answer, or None if this user may not see it, or MAAS has no such resource."""
    try:
        return client.patiently(lambda: client.json("GET", path, query=query or None))
    except RefusedError as error:
        if error.status in _NOT_TOLD:
            return None
        raise


def _free_addresses(client: Client, interfaces: Any) -> dict[str, Any] | None:
    """Return the free addresses of subnets in which AUTO links have no address yet."""
    found = {}
    for subnet in sorted(set(_auto_subnets(interfaces))):
        ranges = _told(client, f"subnets/{subnet}/", op="unreserved_ip_ranges")
        if ranges is not None:
            found[str(subnet)] = {"unreserved_ip_ranges": ranges}
    return found or None


def _auto_subnets(interfaces: Any) -> list[int]:
    # Not checked yet: whatever differs from MAAS's format is reported when everything is checked.
    found = []
    for interface in interfaces if isinstance(interfaces, list) else []:
        links = interface.get("links") if isinstance(interface, Mapping) else None
        for link in links if isinstance(links, list) else []:
            if isinstance(link, Mapping) and link.get("mode") == "auto" and not link.get("ip_address"):
                subnet = link.get("subnet")
                identifier = subnet.get("id") if isinstance(subnet, Mapping) else None
                found += [identifier] if isinstance(identifier, int) else []
    return found


def _account(client: Client) -> dict[str, Any] | None:
    """Return the API key's user. Only the number of SSH keys is kept, and no e-mail address."""
    user = _told(client, "users/", op="whoami")
    keys = _told(client, "account/prefs/sshkeys/")
    if not isinstance(user, Mapping):
        return None
    kept = {name: user[name] for name in ("username", "is_superuser") if name in user}
    return kept | ({"ssh_keys": len(keys)} if isinstance(keys, list) else {})


def read_images(client: Client) -> list[BootResource] | None:
    """Return the ESXi images in MAAS with their sets; None if this user may not see them. Raises MaasError."""
    resources = BootResources(client)
    try:
        found = [resources.get(one.id) for one in resources.list() if one.name.startswith("esxi/")]
    except RefusedError as error:
        if error.status in _NOT_TOLD:
            return None
        raise
    return [one for one in found if one is not None]


def _images(client: Client) -> list[Any] | None:
    found = read_images(client)
    return None if found is None else [one.model_dump(mode="json", exclude_none=True) for one in found]


def _configuration(client: Client, machine: Any, system_id: str) -> Any:
    """Return curtin's configuration if MAAS has it already: it serves none before the deployment."""
    if not isinstance(machine, Mapping) or machine.get("status") not in names.HAS_CONFIGURATION:
        return None
    query = {"op": "get_curtin_config"}
    try:
        answer = client.patiently(lambda: client.request("GET", f"machines/{system_id}/", query=query))
    except RefusedError as error:
        if error.status in _NOT_TOLD:
            return None
        raise
    return parse_config(answer.text, f"MAAS's configuration of {system_id}")
