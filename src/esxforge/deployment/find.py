"""A machine in MAAS by system id, FQDN or host name, or not at all: no doubt about which one is left.

Host names are unique within a domain only (canonical/maas 3.7.3, models/node.py), and a host name of one machine may be
the system id of another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import TypeAdapter

from esxforge.errors import MaasError
from esxforge.maas.checked import CheckedAnswer, checked
from esxforge.maas.client import Client
from esxforge.maas.failures import RefusedError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*\.?")
_LIST = "MAAS's machine list has their names and system ids: maas PROFILE machines read"


class _Found(CheckedAnswer):
    system_id: str
    fqdn: str
    hostname: str


def find_machine(client: Client, name: str) -> str:
    """The system id of the one machine that ``name`` means. Raises MaasError where none or several fit."""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise MaasError(f"“{client.clean(name)}” is not the name of a machine.", "Give a system id or an FQDN.")
    desired = name.rstrip(".").lower()
    if "." in desired:
        return _by_fqdn(client, desired)
    by_id = [one for one in _machines(client, {"id": desired}) if one.system_id == desired]
    by_host = [one for one in _machines(client, {"hostname": desired}) if one.hostname.lower() == desired]
    found = {one.system_id: one for one in [*by_id, *by_host]}
    if len(found) > 1:
        listed = ", ".join(f"{client.clean(one.fqdn)} ({one.system_id})" for one in found.values())
        other = "the FQDN" if by_id else "the FQDN, or the system id"
        raise MaasError(f"“{desired}” fits several machines: {listed}.", f"Give {other} of the one that you mean.")
    return next(iter(found)) if found else _hidden(client, desired)


def _by_fqdn(client: Client, fqdn: str) -> str:
    host, _, domain = fqdn.partition(".")
    query = {"hostname": host, "domain": domain}
    found = [one for one in _machines(client, query) if one.fqdn.lower() == fqdn]
    if not found:
        raise _absent(fqdn)
    return found[0].system_id


def _machines(client: Client, query: Mapping[str, str]) -> list[_Found]:
    answer = client.patiently(lambda: client.json("GET", "machines/", query=query))
    return checked(TypeAdapter(list[_Found]), answer, "machines")


def _hidden(client: Client, name: str) -> str:
    """A list leaves out what the caller may not see; asked for by its id, MAAS says so."""
    if re.fullmatch(r"[a-z0-9]{6}", name):
        try:
            client.patiently(lambda: client.request("GET", f"machines/{name}/"))
        except RefusedError as error:
            if error.status == 403:
                raise not_yours(name) from None
            if error.status != 404:
                raise
    raise _absent(name)


def _absent(name: str) -> MaasError:
    return MaasError(f"MAAS has no machine “{name}” that this user may see.", _LIST)


def not_yours(name: str) -> MaasError:
    """MAAS hides the machine from this user."""
    return MaasError(
        f"MAAS does not show {name} to this user: it belongs to somebody else.",
        "Use the API key of its owner, or of an administrator.",
    )
