"""Parts of the bootable stand-in that need no machine: its network, its saved state, its command server, its files."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from standin.esxi import FakeEsxi
from standin.esxi.presets import nic
from standin.system import loader
from standin.system.boot_cfg import INCONSISTENT_DATA, LoaderError
from standin.system.linux_disks import LinuxDisk, esxi_disks
from standin.system.network import topology

HERE = Path(__file__).parent
SERVER = """
import sys
from standin.system import server

def run(words, stdin):
    print("out", words, stdin)
    print("err", file=sys.stderr)
    if words[1:] == ["fail"]:
        raise ValueError("no such thing")
    return len(words)

server.SOCKET = sys.argv[1]
server.start(run)
"""


def machine(directory: Path) -> FakeEsxi:
    nics = [
        dict(nic(number, f"52:54:00:00:00:0{number}", "0000:00:01.0", "e1000"), node=f"eth{number}")
        for number in range(3)
    ]
    return FakeEsxi.create(str(directory), nics=nics)


def esxcli(fake: FakeEsxi, words: str) -> None:
    done = fake.run(["esxcli", *words.split()])
    assert done.status == 0, done.stdout


def test_a_fresh_host_has_one_interface_on_one_nic(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    with fake.edit() as host:
        assert topology(host) == {
            "bonds": {},
            "vlans": {},
            "interfaces": {"vmk0": {"base": "eth0", "mac": "52:54:00:00:00:00", "mtu": 1500}},
        }


def test_teams_become_bonds_and_vlans_stand_on_them(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    esxcli(fake, "network vswitch standard uplink add -v vSwitch0 -u vmnic2")
    esxcli(fake, "network vswitch standard policy failover set -v vSwitch0 -a vmnic2,vmnic0 -l explicit")
    esxcli(fake, "network vswitch standard portgroup add -v vSwitch0 -p storage")
    esxcli(fake, "network vswitch standard portgroup set -p storage --vlan-id 100")
    esxcli(fake, "network ip interface add -i vmk1 -p storage")
    with fake.edit() as host:
        desired = topology(host)
    assert desired["bonds"] == {"bond-0-2": {"mode": "active-backup", "nodes": ["eth2", "eth0"]}}
    assert desired["vlans"] == {"bond-0-2.100": {"base": "bond-0-2", "vlan": 100}}
    assert {name: one["base"] for name, one in desired["interfaces"].items()} == {
        "vmk0": "bond-0-2", "vmk1": "bond-0-2.100",
    }  # fmt: skip
    esxcli(fake, "network vswitch standard policy failover set -v vSwitch0 -a vmnic2,vmnic0 -l iphash")
    esxcli(fake, "network ip interface set -i vmk1 -e false")
    with fake.edit() as host:
        desired = topology(host)
    assert desired["bonds"]["bond-0-2"]["mode"] == "balance-xor"
    assert list(desired["interfaces"]) == ["vmk0"]


def test_the_saved_state_has_what_people_changed_and_not_what_modules_brought(tmp_path: Path) -> None:
    fake = machine(tmp_path)
    brought = {"/etc/rc.local.d/999.a.sh": b"as it came", "/etc/rc.local.d/local.sh": b"as it came"}
    for path, data in brought.items():
        Path(fake.path(path)).write_bytes(data)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in brought.items()}
    (tmp_path / "from-modules.json").write_text(json.dumps(digests))
    Path(fake.path("/etc/rc.local.d/local.sh")).write_text("changed by hand")
    Path(fake.path("/etc/own")).write_text("new")
    fake.run(["/sbin/auto-backup.sh"])
    with tarfile.open(fake.path("/bootbank/state.tgz")) as state:
        names = set(state.getnames())
    assert {"etc/own", "etc/rc.local.d/local.sh", "etc/shadow", "var/lib/standin/saved.json"} <= names
    assert "etc/rc.local.d/999.a.sh" not in names


def test_the_boot_loader_finds_files_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "EFI" / "Boot").mkdir(parents=True)
    (tmp_path / "EFI" / "Boot" / "BOOT.CFG").write_text("x")
    assert loader.find(tmp_path, "/efi/BOOT/boot.cfg") == tmp_path / "EFI/Boot/BOOT.CFG"
    assert loader.find(tmp_path, "/efi/boot.cfg") is None
    assert loader.find(tmp_path, "/efi/boot/boot.cfg/x") is None


def test_a_damaged_module_ends_the_boot() -> None:
    whole = gzip.compress(b"module" * 1000)
    assert loader.unzipped(whole, "/m.tgz") == b"module" * 1000
    assert loader.unzipped(b"plain", "/m.b00") == b"plain"
    with pytest.raises(LoaderError, match=r"gzip_extract failed for /m\.tgz") as error:
        loader.unzipped(whole[:-20], "/m.tgz")
    assert error.value.number == INCONSISTENT_DATA


def test_disks_have_esxis_names_and_usb_disks_no_identity() -> None:
    found = [
        LinuxDisk("sda", "sata", 1 << 35, "QEMU HARDDISK", "ATA", "t10.ATA_____QEMU_HARDDISK___________X"),
        LinuxDisk("sdb", "usb", 1 << 33, "Flash", "UFD", "", removable=True),
        LinuxDisk("nvme0n1", "nvme", 1 << 35, "M", "NVMe", "t10.NVMe____M"),
    ]
    names = [one["name"] for one in esxi_disks(found, "nvme0n1")]
    assert names == ["t10.ATA_____QEMU_HARDDISK___________X", "mpx.vmhba33:C0:T0:L0", "t10.NVMe____M"]
    assert [one["boot"] for one in esxi_disks(found, "nvme0n1")] == [False, False, True]
    assert len({one["vml"] for one in esxi_disks(found)}) == 3
    assert found[2].partition(5) == "nvme0n1p5"
    assert found[0].partition(5) == "sda5"


def test_commands_reach_their_server_with_arguments_and_come_back_with_output_and_status(tmp_path: Path) -> None:
    place = tmp_path / "commands"
    subprocess.run(
        [sys.executable, "-c", SERVER, str(place)], check=True, env={"PYTHONPATH": str(HERE.parents[1])},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    try:
        source = (HERE / "client.py").read_text().replace("/run/standin/commands", str(place))
        for name in ("esxcli", "vmkfstools"):
            (tmp_path / name).write_text(source)
        done = call(tmp_path / "esxcli", "a b", "ü")
        assert (done.returncode, done.stdout, done.stderr) == (3, "out ['esxcli', 'a b', 'ü'] \n", "err\n")
        asked = call(tmp_path / "vmkfstools", "-Z", stdin="0\n")
        assert asked.stdout == "out ['vmkfstools', '-Z'] 0\n\n"
        failed = call(tmp_path / "esxcli", "fail")
        assert failed.returncode == 70
        assert "the stand-in failed: ValueError: no such thing" in failed.stderr
    finally:
        end_server(place)


def call(program: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(program), *arguments], capture_output=True, text=True, check=False, input=stdin,
        timeout=60,
    )  # fmt: skip


def end_server(place: Path) -> None:
    """End the process that was started with this socket's path."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(place).encode() in words:
            os.kill(int(directory.name), signal.SIGKILL)
