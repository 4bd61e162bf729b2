"""Limits of ESXi, each with its source. docs/requirements.md has the table."""

from typing import Tuple

# Networking. "esxcli network vswitch standard set --mtu" and "network ip interface set --mtu" (ESXCLI reference).
SMALLEST_MTU = 1280
LARGEST_MTU = 9000
# "Physical NICs per host" of the vSphere Configuration Maximums: no driver has more; so many can be in one team.
MOST_UPLINKS = 32
# vSphere 6.0 Configuration Maximums, "Standard port groups per host" of one standard switch.
MOST_PORT_GROUPS = 512
# vSphere Command-Line Interface Concepts and Examples 6.7: "a host can have a maximum of 127 vSwitches".
MOST_VSWITCHES = 127
# ESXCLI reference, "network ip interface add -i": vmk0 to vmk255.
MOST_VMKS = 256

# Storage. KB 2000643 and vSphere Storage 6.7: a VMFS datastore has up to 32 extents.
MOST_EXTENTS = 32
# vSphere Configuration Maximums 6.5 to 8.0, "Volume size" of VMFS5 and VMFS6: 64 TB, an extent too.
LARGEST_DATASTORE = 64 << 40
# vSphere Storage 6.7 and 7.0, table of VMFS5 and VMFS6: 512 datastores per host.
MOST_DATASTORES = 512
# vSphere Storage 6.7, "Increase VMFS Datastore Capacity".
ONE_FORMAT = "all extents of a datastore must have one sector format; use disks of one kind for it."

_FORMAT_4KN = 4096


def format_problem(release: "Tuple[int, ...]", sector_size: int, solid_state: bool) -> str:
    """Return why a release can make no datastore on a disk of such sectors: the rest of a sentence; empty if it can.

    vSphere 6.5 and older know no 4Kn at all; 6.7 to 8.0 local hard disks only ("ESXi does not support 4Kn SSD and NVMe
    devices", vSphere Storage, Device Sector Formats); 9.0 SSDs too (VMware Cloud Foundation blog, 19 June 2025).
    """
    if sector_size != _FORMAT_4KN or not release or release >= (9,):
        return ""
    if release < (6, 7):
        return "has sectors of 4096 bytes (4Kn), which ESXi knows from 6.7 on; use another disk."
    if solid_state:
        return "is an SSD with sectors of 4096 bytes (4Kn), which ESXi knows from 9.0 on; format it with 512."
    return ""
