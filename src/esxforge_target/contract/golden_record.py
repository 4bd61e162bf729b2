"""Orders of a golden build to VMware's installer in its virtual machine."""

from typing import Sequence, Tuple

from esxforge_target.contract.document import read_document, write_document
from esxforge_target.runtime.documents import TEXT, TEXTS, Schema
from esxforge_target.runtime.values import Value


class GoldenRecord(Value):
    """``disk_guid`` marks the blank disk to install on; ``install_options`` are those of the user's install line."""

    __slots__ = ("disk_guid", "install_options")

    def __init__(self, disk_guid: str, install_options: "Sequence[str]" = ()) -> None:
        self.disk_guid = disk_guid
        self.install_options = tuple(install_options)  # type: Tuple[str, ...]

    def to_json(self) -> str:
        """Return the document."""
        return write_document(self)

    @staticmethod
    def from_json(text: str) -> "GoldenRecord":
        """Read a document. Raises ContractError."""
        return read_document(text, GoldenRecord, _SCHEMA, "golden.json")


_SCHEMA = {GoldenRecord: {"disk_guid": TEXT, "install_options": TEXTS}}  # type: Schema
