"""Guess what an ISO is that is not ESXi's installer, for the error message."""

from __future__ import annotations

from collections.abc import Collection

# (text in the volume's name, file or directory in the tree, what it is); any of the two tells. "" tells nothing.
_KNOWN = (
    ("VCSA", "VCSA/", "VMware's vCenter Server appliance"),
    ("NSX", "NSX/", "VMware NSX"),
    ("VMTOOLS", "VMWARETOOLS", "VMware Tools"),
    ("VMWARE TOOLS", "", "VMware Tools"),
    ("DEBIAN", "", "Debian"),
    ("UBUNTU", "CASPER/", "Ubuntu"),
    ("RHEL", "", "Red Hat Enterprise Linux"),
    ("CENTOS", "", "CentOS"),
    ("ROCKY", "", "Rocky Linux"),
    ("FEDORA", "", "Fedora"),
    ("ALMALINUX", "", "AlmaLinux"),
    ("SLE", "", "SUSE Linux"),
    ("OPENSUSE", "", "openSUSE"),
    ("PVE", ".PVE-CD-ID.TXT", "Proxmox VE"),
    ("XENSERVER", "XENSERVER", "XenServer"),
    ("VIRTIO-WIN", "", "the virtio drivers for Windows"),
    ("CCCOMA", "SOURCES/INSTALL.WIM", "Windows"),
    ("_X64FRE", "SOURCES/BOOT.WIM", "Windows"),
    ("", "CDROM.INF", "Windows"),
    ("", ".DISK/", "Debian, Ubuntu or a relative"),
    ("", "ISOLINUX/VMLINUZ", "a Linux distribution"),
)


def looks_like_installer(names: Collection[str]) -> bool:
    """Return whether the files (upper case paths) are those of an ESXi installer, even a damaged one."""
    return bool({"B.B00", "TBOOT.B00", "WEASELIN.V00", "WEASELIN.T00", "IMGPAYLD.TGZ"} & set(names)) or (
        "BOOT.CFG" in names and "MBOOT.C32" in names
    )


def describe(volume_id: str, names: Collection[str]) -> str:
    """Return half a sentence: what the ISO seems to be, with its volume name."""
    label = f"its volume name is {volume_id!r}" if volume_id else "it has no volume name"
    upper = volume_id.upper()
    for text, name, what in _KNOWN:
        in_tree = name and any(path.startswith(name) if name.endswith("/") else path == name for path in names)
        if (text and upper.startswith(text)) or (len(text) > 3 and text in upper) or in_tree:
            return f"it seems to be {what} ({label})"
    return label
