"""Joining this host to vCenter."""

from esxforge_target.vcenter.account import remove_account
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.join import Joined, join
from esxforge_target.vcenter.tls import Trust
from esxforge_target.vcenter.wanted import Wanted, parse_document, parse_settings

__all__ = ["Joined", "Trust", "VcenterError", "Wanted", "join", "parse_document", "parse_settings", "remove_account"]
