"""Domains for libvirt: golden files, accepted by libvirt's own schema."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.vm.deployed import deployed_host
from esxforge.vm.hardware import Accelerator, Disk, Ovmf, SeaBios
from esxforge.vm.libvirt import domain_xml
from unit.vm.golden_files import DIRECTORY, check_golden

DISK = Disk(Path("/images/esxi.raw"), boot_index=0)
FIRMWARE = Ovmf(Path("/firmware/code.fd"), Path("/firmware/variables.fd"))
DOMAINS = {
    "esxi-8-uefi-kvm": deployed_host("8.0", DISK, FIRMWARE, Accelerator.KVM),
    "esxi-6.7-bios-tcg": deployed_host("6.7", DISK, SeaBios(), Accelerator.TCG),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_are_those_of_the_golden_files(name: str) -> None:
    check_golden(f"{name}.xml", domain_xml(DOMAINS[name]))


@pytest.mark.skipif(
    not (shutil.which("virt-xml-validate") and shutil.which("xmllint")),
    reason="virt-xml-validate (libvirt-clients) and xmllint (libxml2-utils) are not installed",
)
@pytest.mark.parametrize("name", DOMAINS)
def test_libvirts_schema_accepts_the_golden_files(name: str) -> None:
    done = subprocess.run(
        ["virt-xml-validate", str(DIRECTORY / f"{name}.xml"), "domain"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@given(
    name=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=20),
    file=st.text(st.characters(codec="utf-8", categories=["L", "P", "S"], exclude_characters="/"), min_size=1),
)
@settings(deadline=None)
def test_names_are_never_taken_for_markup(name: str, file: str) -> None:
    disk = replace(DISK, path=Path("/images") / file)
    domain = Xml.fromstring(domain_xml(replace(DOMAINS["esxi-8-uefi-kvm"], name=name, disks=(disk,))))  # noqa: S314 - ours
    assert domain.findtext("name") == name
    source = domain.find("devices/disk/source")
    assert source is not None
    assert source.get("file") == str(disk.path)


def test_libvirt_gets_the_machine_that_qemu_gets() -> None:
    machine = DOMAINS["esxi-6.7-bios-tcg"]
    domain = Xml.fromstring(domain_xml(machine))  # noqa: S314 - ours
    assert domain.get("type") == "qemu"
    target, model = domain.find("devices/disk/target"), domain.find("devices/interface/model")
    assert target is not None
    assert model is not None
    assert (target.get("bus"), model.get("type")) == ("ide", "e1000")
    assert domain.findtext("memory") == str(machine.memory_mib)
    assert domain.find("os/loader") is None


def test_firmware_that_is_not_raw_is_said_to_be_what_it_is() -> None:
    def system(firmware: Ovmf) -> list[dict[str, str]]:
        domain = Xml.fromstring(domain_xml(deployed_host("8.0", DISK, firmware, Accelerator.KVM)))  # noqa: S314 - ours
        return [element.attrib for element in (*domain.findall("os/loader"), *domain.findall("os/nvram"))]

    loader, nvram = system(replace(FIRMWARE, code_format="qcow2", variables_format="qcow2"))
    assert loader["format"] == "qcow2"
    assert (nvram["templateFormat"], nvram["format"]) == ("qcow2", "qcow2")
    loader, nvram = system(FIRMWARE)
    assert set(loader) == {"readonly", "type"}
    assert set(nvram) == {"template"}


def test_each_domain_gets_a_mac_address_of_its_own_from_libvirt() -> None:
    for machine in DOMAINS.values():
        domain = Xml.fromstring(domain_xml(machine))  # noqa: S314 - ours
        assert domain.find("devices/interface/mac") is None
