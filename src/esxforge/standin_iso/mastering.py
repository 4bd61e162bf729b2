"""Write an ISO with pycdlib, the same bytes whenever and wherever: every time stamp in it is fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
# 2020-01-01 00:00:00 UTC, as directory records (ECMA-119 9.1.5) and volume descriptors (8.4.26.1) write it.
_RECORD_TIME = bytes((120, 1, 1, 0, 0, 0, 0))
_VOLUME_TIME = b"2020010100000000\x00"
_NO_VOLUME_TIME = b"0" * 16 + b"\x00"
_BLOCK = 1 << 20


def write_iso(
    stream: BinaryIO,
    files: Mapping[str, tuple[Any, int]],
    *,
    volume_id: str,
    joliet: bool,
    rock_ridge: bool,
    lower_case: bool,
) -> None:
    """Write an ISO with ``files`` (path: readable binary file and its length) to ``stream``.

    ``ISOLINUX.BIN`` becomes the El Torito entry for BIOS, ``EFIBOOT.IMG`` that for UEFI, where they are present. Names
    in the primary tree are as they stand (interchange level 4), as on VMware's ISO, which has names like
    ``VMWARE-ESX-BASE-OSL.TXT``.
    """
    from pycdlib import PyCdlib  # noqa: PLC0415 - not needed for --help

    iso: Any = PyCdlib()
    iso.new(
        interchange_level=4,
        vol_ident=volume_id[:16],  # what fits into Joliet's UCS-2 field
        sys_ident="",
        app_ident_str="ESXFORGE STAND-IN",
        joliet=3 if joliet else None,
        rock_ridge="1.09" if rock_ridge else None,
    )
    iso.pvd.volume_identifier = volume_id.encode("ascii").ljust(32)
    tree = _Tree(iso, joliet=joliet, rock_ridge=rock_ridge, lower_case=lower_case)
    for path in sorted(files):
        tree.add(path, *files[path])
    if "ISOLINUX.BIN" in files:
        iso.add_eltorito(
            tree.iso_path("ISOLINUX.BIN"),
            **tree.catalog(),
            boot_load_size=4,
            boot_info_table=True,
        )
    if "EFIBOOT.IMG" in files:
        iso.add_eltorito(tree.iso_path("EFIBOOT.IMG"), **tree.catalog(), platform_id=0xEF, efi=True)
    if iso.eltorito_boot_catalog is not None:
        tree.hide_catalog()
    _fix_record_times(iso)
    iso.write_fp(stream, blocksize=_BLOCK)
    iso.close()
    _fix_volume_times(stream)
    stream.seek(0, 2)


class _Tree:
    """Adds files, and their directories first, to every tree of the ISO."""

    def __init__(self, iso: Any, *, joliet: bool, rock_ridge: bool, lower_case: bool) -> None:
        self._iso = iso
        self._joliet = joliet
        self._rock_ridge = rock_ridge
        self._lower_case = lower_case
        self._directories: set[str] = set()

    def add(self, path: str, stream: Any, length: int) -> None:
        directory = path.rpartition("/")[0]
        parts = directory.split("/") if directory else []
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            if name not in self._directories:
                self._directories.add(name)
                self._iso.add_directory(self.iso_path(name), **self._other_names(name))
        self._iso.add_fp(stream, length, self.iso_path(path), **self._other_names(path))

    def iso_path(self, path: str) -> str:
        return "/" + (path.lower() if self._lower_case else path)

    def catalog(self) -> dict[str, str]:
        names = {"bootcatfile": self.iso_path("BOOT.CAT")}
        if self._joliet:
            names["joliet_bootcatfile"] = self.iso_path("BOOT.CAT")
        if self._rock_ridge:
            names["rr_bootcatname"] = self.iso_path("BOOT.CAT").lstrip("/")
        return names

    def hide_catalog(self) -> None:
        """Take the boot catalog out of the trees: VMware's ISO does not list it either."""
        self._iso.rm_hard_link(iso_path=self.iso_path("BOOT.CAT"))
        if self._joliet:
            self._iso.rm_hard_link(joliet_path=self.iso_path("BOOT.CAT"))

    def _other_names(self, path: str) -> dict[str, str]:
        names = {}
        if self._joliet:
            names["joliet_path"] = self.iso_path(path)
        if self._rock_ridge:
            names["rr_name"] = self.iso_path(path).rpartition("/")[2]
        return names


def _fix_record_times(iso: Any) -> None:
    from pycdlib import dates  # noqa: PLC0415

    for descriptor in (iso.pvd, *iso.svds):
        for record in _records(descriptor.root_dir_record):
            record.date = dates.DirectoryRecordDate()
            record.date.parse(_RECORD_TIME)
            if record.rock_ridge is None:
                continue
            for entries in (record.rock_ridge.dr_entries, record.rock_ridge.ce_entries):
                stamps = entries.tf_record if entries is not None else None
                if stamps is not None:
                    for name in ("creation_time", "access_time", "modification_time", "attribute_change_time"):
                        if getattr(stamps, name) is not None:
                            setattr(stamps, name, record.date)


def _records(record: Any) -> Iterator[Any]:
    yield record
    for child in record.children:
        if child.is_dir() and not child.is_dot() and not child.is_dotdot():
            yield from _records(child)
        else:
            yield child


def _fix_volume_times(stream: BinaryIO) -> None:
    """pycdlib puts the present moment into every volume descriptor when it writes; overwrite it there."""
    times = _VOLUME_TIME + _VOLUME_TIME + _NO_VOLUME_TIME + _NO_VOLUME_TIME  # created, changed, expires, effective
    sector = _FIRST_DESCRIPTOR
    while True:
        stream.seek(sector * _SECTOR)
        kind = stream.read(1)[0]
        if kind in (1, 2):
            stream.seek(sector * _SECTOR + 813)
            stream.write(times)
        elif kind == 255:
            return
        sector += 1
