"""What looks for secrets must find them: in sectors, across the places where it reads, in files, packed ones too."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from whole_way.evidence import find_in_files, find_in_sectors, identifiers, leaks

SECRET = {"token": b"tokenSecretS7Q1ElgO9MsTQe", "short": b"k3yK3y"}
MIB = 1 << 20


def tar(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with one FAT volume, made by sgdisk and mkfs.fat."""
    path = tmp_path / "disk0.raw"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    subprocess.run(["sgdisk", "-n", "5:2048:+40M", "-t", "5:0700", str(path)], check=True, capture_output=True)
    command = ["mkfs.fat", "-F", "16", "--offset", "2048", str(path), str(40 * 1024)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def put(disk: Path, name: str, data: bytes) -> None:
    """Write a file as mtools does."""
    command = ["mcopy", "-i", f"{disk}@@{MIB}", "-", f"::/{name}"]
    subprocess.run(command, input=data, check=True, env={"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("at", [0, 8 * MIB - 5, 8 * MIB - 24, 8 * MIB, 20 * MIB])
def test_a_string_is_found_wherever_reading_is_cut(tmp_path: Path, at: int) -> None:
    path = tmp_path / "d"
    with path.open("wb") as file:
        file.write(b"x" * (24 * MIB))
        file.seek(at)
        file.write(SECRET["token"])
        file.seek(at + 100)
        file.write(SECRET["short"])
    assert sorted(found.place for found in find_in_sectors(path, SECRET)) == sorted(
        [f"d, byte {at}", f"d, byte {at + 100}"]
    )


def test_holes_are_not_read_and_what_stands_between_them_is(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(SECRET["token"])
    assert [found.place for found in find_in_sectors(path, SECRET)] == [f"d, byte {1 << 39}"]


def test_packed_files_are_looked_into_to_the_bottom(disk: Path) -> None:
    inner = gzip.compress(tar("etc/shadow", b"root:" + SECRET["token"]))
    put(disk, "STATE.TGZ", gzip.compress(tar("local.tgz", inner)))
    put(disk, "HARMLESS.TGZ", gzip.compress(b"nothing"))
    put(disk, "BROKEN.TGZ", gzip.compress(b"nothing at all")[:12])
    assert not find_in_sectors(disk, SECRET), "it is deflated"
    found = leaks([disk], SECRET)
    assert {one.name for one in found} == {"token"}
    assert found[-1].place == "disk0.raw:5/STATE.TGZ!/local.tgz!/etc/shadow"


def test_a_plain_file_is_found_twice_and_a_removed_one_in_its_sectors(disk: Path) -> None:
    put(disk, "SECRETS.JSN", SECRET["token"])
    assert [found.place for found in find_in_files(disk, SECRET)] == ["disk0.raw:5/SECRETS.JSN"]
    assert len(leaks([disk], SECRET)) == 2
    environment = {"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run(["mdel", "-i", f"{disk}@@{MIB}", "::/SECRETS.JSN"], check=True, env=environment)
    (found,) = leaks([disk], SECRET)
    assert found.place.startswith("disk0.raw, byte ")


def test_a_copy_of_a_disk_has_the_same_identifiers_until_others_renew_them(disk: Path, tmp_path: Path) -> None:
    copy = tmp_path / "disk1.raw"
    shutil.copyfile(disk, copy)
    assert identifiers(copy) == identifiers(disk)
    assert set(identifiers(disk)) == {"disk", "partition 5", "serial 5"}, "mkfs.fat writes no VMware marker"
    subprocess.run(["sgdisk", "-G", str(copy)], check=True, capture_output=True)
    shared = set(identifiers(copy).values()) & set(identifiers(disk).values())
    assert shared == {identifiers(disk)["serial 5"]}
