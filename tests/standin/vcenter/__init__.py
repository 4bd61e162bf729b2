"""A vCenter that is strict about what it is told, and the accounts of the ESXi host that it logs in to."""

from standin.vcenter.certificates import Certificate, make_certificate
from standin.vcenter.esxi_accounts import EsxiAccounts
from standin.vcenter.service import FakeVcenter
from standin.vcenter.state import Dialects, HostRecord, VcenterInventory

__all__ = [
    "Certificate",
    "Dialects",
    "EsxiAccounts",
    "FakeVcenter",
    "HostRecord",
    "VcenterInventory",
    "make_certificate",
]
