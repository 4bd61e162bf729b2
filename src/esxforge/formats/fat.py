"""FAT as the target side has it: reading and editing volumes. Writing a new one is in ``fat_layout``."""

from esxforge_target.formats.fat_directory import Entry
from esxforge_target.formats.fat_editor import FatEditor
from esxforge_target.formats.fat_geometry import VMWARE_MARKER, Geometry, parse_geometry
from esxforge_target.formats.fat_names import check_name, folded
from esxforge_target.formats.fat_volume import FatVolume

__all__ = [
    "VMWARE_MARKER",
    "Entry",
    "FatEditor",
    "FatVolume",
    "Geometry",
    "check_name",
    "folded",
    "parse_geometry",
]
