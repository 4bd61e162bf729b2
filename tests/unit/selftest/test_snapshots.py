"""Disks as sgdisk and mkfs.fat make them, with banks as ESXi's installer leaves them, read while the host is off."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from esxforge.selftest.snapshots import find_secrets, take_snapshot
from esxforge_target.formats import tar_module
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length

MIB = 1 << 20
BANKS = {5: (102, 40), 6: (150, 40)}
SECRETS = ("consumer-key-1", "token-key-22", "token-secret-333")
CFG = "bootstate=0\nbuild=8.0.3-0.70.24674464\nupdated=1\nkernelopt=\nmodules=k.b00{}\n"


def run(*arguments: object, stdin: bytes = b"") -> None:
    environment = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run([*map(str, arguments)], input=stdin, check=True, capture_output=True, env=environment)


def put(disk: Path, partition: int, name: str, data: bytes) -> None:
    source = disk.with_name("file")
    source.write_bytes(data)
    run("mcopy", "-o", "-i", f"{disk}@@{BANKS[partition][0] * MIB}", source, f"::/{name}")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A boot disk after an installation, before our module came."""
    path = tmp_path / "boot.raw"
    with path.open("wb") as stream:
        stream.truncate(1024 * MIB)
    table: list[str] = ["-n", "1:64:+90M", "-t", "1:ef00"]
    for number, (start, length) in BANKS.items():
        table += ["-n", f"{number}:{start * MIB // 512}:+{length}M", "-t", f"{number}:0700"]
    run("sgdisk", *table, path)
    for start, length in BANKS.values():
        run("mkfs.fat", "-F", 16, "-R", 4, "--offset", start * MIB // 512, path, length * 1024)
        with path.open("r+b") as stream:
            stream.seek(start * MIB + 512)
            stream.write(b"VMWARE FAT16    " + bytes(range(16)))
    put(path, 5, "boot.cfg", CFG.format("").encode())
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.raw"
    with path.open("wb") as stream:
        stream.truncate(64 * MIB)
    run("sgdisk", "-n", "1:2048:0", "-t", "1:AA31E02A-400F-11DB-9590-000C2911D1B8", path)
    return path


def module(secret: str) -> bytes:
    tar = tar_module.build([
        tar_module.file("esxforge/secrets.json", json.dumps({"maas": secret}).encode().ljust(4096), 0o600),
        tar_module.file("esxforge/installed.json", json.dumps({"version": 1, "device": "t10.x"}).encode()),
        tar_module.file("etc/rc.local.d/999.esxforge.sh", b"#!/bin/sh\n", 0o1777),
    ])  # fmt: skip
    return stored_gzip(tar, stored_length(tar, "esxforge/secrets.json"), "esxforge/secrets.json")


def test_a_fresh_installation_is_read_as_it_is(disk: Path, data: Path) -> None:
    snapshot = take_snapshot(disk, data, SECRETS)
    bank = snapshot.boot.current_bank
    assert bank is not None
    assert (bank.partition, bank.marker, bank.build) == (5, True, "8.0.3-0.70.24674464")
    assert bank.module is None
    assert not bank.lists_module
    assert [one.number for one in snapshot.boot.partitions] == [1, 5, 6]
    assert [bank.marker for bank in snapshot.boot.banks] == [True, True]
    assert [one.type_guid for one in snapshot.data.partitions] == ["aa31e02a-400f-11db-9590-000c2911d1b8"]
    assert snapshot.secrets == ()


def test_our_module_is_read_and_its_secret_is_known_to_be_in_it(disk: Path, data: Path) -> None:
    put(disk, 5, "esxforge.tgz", module(SECRETS[2]))
    put(disk, 5, "boot.cfg", CFG.format(" --- esxforge.tgz").encode())
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
