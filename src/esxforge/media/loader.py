"""The boot loader on the ISO as firmware with Secure Boot looks at it: who signed it, and its hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from esxforge.errors import FormatError
from esxforge.formats.authenticode import authenticode_hash, signatures
from esxforge_target.contract.secure_boot import LOADER_HASHES
from esxforge_target.formats.x509 import Certificate, name_text

LARGEST_LOADER = 64 << 20
"""More than any EFI program of VMware's has, in bytes."""


@dataclass(frozen=True, slots=True)
class SignedLoader:
    """``hashes`` are Authenticode hashes by hashlib's names. ``signatures``: of each signature its certificates, the
    signer's first. ``problem`` says why neither is known, as a sentence, or is empty.
    """

    path: str
    hashes: Mapping[str, bytes] = field(default_factory=dict)
    signatures: tuple[tuple[Certificate, ...], ...] = ()
    problem: str = ""


def signed_loader(path: str, program: bytes | None) -> SignedLoader:
    """Look at the loader; ``program`` is None where it is larger than any. Never raises."""
    if program is None:
        return SignedLoader(path, problem=f"{path} has more than {LARGEST_LOADER} bytes.")
    try:
        found = signatures(program)
        hashes = {name: authenticode_hash(program, name) for name in LOADER_HASHES}
        for one in found:
            name_text(one.certificates[0].issuer)  # which the manifest will have
    except FormatError as error:
        return SignedLoader(path, problem=f"{path}: {error.message}")
    if not found:
        return SignedLoader(path, problem=f"{path} is not signed.")
    return SignedLoader(path, hashes, tuple(one.certificates for one in found))
