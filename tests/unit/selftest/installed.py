"""Disks as ESXi's installer leaves them, made by sgdisk, mkfs.fat and mtools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from esxforge_target.formats import tar_module
from esxforge_target.formats.stored_gzip import stored_gzip, stored_length

MIB = 1 << 20
BANKS = {5: (102, 40), 6: (150, 40)}
CFG = "bootstate=0\nbuild=8.0.3-0.70.24280767\nupdated=1\nkernelopt=\nmodules=k.b00{}\n"
SECRETS_FILE = "esxforge/secrets.json"


def run(*arguments: object) -> None:
    """Run a tool; its output is not of interest."""
    environment = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run([*map(str, arguments)], check=True, capture_output=True, env=environment)


def put(disk: Path, partition: int, name: str, data: bytes) -> None:
    """Put a file into a bank."""
    source = disk.with_name("file")
    source.write_bytes(data)
    run("mcopy", "-o", "-i", f"{disk}@@{BANKS[partition][0] * MIB}", source, f"::/{name}")
    source.unlink()


def delete(disk: Path, partition: int, name: str) -> None:
    """Delete a file from a bank."""
    run("mdel", "-i", f"{disk}@@{BANKS[partition][0] * MIB}", f"::/{name}")


def install_onto(disk: Path) -> None:
    """A new label with ESP, two banks and OSDATA, and a bank that boots; what stood on the disk before goes."""
    run("sgdisk", "-Z", disk)
    size = disk.stat().st_size
    with disk.open("r+b") as stream:
        stream.truncate(0)
        stream.truncate(size)
    table = ["-n", "1:64:+90M", "-t", "1:ef00"]
    for number, (start, length) in BANKS.items():
        table += ["-n", f"{number}:{start * MIB // 512}:+{length}M", "-t", f"{number}:0700"]
    table += ["-n", f"7:{200 * MIB // 512}:+200M", "-t", "7:4EB2EA39-7855-4790-A79E-FAE495E21F8D"]
    run("sgdisk", *table, disk)
    for start, length in BANKS.values():
        run("mkfs.fat", "-F", 16, "-R", 4, "--offset", start * MIB // 512, disk, length * 1024)
        with disk.open("r+b") as stream:
            stream.seek(start * MIB + 512)
            stream.write(b"VMWARE FAT16    " + bytes(range(16)))
    put(disk, 5, "boot.cfg", CFG.format("").encode())


def module(secrets: bytes) -> bytes:
    """The bank module with this file of secrets, padded to a whole number of 4096 bytes."""
    tar = tar_module.build([
        tar_module.file(SECRETS_FILE, secrets, 0o600),
        tar_module.file("esxforge/installed.json", json.dumps({"version": 1, "device": "t10.x"}).encode()),
        tar_module.file("etc/rc.local.d/999.esxforge.sh", b"#!/bin/sh\n", 0o1777),
    ])  # fmt: skip
    return stored_gzip(tar, stored_length(tar, SECRETS_FILE), SECRETS_FILE)
