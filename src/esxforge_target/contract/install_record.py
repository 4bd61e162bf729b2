"""The install record: what %post notes of the disk that ESXi was installed on."""

from typing import Sequence

from esxforge_target.contract.document import read_document, write_document
from esxforge_target.runtime.documents import TEXT, TEXTS, Schema
from esxforge_target.runtime.values import Value


class InstallRecord(Value):
    """``device`` is ESXi's name of the boot disk, ``disk_guid`` that of the label which VMware's installer wrote ("" if
    it could not be read), ``build`` the one that its boot.cfg names. ``notices``: what there is to report of the user's
    scripts, one sentence each.
    """

    __slots__ = ("device", "disk_guid", "build", "notices")

    def __init__(self, device: str, disk_guid: str, build: str, notices: "Sequence[str]" = ()) -> None:
        self.device = device
        self.disk_guid = disk_guid
        self.build = build
        self.notices = tuple(notices)

    def to_json(self) -> str:
        """The document."""
        return write_document(self)

    @staticmethod
    def from_json(text: str) -> "InstallRecord":
        """Raises ContractError."""
        return read_document(text, InstallRecord, _SCHEMA, "installed.json")


_SCHEMA = {InstallRecord: {"device": TEXT, "disk_guid": TEXT, "build": TEXT, "notices": TEXTS}}  # type: Schema
