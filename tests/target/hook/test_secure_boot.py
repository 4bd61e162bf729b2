"""A machine with Secure Boot on: refused, or tried once each check has passed; each check by itself."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esxforge.media.loader import signed_loader
from esxforge.selftest.file_host import IMAGE_SECURITY
from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.secure_boot import Loader
from esxforge_target.curtin_config.parse import desired_host_from_config
from esxforge_target.formats import tar_module
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.formats.efi_signatures import CERTIFICATE_HASHES, HASHES, KEYS, X509, Signature
from esxforge_target.formats.manifest import Manifest
from esxforge_target.formats.x509 import parse_certificate
from esxforge_target.hook import secure_boot
from esxforge_target.hook.machine import LinuxHost
from esxforge_target.runtime.blocks import FileBlocks
from esxforge_target.runtime.errors import ForgeError
from standin.maas_metadata import Fault
from standin.maas_metadata.service import FakeMetadataService
from standin.signing import SigningKey, make_key, signed_program
from target.hook.bench import Bench, FileHost
from target.hook.conftest import Deployed
from target.plan.configs import bond, nic, sample, static
from unit.formats.signed.test_efi_signatures import signature_list

SHA256 = next(kind for kind, name in HASHES.items() if name == "sha256")
TRY = {"accept_eula": True, "secure_boot": "try"}
DAY = 86400.0
CFG = b"bootstate=0\nkernel=/b.b00\nmodules=/a.v00 --- /s.v00 --- /esxforge.tgz\n"


@dataclass(frozen=True)
class Signed:
    """A program that the authority's leaf signed."""

    authority: SigningKey
    leaf: SigningKey
    other: SigningKey
    program: bytes
    loader: Loader


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    directory = tmp_path_factory.mktemp("keys")
    authority = make_key(directory, "authority")
    leaf, other = make_key(directory, "leaf", authority), make_key(directory, "other")
    program = signed_program(directory, leaf)
    found = signed_loader("EFI/BOOT/BOOTX64.EFI", program)
    assert not found.problem
    return Signed(
        authority, leaf, other, program, Loader(found.path, found.hashes, found.signatures, ("/a.v00", "/s.v00"))
    )


def x509(*keys: SigningKey) -> list[Signature]:
    return [Signature(X509, key.der) for key in keys]


# -- the whole hook ---------------------------------------------------------------------------------------------


@pytest.fixture
def tried(deployed: Deployed, signed: Signed) -> tuple[Bench, dict[str, Any]]:
    """A machine that passes every check."""
    bench, config = deployed(loader=signed.program, install=TRY)
    ready(bench, signed)
    return bench, config


def ready(bench: Bench, signed: Signed) -> None:
    """Secure Boot is on, and all is as it should be."""
    bench.variable("SecureBoot", b"\1")
    bench.variable("db", signature_list(X509, signed.authority.der), IMAGE_SECURITY)
    bench.hardware_clock(1_790_000_000)
    bench.maas_time = 1_790_000_100.0


def test_a_machine_that_passes_every_check_is_prepared_and_keeps_no_more_than_its_token(
    tried: tuple[Bench, dict[str, Any]],
) -> None:
    bench, config = tried
    assert bench.run(config) == 0, bench.output
    assert "Secure Boot is on, and this image tries it. Nobody has seen ESXi start so" in bench.said
    with FileBlocks(str(bench.root / "dev/sda")) as disk:
        volume = FileHost(bench).open_volume("", disk)
        files = tar_module.read(volume.read("ESXFORGE.TGZ"))
        found = {entry.name: entry.data for entry in files}
    assert HostRecord.from_json(found["esxforge/host.json"].decode()).secure_boot
    assert b"\nnetwork --device=" in found["esxforge/ks.cfg"]


def test_the_same_image_is_deployed_without_these_checks_where_secure_boot_is_off(
    deployed: Deployed, signed: Signed
) -> None:
    bench, config = deployed(loader=signed.program, install=TRY)
    assert bench.run(config) == 0, bench.output
    assert "Secure Boot" not in bench.output


def test_an_image_that_does_not_ask_for_it_refuses_whatever_the_firmware_knows(
    deployed: Deployed, signed: Signed
) -> None:
    bench, config = deployed(loader=signed.program)
    ready(bench, signed)
    assert bench.run(config) == 1
    assert "Secure Boot is on; disable Secure Boot" in bench.said
    assert bench.writes == []


Change = Callable[[Bench, dict[str, Any], Signed], None]


def no_db(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    (bench.root / f"sys/firmware/efi/efivars/db-{IMAGE_SECURITY}").unlink()


def db_of_another_vendor(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    no_db(bench, config, signed)
    bench.variable("db", signature_list(X509, signed.authority.der))


def unreadable_db(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    no_db(bench, config, signed)
    (bench.root / f"sys/firmware/efi/efivars/db-{IMAGE_SECURITY}").mkdir()


def damaged_db(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.variable("db", signature_list(X509, signed.authority.der)[:-1], IMAGE_SECURITY)


def another_db(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.variable("db", signature_list(X509, signed.other.der), IMAGE_SECURITY)


def revoked(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.variable("dbx", signature_list(SHA256, signed.loader.hashes["sha256"]), IMAGE_SECURITY)


def damaged_dbx(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.variable("dbx", b"\0", IMAGE_SECURITY)


def no_clock(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    shutil.rmtree(bench.root / "sys/class/rtc")


def silent_maas(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.maas_time = None


def wrong_clock(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.hardware_clock(1_790_000_000 - 2 * DAY)


def ipv6_only(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    config["reporting"]["maas"]["endpoint"] = "http://[2001:db8::2]:5248/MAAS/metadata/status/abc123"
    for entry in config["network"]["config"]:
        if entry.get("subnets"):
            entry["subnets"] = [{"type": "static", "address": "2001:db8::5/64"}]


def by_name(config: dict[str, Any]) -> None:
    """MAAS is configured by a name; the bench resolves it to 10.0.0.2."""
    config["reporting"]["maas"]["endpoint"] = "http://maas.example:5248/MAAS/metadata/status/abc123"


def network_of(config: dict[str, Any], *entries: dict[str, Any]) -> None:
    servers = [one for one in config["network"]["config"] if one["type"] == "nameserver"]
    config["network"]["config"] = [*entries, *servers]


def maas_behind_a_channel(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    """The default gateway is on a NIC, but MAAS's network, once its name is resolved, on the bond."""
    by_name(config)
    uplink, channel = static("192.0.2.5/24", gateway="192.0.2.1"), static("10.0.0.5/24")
    network_of(config, nic(1, uplink), nic(2), nic(3), bond("bond0", ["eno2", "eno3"], channel, mode="802.3ad"))


def maas_unresolved(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    by_name(config)
    bench.resolved = []


def unknown_state(bench: Bench, config: dict[str, Any], signed: Signed) -> None:
    bench.variable("SecureBoot", b"")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (maas_behind_a_channel, "a bond of mode 802.3ad"),
        (maas_unresolved, "maas.example cannot be resolved here"),
        (unknown_state, "firmware: it does not say whether Secure Boot is on"),
        (no_db, "the firmware has no variable db"),
        (db_of_another_vendor, "the firmware has no variable db"),
        (unreadable_db, "the firmware's variable db cannot be read: Is a directory."),
        (damaged_db, "the firmware's variable db is not as UEFI has it"),
        (another_db, "the firmware does not know who signed VMware's boot loader (authority)"),
        (revoked, "the firmware refuses VMware's boot loader"),
        (damaged_dbx, "the firmware's variable dbx is not as UEFI has it"),
        (no_clock, "the hardware clock cannot be read"),
        (silent_maas, "MAAS does not tell the time"),
        (wrong_clock, "the hardware clock says 2026-09-19 14:13 UTC, MAAS 2026-09-21 14:15 UTC"),
        (ipv6_only, "it sets up IPv4 only, but the way to MAAS is IPv6"),
    ],
)
def test_what_fails_or_cannot_be_checked_is_refused_before_the_first_write(
    change: Change, sentence: str, tried: tuple[Bench, dict[str, Any]], signed: Signed
) -> None:
    bench, config = tried
    change(bench, config, signed)
    assert bench.run(config) == 1
    assert sentence in bench.said, bench.said
    assert "disable Secure Boot" in bench.said or "Disable Secure Boot" in bench.said
    assert bench.writes == []


def test_a_channel_that_does_not_lead_to_maas_is_no_reason(tried: tuple[Bench, dict[str, Any]]) -> None:
    bench, config = tried
    by_name(config)
    channel = bond("bond0", ["eno2", "eno3"], static("192.0.2.5/24", gateway="192.0.2.1"), mode="802.3ad")
    network_of(config, nic(1, static("10.0.0.5/24")), nic(2), nic(3), channel)
    assert bench.run(config) == 0, bench.output


def test_an_image_that_does_not_try_it_only_warns_where_the_firmware_says_nothing(deployed: Deployed) -> None:
    bench, config = deployed()
    bench.variable("SecureBoot", b"")
    assert bench.run(config) == 0, bench.output
    assert "the firmware does not say whether Secure Boot is on; if it is, nobody has seen ESXi start" in bench.said


def test_all_reasons_are_told_at_once(tried: tuple[Bench, dict[str, Any]], signed: Signed) -> None:
    bench, config = tried
    for change in (another_db, wrong_clock, ipv6_only):
        change(bench, config, signed)
    assert bench.run(config) == 1
    for sentence in ("does not know who signed", "the hardware clock says", "sets up IPv4 only"):
        assert sentence in bench.said


def test_an_image_that_does_not_know_its_loaders_signer_is_refused() -> None:
    manifest = Manifest("installer", "8.0.3", 512, 1, "", 0, 1, [], {"secure_boot": {"problem": "it is not signed."}})
    with pytest.raises(ForgeError, match="the image cannot say who signed its boot loader: it is not signed"):
        secure_boot.loader_of(manifest)
    with pytest.raises(ForgeError, match="the image does not say who signed its boot loader"):
        secure_boot.loader_of(manifest.replace(details={}))


# -- each check -------------------------------------------------------------------------------------------------


def test_the_issuer_is_looked_for_by_name_and_key(signed: Signed, tmp_path: Path) -> None:
    namesake = make_key(tmp_path, "authority")
    assert secure_boot.trust_reason(signed.loader, x509(signed.other, signed.authority)) == ""
    assert secure_boot.trust_reason(signed.loader, x509(signed.leaf)) == ""  # the signer itself
    for db in (x509(signed.other), x509(namesake), [], [Signature(SHA256, signed.authority.der)]):
        assert "does not know who signed VMware's boot loader (authority)" in secure_boot.trust_reason(
            signed.loader, db
        )


def test_one_of_several_signatures_is_enough(signed: Signed, tmp_path: Path) -> None:
    found = signed_loader("x", signed_program(tmp_path, signed.other, signed.leaf))
    loader = signed.loader.replace(signatures=found.signatures)
    assert secure_boot.trust_reason(loader, x509(signed.authority)) == ""
    assert "(other and authority)" in secure_boot.trust_reason(loader, [])


def test_a_certificate_in_db_that_cannot_be_read_trusts_nobody(signed: Signed) -> None:
    db = [Signature(X509, signed.authority.der[:-1]), Signature(X509, b"")]
    assert secure_boot.trust_reason(signed.loader, db)
    assert secure_boot.trust_reason(signed.loader, db + x509(signed.authority)) == ""


def test_a_loader_whose_hash_is_in_db_is_trusted(signed: Signed) -> None:
    for kind, name in HASHES.items():
        assert secure_boot.trust_reason(signed.loader, [Signature(kind, signed.loader.hashes[name])]) == ""
        assert secure_boot.trust_reason(signed.loader, [Signature(kind, bytes(len(signed.loader.hashes[name])))])


def test_zeros_behind_a_certificate_do_not_count(signed: Signed) -> None:
    padded = [Signature(X509, signed.authority.der + bytes(7))]
    assert secure_boot.trust_reason(signed.loader, padded) == ""
    assert "the firmware refuses" in secure_boot.revocation_reason(signed.loader, x509(signed.authority), padded)


@pytest.mark.parametrize("data", [b"?", b"", b"\x30\x00", b"\x30\x82\x01"])
def test_a_certificate_in_dbx_that_cannot_be_read_is_a_reason(data: bytes, signed: Signed) -> None:
    reason = secure_boot.revocation_reason(signed.loader, x509(signed.authority), [Signature(X509, data)])
    assert "dbx has a certificate that cannot be read" in reason


def hash_entry(kind: uuid.UUID, name: str, data: bytes) -> Signature:
    return Signature(kind, hashlib.new(name, data).digest() + bytes(16))


def test_dbx_refuses_by_hash_and_by_certificate(signed: Signed) -> None:
    db = x509(signed.authority)
    signer, issuer = parse_certificate(signed.leaf.der), parse_certificate(signed.authority.der)
    refused = [Signature(kind, signed.loader.hashes[name]) for kind, name in HASHES.items()]
    refused += x509(signed.leaf, signed.authority)
    for kind, name in CERTIFICATE_HASHES.items():
        refused += [hash_entry(kind, name, one.signed) for one in (signer, issuer)]
    for entry in refused:
        reason = secure_boot.revocation_reason(signed.loader, db, [Signature(SHA256, bytes(32)), entry])
        assert "the firmware refuses VMware's boot loader" in reason, entry.kind


def test_dbx_may_hold_what_concerns_others(signed: Signed) -> None:
    other = parse_certificate(signed.other.der)
    dbx = [Signature(kind, bytes(32)) for kind in [*HASHES, *KEYS]] + x509(signed.other)
    dbx += [hash_entry(kind, name, other.signed) for kind, name in CERTIFICATE_HASHES.items()]
    assert secure_boot.revocation_reason(signed.loader, x509(signed.authority), dbx) == ""


def test_a_kind_of_dbx_entry_that_is_not_known_cannot_be_checked(signed: Signed) -> None:
    dbx = [Signature(uuid.UUID(int=5), bytes(32))]
    assert "which cannot be checked" in secure_boot.revocation_reason(signed.loader, x509(signed.authority), dbx)


@pytest.mark.parametrize("apart", [0.0, DAY - 1, 1 - DAY])
def test_clocks_within_a_day_agree(apart: float) -> None:
    assert secure_boot.clock_reason(1e9, 1e9 + apart) == ""


@pytest.mark.parametrize(("hardware", "maas"), [(1e9, 1e9 + DAY + 1), (1e9, 1e9 - DAY - 1), (None, 1e9), (1e9, None)])
def test_clocks_that_differ_or_are_not_known_are_a_reason(hardware: float | None, maas: float | None) -> None:
    assert secure_boot.clock_reason(hardware, maas)


@pytest.mark.parametrize("name", ["s", "s.v00", "SB.V00", "/esxcore", "esxupdt.tgz"])
def test_a_name_that_the_loader_reserves_is_a_reason(name: str) -> None:
    cfg = BootCfg.parse(f"kernel=/b.b00\nmodules=/a.v00 --- {name}\n".encode())
    assert "takes a module called" in secure_boot.name_reason(cfg, name)


def test_a_doubled_name_is_a_reason() -> None:
    cfg = BootCfg.parse(CFG)
    assert secure_boot.name_reason(cfg, "ESXFORGE.TGZ") == ""
    assert "has 2 modules called" in secure_boot.name_reason(cfg.with_value("modules", "x/a.tgz --- a.tgz"), "a.tgz")
    assert "has 0 modules called" in secure_boot.name_reason(cfg, "b.tgz")


def test_what_the_loader_refuses_of_vmwares_own_boot_cfg_is_a_reason(signed: Signed) -> None:
    tables = BootCfg.parse(CFG + b"acpitables=/dsdt.aml\n")
    assert "acpitables=" in " ".join(secure_boot.module_reasons(tables, signed.loader, "ESXFORGE.TGZ", b""))
    doubled = BootCfg.parse(CFG.replace(b"/s.v00", b"/x/A.V00"))
    loader = signed.loader.replace(modules=("/a.v00", "/x/A.V00"))
    (reason,) = secure_boot.module_reasons(doubled, loader, "ESXFORGE.TGZ", b"")
    assert "more than one module called a.v00" in reason


def test_an_elf_file_is_a_reason_packed_or_not() -> None:
    elf = b"\x7fELF" + bytes(100)
    for data in (elf, gzip.compress(elf)):
        assert "is an ELF file" in secure_boot.content_reason("a.tgz", data)
    assert "cannot be unpacked" in secure_boot.content_reason("a.tgz", b"\x1f\x8b" + bytes(8))
    for data in (gzip.compress(b"tar" + elf), b"", b"\x7fEL"):
        assert secure_boot.content_reason("a.tgz", data) == ""


@pytest.mark.parametrize(
    "modules",
    [
        "/s.v00 --- /a.v00 --- /esxforge.tgz",
        "/a.v00 --- /esxforge.tgz --- /s.v00",
        "/a.v00 --- /esxforge.tgz",
        "/A.V00 --- /s.v00 --- /esxforge.tgz",
        "/a.v00 --- /s.v00 --- /files.tgz --- /esxforge.tgz",
        "/a.v00 --- /s.v00",
    ],
)
def test_another_order_or_case_of_vmwares_modules_is_a_reason(modules: str, signed: Signed) -> None:
    cfg = BootCfg.parse(CFG)
    assert secure_boot.order_reason(cfg, signed.loader, "ESXFORGE.TGZ") == ""
    changed = cfg.with_value("modules", modules)
    assert "VMware's order" in secure_boot.order_reason(changed, signed.loader, "ESXFORGE.TGZ")


def test_what_the_loader_would_refuse_is_found_before_the_first_write(
    tried: tuple[Bench, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, config = tried
    other = secure_boot.loader_of

    def reordered(manifest: Manifest) -> Loader:
        loader = other(manifest)
        return loader.replace(modules=loader.modules[::-1])

    monkeypatch.setattr(secure_boot, "loader_of", reordered)
    assert bench.run(config) == 1
    assert "boot.cfg does not have VMware's modules in VMware's order with ESXFORGE.TGZ last" in bench.said
    assert bench.said.count("VMware's order") == 1  # both boot.cfg are alike
    assert bench.writes == []


def test_all_that_concerns_the_module_is_told_at_once(signed: Signed) -> None:
    cfg = BootCfg.parse(b"kernel=/b.b00\nmodules=/s.v00 --- /a.v00 --- /s.tgz\n")
    reasons = secure_boot.module_reasons(cfg, signed.loader, "S.TGZ", b"\x7fELF")
    assert len(reasons) == 3
    for sentence, reason in zip(("one of its own", "is an ELF file", "VMware's order"), reasons, strict=True):
        assert sentence in reason
    assert secure_boot.module_reasons(BootCfg.parse(CFG), signed.loader, "ESXFORGE.TGZ", gzip.compress(b"x")) == []


def desired(name: str, **bond: str) -> DesiredHost:
    config = sample(name)
    for entry in config["network"]["config"]:
        if entry["type"] == "bond":
            entry["params"].update({key.replace("_", "-"): value for key, value in bond.items()})
    return desired_host_from_config(config, "")


def test_the_networks_that_one_line_can_express_are_tried() -> None:
    for host in (desired("simple-static"), desired("dhcp-only"), desired("vmfs7-bond", bond_mode="active-backup")):
        assert secure_boot.network_reason(host) == ""


def test_a_bond_that_needs_its_team_is_a_reason() -> None:
    assert "a bond of mode 802.3ad" in secure_boot.network_reason(desired("vmfs7-bond", bond_mode="802.3ad"))


def test_a_way_to_maas_that_is_not_the_default_gateway_is_a_reason() -> None:
    host = desired("simple-static")
    routed = host.replace(
        maas=host.maas.replace(addresses=("203.0.113.9",)),
        interfaces=tuple(
            one.replace(addresses=tuple(address.replace(gateway="") for address in one.addresses))
            for one in host.interfaces
        ),
    )
    assert "another route" in secure_boot.network_reason(routed)


# -- what the machine says ----------------------------------------------------------------------------------------


def test_the_clock_that_set_the_systems_is_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine")
    machine = FileHost(bench)
    assert machine.hardware_clock() is None
    bench.hardware_clock(1000)
    other = bench.root / "sys/class/rtc/rtc1"
    other.mkdir()
    (other / "since_epoch").write_text("2000\n")
    (other / "hctosys").write_text("0\n")
    assert machine.hardware_clock() == 1000
    (bench.root / "sys/class/rtc/rtc0/hctosys").write_text("0\n")
    (other / "hctosys").write_text("1\n")
    assert machine.hardware_clock() == 2000
    (other / "since_epoch").write_text("-5\n")
    assert machine.hardware_clock() is None


def test_a_missing_dbx_and_an_unreadable_directory_are_two_things(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine")
    machine = FileHost(bench)
    assert machine.signature_database("dbx") is None
    assert secure_boot.database(machine, "dbx") == []
    (bench.root / f"sys/firmware/efi/efivars/dbx-{IMAGE_SECURITY}").write_bytes(b"\0")
    with pytest.raises(ForgeError, match="cut short"):
        machine.signature_database("dbx")
    shutil.rmtree(bench.root / "sys/firmware/efi/efivars")
    with pytest.raises(ForgeError, match="cannot be read"):
        machine.signature_database("dbx")


@pytest.mark.parametrize("fault", [Fault.BAD_GATEWAY, Fault.UNAVAILABLE, Fault.REDIRECT, Fault.GARBAGE])
def test_the_date_of_a_stranger_is_not_maas_time(fault: Fault, tmp_path: Path) -> None:
    with FakeMetadataService() as service:
        service.fault = fault
        assert LinuxHost(str(tmp_path)).maas_clock({"reporting": {"maas": service.reporting}}) is None


def test_maas_time_is_its_date_header(tmp_path: Path) -> None:
    machine = LinuxHost(str(tmp_path))
    with FakeMetadataService(skew=10 * DAY) as service:
        found = machine.maas_clock({"reporting": {"maas": service.reporting}})
        assert service.machine.heard
        assert all(heard.accepted for heard in service.machine.heard[1:]), "signed, once the clock is known"
    assert found is not None
    assert 9 * DAY < found - time.time() < 11 * DAY
    nobody = "http://127.0.0.1:1/MAAS/metadata/status/abc"
    assert machine.maas_clock({"reporting": {"maas": {**service.reporting, "endpoint": nobody}}}) is None
    assert machine.maas_clock({"reporting": {"maas": {"endpoint": "nonsense"}}}) is None
    assert machine.maas_clock({}) is None
