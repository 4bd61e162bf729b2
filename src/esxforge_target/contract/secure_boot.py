"""The manifest's facts about the boot loader, for the hook's checks on a machine with Secure Boot on."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.efi_signatures import HASHES
from esxforge_target.formats.x509 import Certificate, name_text, parse_certificate
from esxforge_target.runtime.errors import FormatError
from esxforge_target.runtime.values import Value

_HINT = "Build the image again, or disable Secure Boot."
# The algorithms by which firmware may know a program, by hashlib's names.
LOADER_HASHES = tuple(sorted(HASHES.values()))


class Loader(Value):
    """``hashes`` are the loader's Authenticode hashes by hashlib's names, ``signatures`` the certificates in each of
    its signatures, the signer's first. ``modules`` are those of VMware's boot.cfg, in VMware's order.
    """

    __slots__ = ("path", "hashes", "signatures", "modules")

    def __init__(
        self,
        path: str,
        hashes: "Mapping[str, bytes]",
        signatures: "Sequence[Sequence[Certificate]]",
        modules: "Sequence[str]",
    ) -> None:
        self.path = path
        self.hashes = dict(hashes)
        self.signatures = tuple(tuple(one) for one in signatures)  # type: Tuple[Tuple[Certificate, ...], ...]
        self.modules = tuple(modules)  # type: Tuple[str, ...]

    @property
    def issuers(self) -> "List[str]":
        """Issuers of the signers' certificates, for people."""
        return [name_text(one[0].issuer) for one in self.signatures]

    def document(self) -> "Dict[str, Any]":
        """Return the loader's entry in the manifest."""
        return {
            "path": self.path,
            "hashes": {name: self.hashes[name].hex() for name in sorted(self.hashes)},
            "signatures": [
                {"issuer": _ascii(issuer), "certificates": [certificate.whole.hex() for certificate in one]}
                for one, issuer in zip(self.signatures, self.issuers)
            ],
            "modules": list(self.modules),
        }

    @staticmethod
    def from_document(document: "Mapping[str, Any]") -> "Loader":
        """Read ``document``'s, of the shape that the manifest checks. Raises FormatError."""
        missing = [name for name in ("path", "hashes", "signatures", "modules") if not document.get(name)]
        if missing or sorted(document["hashes"]) != list(LOADER_HASHES):
            raise FormatError(
                "The manifest does not say all of the boot loader.", "Build the image again, or disable Secure Boot."
            )
        signatures = [
            [parse_certificate(bytes.fromhex(certificate)) for certificate in one["certificates"]]
            for one in document["signatures"]
        ]
        if not all(signatures):
            raise FormatError(
                "The manifest has a signature without a certificate.", "Build the image again, or disable Secure Boot."
            )
        hashes = {name: bytes.fromhex(text) for name, text in document["hashes"].items()}
        return Loader(document["path"], hashes, signatures, document["modules"])


def loader_stops(cfg: BootCfg) -> "List[str]":
    """What VMware's loader refuses in a boot.cfg with Secure Boot on, whoever wrote it; one sentence each.

    Source: vmware/esx-boot, and that loader built and run with Secure Boot on.
    """
    problems = []
    if cfg.get("acpitables"):
        problems.append("boot.cfg has acpitables=, which VMware's boot loader refuses with Secure Boot on.")
    names = [module.name.rpartition("/")[2].lower() for module in cfg.modules]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        problems.append(
            "boot.cfg has more than one module called {}, and VMware's boot loader takes each name once.".format(
                " and ".join(doubled)
            )
        )
    return problems


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")
