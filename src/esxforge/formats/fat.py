"""FAT as the target side has it: names, geometry, slots. Writing a new volume is in ``fat_layout``."""

from esxforge_target.formats.fat_directory import Entry
from esxforge_target.formats.fat_geometry import Geometry, parse_geometry
from esxforge_target.formats.fat_names import check_name, folded

__all__ = ["Entry", "Geometry", "check_name", "folded", "parse_geometry"]
