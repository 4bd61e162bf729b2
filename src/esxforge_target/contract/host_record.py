"""The host record: what the hook knows of this host besides what MAAS asks for. No secret is in it."""

from typing import Optional, Sequence, Tuple

from esxforge_target.contract import added_module
from esxforge_target.contract.added_module import AddedModule
from esxforge_target.contract.document import read_document, write_document
from esxforge_target.contract.image_settings import REQUIRE_ALL, REQUIRE_MANAGEMENT, REQUIRE_NONE
from esxforge_target.formats import manifest
from esxforge_target.runtime.documents import ONE_LINE, SIZE, TEXT, TEXTS, TRUTH, Schema, Shape
from esxforge_target.runtime.values import Value

INSTALLER = "installer"
GOLDEN = manifest.GOLDEN


class SecretsExtent(Value):
    """Where the secrets lie on the boot disk, in bytes."""

    __slots__ = ("offset", "length")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length


class VcenterOptions(Value):
    """The recipe's vCenter: ``ca`` is PEM text; each may be empty."""

    __slots__ = ("server", "datacenter", "ca", "thumbprint")

    def __init__(self, server: str = "", datacenter: str = "", ca: str = "", thumbprint: str = "") -> None:
        self.server = server
        self.datacenter = datacenter
        self.ca = ca
        self.thumbprint = thumbprint


class HostRecord(Value):
    """``kind`` of the image: INSTALLER or GOLDEN. ``boot_order`` is the firmware's BootOrder before the installation,
    as four hexadecimal digits each. ``install_options`` are those of the user's ``install`` line, for the one that
    %pre writes. ``encrypted_password`` is root's, drawn by the hook and encrypted to the recipe's public key, or "".
    ``secrets`` is None once no boot medium holds them. ``require_working``: whose network must work for the deployment
    to succeed, REQUIRE_NONE, REQUIRE_MANAGEMENT or REQUIRE_ALL. ``secure_boot``: it was on when the hook ran.
    ``modules`` are of VIBs that the image adds to ESXi.
    """

    __slots__ = (
        "kind", "boot_order", "keep_boot_order", "install_options", "ssh_keys", "vcenter", "encrypted_password",
        "secrets", "require_working", "secure_boot", "modules",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  in Python 3.5 a list of keyword-only names may not end in a comma
        self,
        kind: str,
        boot_order: "Sequence[str]" = (),
        keep_boot_order: bool = False,
        install_options: "Sequence[str]" = (),
        ssh_keys: "Sequence[str]" = (),
        vcenter: "Optional[VcenterOptions]" = None,
        encrypted_password: str = "",
        secrets: "Optional[SecretsExtent]" = None,
        require_working: str = REQUIRE_MANAGEMENT,
        secure_boot: bool = False,
        modules: "Sequence[AddedModule]" = (),
    ) -> None:
        self.kind = kind
        self.boot_order = tuple(boot_order)  # type: Tuple[str, ...]
        self.keep_boot_order = keep_boot_order
        self.install_options = tuple(install_options)  # type: Tuple[str, ...]
        self.ssh_keys = tuple(ssh_keys)  # type: Tuple[str, ...]
        self.vcenter = vcenter
        self.encrypted_password = encrypted_password
        self.secrets = secrets
        self.require_working = require_working
        self.secure_boot = secure_boot
        self.modules = tuple(modules)  # type: Tuple[AddedModule, ...]

    @property
    def is_golden(self) -> bool:
        """Return whether this host was cloned from a captured disk."""
        return self.kind == GOLDEN

    def to_json(self) -> str:
        """The document."""
        return write_document(self)

    @staticmethod
    def from_json(text: str) -> "HostRecord":
        """Raises ContractError."""
        return read_document(text, HostRecord, _SCHEMA, "host.json")


_SCHEMA = {
    SecretsExtent: {"offset": SIZE, "length": SIZE},
    AddedModule: added_module.SHAPES,
    VcenterOptions: {"server": TEXT, "datacenter": TEXT, "ca": Shape(str, high=1 << 20), "thumbprint": TEXT},
    HostRecord: {
        "kind": Shape(str, choices=(INSTALLER, GOLDEN)),
        "boot_order": TEXTS,
        "keep_boot_order": TRUTH,
        "install_options": Shape(str, many=True, form=ONE_LINE, most=1024),
        "ssh_keys": Shape(str, many=True, form=ONE_LINE, most=1024),
        "vcenter": Shape(VcenterOptions, optional=True),
        "encrypted_password": TEXT,
        "secrets": Shape(SecretsExtent, optional=True),
        "require_working": Shape(str, choices=(REQUIRE_NONE, REQUIRE_MANAGEMENT, REQUIRE_ALL)),
        "secure_boot": TRUTH,
        "modules": Shape(AddedModule, many=True, most=added_module.MOST),
    },
}  # type: Schema
