"""A machine as a libvirt domain (https://libvirt.org/formatdomain.html). Pure."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from esxforge.errors import RecipeError
from esxforge.vm.hardware import Accelerator, Chipset, Disk, Machine, Ovmf
from esxforge_target.runtime.documents import shown

# XML 1.0, 2.2: what a document can hold, not even as a reference.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DISK_BUS = {Chipset.Q35: ("sata", "sd"), Chipset.PC: ("ide", "hd")}


def domain_xml(machine: Machine) -> str:
    """The domain, ready for ``virsh define``. Its firmware variables are a copy that libvirt makes of the template.

    Raises :class:`RecipeError` for names that XML cannot hold.
    """
    domain = Xml.Element("domain", type="kvm" if machine.accelerator is Accelerator.KVM else "qemu")
    _text(domain, "name", machine.name)
    _text(domain, "memory", str(machine.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(machine.cpus))
    _firmware(domain, machine)
    features = Xml.SubElement(domain, "features")
    Xml.SubElement(features, "acpi")
    Xml.SubElement(features, "apic")
    Xml.SubElement(features, "vmport", state="off")
    mode = "host-passthrough" if machine.accelerator is Accelerator.KVM else "maximum"
    cpu = Xml.SubElement(domain, "cpu", mode=mode, check="none")
    Xml.SubElement(cpu, "topology", sockets="1", cores=str(machine.cpus), threads="1")
    Xml.SubElement(domain, "clock", offset="utc")
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "preserve")
    _devices(domain, machine)
    for text in (machine.name, *(str(disk.path) for disk in machine.disks)):
        if _NOT_IN_XML.search(text):
            raise RecipeError(
                [f"{shown(text)} cannot be written in XML: it has control characters, or is not UTF-8."],
                "Give the image a plain name, or another one for the domain with --name.",
            )
    Xml.indent(domain)
    return Xml.tostring(domain, encoding="unicode") + "\n"


def _firmware(domain: Xml.Element, machine: Machine) -> None:
    system = Xml.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=machine.chipset.value)
    if isinstance(machine.firmware, Ovmf):
        firmware = machine.firmware
        # Raw is what libvirt assumes, and all that it knows before 9.2; Fedora's firmware is qcow2.
        code = {} if firmware.code_format == "raw" else {"format": firmware.code_format}
        variables = {"template": str(firmware.variables)}
        if firmware.variables_format != "raw":
            variables |= {"templateFormat": firmware.variables_format, "format": firmware.variables_format}
        _text(system, "loader", str(firmware.code), readonly="yes", type="pflash", **code)
        Xml.SubElement(system, "nvram", variables)


def _devices(domain: Xml.Element, machine: Machine) -> None:
    devices = Xml.SubElement(domain, "devices")
    for number, disk in enumerate(machine.disks):
        _disk(devices, machine.chipset, number, disk)
    for nic in machine.nics:
        # No MAC address: libvirt draws one for each domain, and two on one network must not be the same.
        interface = Xml.SubElement(devices, "interface", type="network")
        Xml.SubElement(interface, "source", network="default")
        Xml.SubElement(interface, "model", type=nic.card.value)
    serial = Xml.SubElement(devices, "serial", type="pty")
    Xml.SubElement(serial, "target", port="0")
    Xml.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    video = Xml.SubElement(devices, "video")
    Xml.SubElement(video, "model", type="vga")
    # libvirt adds a virtio balloon, for which ESXi has no driver, unless it is told not to.
    Xml.SubElement(devices, "memballoon", model="none")


def _disk(devices: Xml.Element, chipset: Chipset, number: int, disk: Disk) -> None:
    bus, prefix = _DISK_BUS[chipset]
    element = Xml.SubElement(devices, "disk", type="file", device="disk")
    Xml.SubElement(element, "driver", name="qemu", type=disk.format, discard="unmap")
    Xml.SubElement(element, "source", file=str(disk.path))
    Xml.SubElement(element, "target", dev=f"{prefix}{'abcdefgh'[number]}", bus=bus)
    if disk.boot_index is not None:
        Xml.SubElement(element, "boot", order=str(disk.boot_index + 1))


def _text(parent: Xml.Element, name: str, text: str, **attributes: str) -> None:
    Xml.SubElement(parent, name, attributes).text = text
