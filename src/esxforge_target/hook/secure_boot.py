"""Conditions for trying a machine with Secure Boot on: one function for each check, each with its reason.

Firmware starts a signed program if the certificate that issued its signer's, or the signer's own, is in ``db``, and if
neither the program's hash nor a certificate of its signatures is in ``dbx`` (UEFI specification 2.10, 32.4 and 32.6;
the time of validity does not count: Microsoft's CA of 2011 expired in June 2026, and what it signed still starts). Of
modules VMware's loader checks the first, those that are ELF, and four names (vmware/esx-boot, mboot/secure.c). ESXi
itself takes its own VIBs for unsigned where the clock is wrong (Broadcom KB 382784).

A condition that cannot be checked is a reason, too.
"""

import hashlib
import time
import zlib
from typing import Any, Callable, Dict, List, Optional, Sequence

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.secure_boot import Loader, loader_stops
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.efi_signatures import (
    CERTIFICATE_HASHES,
    HASHES,
    KEYS,
    X509,
    Signature,
    parse_signature_lists,
)
from esxforge_target.formats.manifest import SECURE_BOOT, Manifest
from esxforge_target.formats.x509 import Certificate, parse_certificate
from esxforge_target.hook.kickstart import network_line_problem
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.errors import ForgeError, FormatError

_MARK = "Secure Boot: "
_TAKE_OFF = "Disable Secure Boot."
_DISABLE = "or disable Secure Boot."
_MOST_CLOCK_SECONDS = 86400
_RESERVED = ("s", "sb", "esxcore", "esxupdt")
_ELF = b"\x7fELF"
_GZIP = b"\x1f\x8b"


def machine_reasons(
    machine: LinuxHost, manifest: Manifest, config: "Dict[str, Any]", desired: "Optional[DesiredHost]"
) -> "List[str]":
    """Why this machine must not be tried, as sentences. ``desired`` has MAAS's addresses, as far as its name can be
    resolved; it is None where it cannot be read, which is said.
    """
    reasons = []  # type: List[str]
    try:
        loader = loader_of(manifest)
        db, dbx = database(machine, "db"), database(machine, "dbx")
        reasons += [trust_reason(loader, db), revocation_reason(loader, db, dbx)]
    except ForgeError as error:
        reasons.append("{}{} {}".format(_MARK, error.message, error.hint or _TAKE_OFF))
    reasons.append(clock_reason(machine.hardware_clock(), machine.maas_clock(config)))
    if desired is not None:
        reasons.append(network_reason(desired))
    return [reason for reason in reasons if reason]


def loader_of(manifest: Manifest) -> Loader:
    """Return the manifest's facts on the loader. Raises FormatError if there are none, or with why they are unknown."""
    document = manifest.details.get(SECURE_BOOT) or {}
    if document.get("problem"):
        raise FormatError("the image cannot say who signed its boot loader: {}".format(document["problem"]), _TAKE_OFF)
    if not document:
        raise FormatError(
            "the image does not say who signed its boot loader.", "Build it again, or disable Secure Boot."
        )
    return Loader.from_document(document)


def database(machine: LinuxHost, name: str) -> "List[Signature]":
    """Return the entries of ``db`` or ``dbx``. Raises ForgeError if it cannot be read, and for a missing ``db``;
    firmware without a ``dbx`` has revoked nothing.
    """
    data = machine.signature_database(name)
    if data is None and name == "db":
        raise FormatError("the firmware has no variable db, so nothing says what it starts.", _TAKE_OFF)
    try:
        return parse_signature_lists(data or b"")
    except FormatError as error:
        raise FormatError("the firmware's variable {} is not as UEFI has it: {}".format(name, error.message), _TAKE_OFF)


def trust_reason(loader: Loader, db: "Sequence[Signature]") -> str:
    """A reason unless the firmware trusts who signed the loader, or the loader itself by its hash."""
    if any(entry.kind in HASHES and entry.data == loader.hashes[HASHES[entry.kind]] for entry in db):
        return ""
    known = _certificates(db)
    if any(_issuer_in(known, signature[0]) is not None for signature in loader.signatures):
        return ""
    return (
        _MARK
        + "the firmware does not know who signed VMware's boot loader ({}): add that certificate to db in the "
        "machine's setup, take an ISO whose loader another one signed, ".format(" and ".join(loader.issuers))
        + _DISABLE
    )


def revocation_reason(loader: Loader, db: "Sequence[Signature]", dbx: "Sequence[Signature]") -> str:
    """Return a reason if the firmware refuses the loader: by its hash, or by a certificate of any of its signatures."""
    known = _certificates(db)
    chain = [certificate for signature in loader.signatures for certificate in signature]
    chain += [one for one in (_issuer_in(known, signature[0]) for signature in loader.signatures) if one is not None]
    for entry in dbx:
        if entry.kind in HASHES:
            found = loader.hashes[HASHES[entry.kind]] == entry.data
        elif entry.kind in CERTIFICATE_HASHES:
            hash_of = _hasher(CERTIFICATE_HASHES[entry.kind])
            found = any(entry.data.startswith(hash_of(certificate.signed)) for certificate in chain)
        elif entry.kind == X509:
            try:
                refused = parse_certificate(entry.data, padded=True)
            except FormatError:
                return (
                    _MARK
                    + "dbx has a certificate that cannot be read, so what it revokes is not known: "
                    + ("disable Secure Boot.")
                )
            found = any(refused.whole == one.whole or refused.issued(one) for one in chain)
        elif entry.kind in KEYS:
            found = False
        else:
            return _MARK + "dbx has an entry of type {}, which cannot be checked: disable Secure Boot.".format(
                entry.kind
            )
        if found:
            return (
                _MARK + "the firmware refuses VMware's boot loader: it, or who signed it, is in dbx. Take a newer ISO, "
                "for which VMware signed another one, " + _DISABLE
            )
    return ""


def clock_reason(hardware: "Optional[float]", maas: "Optional[float]") -> str:
    """Return a reason unless the hardware clock agrees with MAAS's within a day; both are seconds since 1970."""
    if hardware is None:
        return (
            _MARK
            + "the hardware clock cannot be read, so ESXi may take its own files for unsigned: "
            + ("disable Secure Boot.")
        )
    if maas is None:
        return (
            _MARK + "MAAS does not tell the time, so this machine's clock cannot be checked. See whether MAAS answers "
            "at its metadata address, " + _DISABLE
        )
    if abs(hardware - maas) > _MOST_CLOCK_SECONDS:
        return (
            _MARK
            + "the hardware clock says {}, MAAS {}: ESXi would take its own files for unsigned. Set the clock in "
            "the machine's setup, ".format(_moment(hardware), _moment(maas))
            + _DISABLE
        )
    return ""


def network_reason(desired: DesiredHost) -> str:
    """A reason if the kickstart alone cannot make the host reachable: the agent may never start.

    Which interface its network line sets up depends on MAAS's addresses, so these must be known.
    """
    if not desired.maas.addresses:
        return (
            _MARK
            + "{} cannot be resolved here, so which interface leads to MAAS is not known, and whether the host would "
            "be reachable if the agent does not start. Correct MAAS's DNS, ".format(desired.maas.host)
            + _DISABLE
        )
    problem = network_line_problem(desired)
    if not problem:
        return ""
    return (
        _MARK
        + "if the agent does not start, this host must be reachable all the same, by the kickstart's network line "
        "alone, and {}. Change its network in MAAS, ".format(problem)
        + _DISABLE
    )


def module_reasons(cfg: BootCfg, loader: Loader, module: str, data: bytes) -> "List[str]":
    """Return why VMware's loader would refuse our ``module``, which will hold ``data``, or what ``cfg`` loads."""
    reasons = [name_reason(cfg, module), content_reason(module, data), order_reason(cfg, loader, module)]
    reasons += [_MARK + problem for problem in loader_stops(cfg.without_module(module))]
    return [reason for reason in reasons if reason]


def name_reason(cfg: BootCfg, module: str) -> str:
    """Return a reason if the loader reserves our module's name, or if there are two of it."""
    names = [_base(one.name) for one in cfg.modules]
    if _base(module).partition(".")[0] in _RESERVED:
        return _MARK + "VMware's boot loader takes a module called {} for one of its own.".format(module)
    if names.count(_base(module)) != 1:
        return _MARK + "boot.cfg has {} modules called {}, and VMware's boot loader takes each name once.".format(
            names.count(_base(module)), module
        )
    return ""


def content_reason(module: str, data: bytes) -> str:
    """Return a reason if our module is an ELF file, packed or not: the loader requires those to be signed."""
    start = data[: len(_ELF)]
    if data.startswith(_GZIP):
        try:
            start = zlib.decompressobj(31).decompress(data, len(_ELF))
        except zlib.error:
            return _MARK + "{} cannot be unpacked, so its content cannot be checked.".format(module)
    return _MARK + "{} is an ELF file, and VMware did not sign it.".format(module) if start == _ELF else ""


def order_reason(cfg: BootCfg, loader: Loader, module: str) -> str:
    """Return a reason unless boot.cfg has VMware's modules in VMware's order, and then ours."""
    names = [one.name for one in cfg.modules]
    if names[:-1] == list(loader.modules) and _base(names[-1]) == _base(module):
        return ""
    return (
        _MARK
        + "boot.cfg does not have VMware's modules in VMware's order with {} last, and ESXi may take another "
        "order for tampering (Broadcom KB 398530). Build the image again.".format(module)
    )


def _certificates(entries: "Sequence[Signature]") -> "List[Certificate]":
    """Return those that can be read: one that cannot trusts nothing."""
    found = []
    for entry in entries:
        if entry.kind == X509:
            try:
                found.append(parse_certificate(entry.data, padded=True))
            except FormatError:
                continue
    return found


def _issuer_in(known: "Sequence[Certificate]", signer: Certificate) -> "Optional[Certificate]":
    return next((one for one in known if one.whole == signer.whole or one.issued(signer)), None)


def _hasher(name: str) -> "Callable[[bytes], bytes]":
    return lambda data: hashlib.new(name, data).digest()


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
