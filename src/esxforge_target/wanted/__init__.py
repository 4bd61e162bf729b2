"""The wanted host: what MAAS asks of this machine, read from curtin's configuration, with all refusals at once."""

from esxforge_target.wanted.document import from_json, to_json
from esxforge_target.wanted.maas import MaasToken
from esxforge_target.wanted.management import Management, base_of, management_of, nics_of
from esxforge_target.wanted.model import (
    Address,
    Datastore,
    Disk,
    Interface,
    Maas,
    Partition,
    Route,
    WantedHost,
)
from esxforge_target.wanted.parse import token_from_config, wanted_from_config
from esxforge_target.wanted.refusals import Refusals

__all__ = [
    "Address",
    "Datastore",
    "Disk",
    "Interface",
    "Maas",
    "MaasToken",
    "Management",
    "Partition",
    "Refusals",
    "Route",
    "WantedHost",
    "base_of",
    "from_json",
    "management_of",
    "nics_of",
    "to_json",
    "token_from_config",
    "wanted_from_config",
]
