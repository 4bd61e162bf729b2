"""Answers of MAAS's REST API 2.0 about a machine's storage, typed and checked; ``answers.py`` has the others.

Source: canonical/maas 3.7.3, ``src/maasserver/api`` (blockdevices.py, partitions.py, vmfs_datastores.py, raids.py, …).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from esxforge.maas.checked import CheckedAnswer

Count = Annotated[int, Field(ge=0, le=1 << 63)]


class Reference(CheckedAnswer):
    """A reference by name to something that MAAS describes elsewhere."""

    id: int


class Filesystem(CheckedAnswer):
    """A formatted device or partition. ``mount_point`` is None if it is not mounted."""

    fstype: str
    uuid: str | None
    label: str | None
    mount_point: str | None
    mount_options: str | None


class Partition(CheckedAnswer):
    """A partition; its number is only in ``path``."""

    id: int
    path: str
    size: Count
    uuid: str | None
    bootable: bool
    filesystem: Filesystem | None


class BlockDevice(CheckedAnswer):
    """A disk (``physical``) or a device built of disks (``virtual``). ``block_size`` is the *physical* block size.

    MAAS has it from LXD, which asks the kernel for BLKPBSZGET: a disk of 512-byte sectors with 4096-byte blocks
    underneath (512e) has 4096, as one with sectors of 4096 bytes (4Kn) has.
    """

    id: int
    name: str
    type: Literal["physical", "virtual"]
    model: str | None
    serial: str | None
    id_path: str | None
    path: str
    size: Count
    block_size: Count
    partition_table_type: str | None
    partitions: list[Partition]
    filesystem: Filesystem | None


class Member(CheckedAnswer):
    """A disk or partition that belongs to a datastore, RAID, volume group or bcache."""

    id: int
    type: Literal["physical", "virtual", "partition"]


class Datastore(CheckedAnswer):
    """A VMFS datastore."""

    name: str
    devices: list[Member]


class Raid(CheckedAnswer):
    """A RAID of Linux; ``level`` as MAAS names it, such as raid-1."""

    name: str
    level: str
    devices: list[Member]
    spare_devices: list[Member]
    virtual_device: Reference


class VolumeGroup(CheckedAnswer):
    """A volume group of Linux."""

    name: str
    uuid: str
    devices: list[Member]
    logical_volumes: list[Reference]


class CacheSet(CheckedAnswer):
    """The cache of a bcache."""

    cache_device: Member


class Bcache(CheckedAnswer):
    """A bcache of Linux."""

    name: str
    backing_device: Member
    cache_set: CacheSet
    cache_mode: str
    virtual_device: Reference
