"""Disks as sgdisk and mkfs.fat make them, with banks as ESXi's installer leaves them, read while the host is off."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge.selftest.snapshots import find_secrets, take_snapshot
from unit.selftest.installed import BANKS, CFG, MIB, install_onto, module, put, run

SECRETS = ("consumer-key-1", "token-key-22", "token-secret-333")
WITH_MODULE = CFG.format(" --- esxforge.tgz").encode()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A boot disk after an installation, before our module came."""
    path = tmp_path / "boot.raw"
    with path.open("wb") as stream:
        stream.truncate(1024 * MIB)
    install_onto(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.raw"
    with path.open("wb") as stream:
        stream.truncate(64 * MIB)
    run("sgdisk", "-n", "1:2048:0", "-t", "1:AA31E02A-400F-11DB-9590-000C2911D1B8", path)
    return path


def test_a_fresh_installation_is_read_as_it_is(disk: Path, data: Path) -> None:
    snapshot = take_snapshot(disk, data, SECRETS)
    bank = snapshot.boot.current_bank
    assert bank is not None
    assert (bank.partition, bank.marker, bank.build) == (5, True, "8.0.3-0.70.24280767")
    assert bank.module is None
    assert not bank.lists_module
    assert [one.number for one in snapshot.boot.partitions] == [1, 5, 6, 7]
    assert [bank.marker for bank in snapshot.boot.banks] == [True, True]
    assert [one.type_guid for one in snapshot.data.partitions] == ["aa31e02a-400f-11db-9590-000c2911d1b8"]
    assert snapshot.secrets == ()


def test_our_module_is_read_and_its_secret_is_known_to_be_in_it(disk: Path, data: Path) -> None:
    put(disk, 5, "esxforge.tgz", module(SECRETS[2].encode().ljust(4096)))
    put(disk, 5, "boot.cfg", WITH_MODULE)
    put(disk, 5, "esxfinst.log", b"t10.x is storage sda\n")
    snapshot = take_snapshot(disk, data, SECRETS)
    bank = snapshot.boot.current_bank
    assert bank is not None
    assert bank.module is not None
    assert bank.lists_module
    assert bank.module["etc/rc.local.d/999.esxforge.sh"] == 0o1777
    assert bank.installed == {"version": 1, "device": "t10.x"}
    assert snapshot.logs == (("esxfinst.log", "t10.x is storage sda\n"),)
    (place,) = snapshot.secrets
    assert place.startswith("sda, byte ")
    assert place.endswith(", in the host module")


def test_a_secret_is_found_in_any_sector_and_across_them(disk: Path, data: Path) -> None:
    for path, at in ((disk, 700 * MIB + 505), (data, 64 * MIB - 20)):
        with path.open("r+b") as stream:
            stream.seek(at)
            stream.write(SECRETS[1].encode())
    snapshot = take_snapshot(disk, data, SECRETS)
    assert snapshot.secrets == (f"sda, byte {700 * MIB + 505}", f"sdb, byte {64 * MIB - 20}")


def test_a_secret_across_two_pieces_that_are_read_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(8 * MIB - 5) + SECRETS[2].encode() + bytes(8 * MIB))
    assert find_secrets(path, SECRETS) == [8 * MIB - 5]


def test_the_bank_with_the_higher_counter_is_the_current_one(disk: Path, data: Path) -> None:
    put(disk, 6, "boot.cfg", CFG.format("").replace("updated=1", "updated=2").encode())
    bank = take_snapshot(disk, data, ()).boot.current_bank
    assert bank is not None
    assert bank.partition == 6


@pytest.mark.parametrize("line", ["bootstate=1\nquickboot=1", "bootstate=2", "updated=0"])
def test_a_bank_that_the_boot_loader_does_not_take_is_not_the_current_one(line: str, disk: Path, data: Path) -> None:
    higher = CFG.format("").replace("updated=1", "updated=2")
    key = line.partition("=")[0]
    changed = "\n".join(one for one in higher.splitlines() if not one.startswith(key)) + f"\n{line}\n"
    put(disk, 6, "boot.cfg", changed.encode())
    bank = take_snapshot(disk, data, ()).boot.current_bank
    assert bank is not None
    assert bank.partition == 5


def test_damage_is_told_and_stops_nothing(disk: Path, data: Path, tmp_path: Path) -> None:
    put(disk, 5, "esxforge.tgz", b"no gzip and no tar")
    with disk.open("r+b") as stream:
        stream.seek(BANKS[6][0] * MIB)
        stream.write(bytes(512))
    snapshot = take_snapshot(disk, data, SECRETS)
    five, six = snapshot.boot.banks
    assert "esxforge.tgz" in five.problem
    assert six.problem
    blank = tmp_path / "blank"
    with blank.open("wb") as stream:
        stream.truncate(8 * MIB)
    nothing = take_snapshot(blank, blank, SECRETS)
    assert nothing.boot.problem
    assert nothing.boot.current_bank is None
