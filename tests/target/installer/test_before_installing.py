"""%pre: which disk is named, what is refused and how it is said, and what is left of the secrets."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.contract.desired_document import desired_host_from_json, desired_host_to_json
from esxforge_target.contract.host_record import HostRecord
from esxforge_target.contract.secret_sectors import filler, is_overwritten, overwrite
from esxforge_target.formats.gpt_disk import read_table, write_table
from esxforge_target.formats.kickstart import words_of
from esxforge_target.installer import pre
from esxforge_target.installer.environment import Installer
from esxforge_target.runtime.blocks import DiskError, FileBlocks, MemoryBlocks
from esxforge_target.runtime.commands import Result, Runner
from standin.esxi.installer import InstallError
from target.hook.bench import Bench
from target.hook.conftest import HASH
from target.hook.test_deploy import from_volume
from target.installer.conftest import Prepared
from target.installer.site import Site

INCLUDES = ("/esxforge/run/install.cfg", "/esxforge/run/rootpw.cfg")


def copy_of(source: str, name: str) -> Any:
    """For ``before``: a disk that is a copy of one of the bench's."""

    def make(bench: Bench, disks: Path) -> None:
        disks.mkdir(parents=True)
        subprocess.run(["cp", "--sparse=always", str(bench.root / "dev" / source), str(disks / name)], check=True)

    return make


def stopped(site: Site) -> str:
    """Run %pre, which must stop: no install line, no write to any disk, the reason on every console and in the log."""
    before = {name: site.raw(name).stat().st_mtime_ns for name in site.devices.values()}
    assert site.pre() == 1
    assert not any(site.ram(path).exists() for path in INCLUDES)
    assert {name: site.raw(name).stat().st_mtime_ns for name in site.devices.values()} == before
    assert "ESXi was NOT installed" in site.said
    assert "what to do:" in site.said
    for text in (*site.consoles(), site.log()):
        assert "ESXi was NOT installed" in text
        assert "what to do:" in text
    return site.said


def test_the_kickstart_s_includes_are_written_for_the_stamped_disk(prepared: Prepared) -> None:
    site = prepared()
    assert site.pre() == 0, site.said
    assert site.ram(INCLUDES[0]).read_text() == f"install --disk={site.boot} --overwritevmfs\n"
    assert site.ram(INCLUDES[1]).read_text() == f"rootpw --iscrypted {HASH}\n"
    for path in (*INCLUDES, "/esxforge/secrets.json"):
        assert stat.S_IMODE(site.ram(path).stat().st_mode) == 0o600
    assert stat.S_IMODE(site.ram("/esxforge/run").stat().st_mode) == 0o700
    assert HASH not in site.said + site.log()
    assert not any(site.consoles()), "nothing went wrong, so nothing is said over the installer's screen"


@pytest.mark.parametrize("on_boot_disk", [True, False])
@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_boot_disk_gets_a_datastore_unless_maas_wants_them_elsewhere_only(
    on_boot_disk: bool, elsewhere: bool, prepared: Prepared
) -> None:
    site = prepared("vmfs7-bond")
    path = site.ram("/esxforge/desired.json")
    host = desired_host_from_json(path.read_text())
    boot = host.boot_datastore()
    assert boot is not None
    kept = [one for one in host.datastores if (on_boot_disk if one == boot else elsewhere)]
    path.write_text(desired_host_to_json(host.replace(datastores=tuple(kept))))
    assert site.pre() == 0, site.said
    assert ("--novmfsondisk" in site.ram(INCLUDES[0]).read_text()) == (elsewhere and not on_boot_disk)


def test_the_user_s_install_options_that_fit_another_disk_are_kept(prepared: Prepared) -> None:
    site = prepared()
    path = site.ram("/esxforge/host.json")
    options = ["--ignoreprereqwarnings", "--dpuPciSlots=0000:3b:00.0"]
    path.write_text(HostRecord.from_json(path.read_text()).replace(install_options=options).to_json())
    assert site.pre() == 0, site.said
    line = site.ram(INCLUDES[0]).read_text()
    assert line.endswith(" --ignoreprereqwarnings --dpuPciSlots=0000:3b:00.0\n")
    site.fake.install(line)
    with pytest.raises(InstallError):
        site.fake.install(line.strip() + " --overwritevsan")


@pytest.mark.parametrize(("datastores", "kept"), [("none", True), ("elsewhere", True), ("boot disk", False)])
def test_the_user_s_wish_for_no_datastore_on_the_boot_disk_gives_way_to_maas_alone(
    datastores: str, kept: bool, prepared: Prepared
) -> None:
    site = prepared("vmfs7-bond")
    desired = desired_host_from_json(site.ram("/esxforge/desired.json").read_text())
    boot = desired.boot_datastore()
    assert boot is not None
    others = tuple(one for one in desired.datastores if one != boot)
    chosen = {"none": (), "elsewhere": others, "boot disk": desired.datastores}[datastores]
    site.ram("/esxforge/desired.json").write_text(desired_host_to_json(desired.replace(datastores=chosen)))
    path = site.ram("/esxforge/host.json")
    path.write_text(HostRecord.from_json(path.read_text()).replace(install_options=["--noVmfsOnDisk"]).to_json())
    assert site.pre() == 0, site.said
    words = site.ram(INCLUDES[0]).read_text().split()
    assert [word for word in words if word.lower() == "--novmfsondisk"] == ["--novmfsondisk"] * kept
    assert ("--novmfsondisk of your kickstart is left out: MAAS asks for a datastore" in site.said) == (not kept)


def test_a_device_s_name_reaches_the_installer_as_it_is(prepared: Prepared) -> None:
    desired = desired_host_from_json(prepared().ram("/esxforge/desired.json").read_text())
    for device in ("mpx.vmhba0:C0:T0:L0", "t10.ATA_____X#1__", "odd 'name'"):
        words = words_of(pre.install_line(device, desired, ["--dpuPciSlots=0000:3b:00.0,a b"]))
        assert words == ["install", f"--disk={device}", "--overwritevmfs", "--dpuPciSlots=0000:3b:00.0,a b"]


def test_without_a_driver_for_the_boot_disk_s_controller_nothing_is_installed(prepared: Prepared) -> None:
    site = prepared(without=("sda",))
    said = stopped(site)
    assert "No disk carries the mark of sda (" in said
    assert "the boot disk." in said
    assert "no driver for the disk's controller" in said
    for device in site.devices.values():
        assert f"{device}, " in said
    assert "MiB" in said
    assert ["localcli", "storage", "core", "adapter", "rescan", "--all"] in site.fake.commands
    assert site.clock.slept == 30.0


def test_a_datastore_s_disk_that_is_missing_stops_before_anything_is_wiped(prepared: Prepared) -> None:
    site = prepared("vmfs7-bond", without=("sdb",))
    said = stopped(site)
    assert "No disk carries the mark of sdb (" in said
    assert "a disk that carries a datastore" in said
    assert "the mark of sda" not in said


def test_a_copy_of_the_boot_disk_stops_the_installation(prepared: Prepared) -> None:
    site = prepared(before=copy_of("sda", "naa.copy"))
    said = stopped(site)
    assert "2 disks carry the mark of sda" in said
    assert "naa.600508b1001c0000, naa.copy" in said or f"{site.boot}, naa.copy" in said
    assert "One is a copy of the other" in said


def test_a_dead_disk_is_named_and_holds_nobody_up(prepared: Prepared) -> None:
    def dead(bench: Bench, disks: Path) -> None:
        disks.mkdir(parents=True)
        os.mkfifo(disks / "naa.dead")

    site = prepared(before=dead, without=("sda",))
    said = stopped(site)
    assert "naa.dead" in said
    assert said.count("does not answer") >= 1


def test_a_dead_disk_beside_the_boot_disk_stops_nothing(prepared: Prepared) -> None:
    def dead(bench: Bench, disks: Path) -> None:
        disks.mkdir(parents=True)
        os.mkfifo(disks / "naa.dead")

    site = prepared(before=dead)
    site.run()


def test_the_disks_are_listed_by_name_where_localcli_says_nothing(prepared: Prepared) -> None:
    site = prepared(without=("sda",))
    site.fake.fault("fail", match="core device list", times=9)
    said = stopped(site)
    for device in site.devices.values():
        assert device in said


def test_a_disk_that_shows_up_late_is_waited_for(prepared: Prepared) -> None:
    site = prepared()
    place, away = site.raw(site.boot), site.ram("/tmp/away")
    place.rename(away)

    class Late(Runner):
        def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
            if away.exists() and "rescan" in arguments:
                away.rename(place)
            return site.fake.run(arguments, timeout, stdin)

    assert pre.main(site.environment(runner=Late())) == 0, site.said
    assert "not there yet: sda" in site.said
    assert site.clock.slept == 10.0


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_no_secret_is_left_on_any_raw_sector_once_the_install_line_stands(sector_size: int, prepared: Prepared) -> None:
    site = prepared(sector_size=sector_size)
    token = json.loads(site.ram("/esxforge/secrets.json").read_text())["maas"]
    secrets = [HASH.encode(), token["token_secret"].encode(), token["token_key"].encode()]
    before = data_of(site.raw(site.boot))
    assert all(secret in before for secret in secrets)
    assert site.pre() == 0, site.said
    for name in site.devices.values():
        after = data_of(site.raw(name))
        assert not any(secret in after for secret in secrets), name
    assert json.loads(site.ram("/esxforge/secrets.json").read_text())["maas"] == token, "%post needs it"


def data_of(path: Path) -> bytes:
    """All that was ever written to a sparse disk."""
    pieces: list[bytes] = []
    with path.open("rb") as stream:
        end = 0
        while True:
            try:
                start = os.lseek(stream.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return b"".join(pieces)
            end = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
            pieces.append(os.pread(stream.fileno(), end - start, start))


def test_after_a_power_cut_the_installer_starts_again_and_says_why_it_stops(prepared: Prepared) -> None:
    site = prepared()
    assert site.pre() == 0, site.said
    module = from_volume(site.bench, "ESXFORGE.TGZ")
    assert gzip.decompress(module), "the boot loader would stop at a wrong checksum"
    checked = subprocess.run(["gzip", "-t"], input=module, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    shutil.rmtree(site.ram("/esxforge"))
    site.fake.unpack(module)
    assert "were used by an earlier start of the installer" in stopped(site)


@pytest.mark.parametrize("path", ["host.json", "desired.json", "secrets.json"])
def test_a_missing_or_damaged_file_of_the_module_is_named(path: str, prepared: Prepared) -> None:
    site = prepared()
    place = site.ram("/esxforge/" + path)
    for content in (None, b"", b"{", b"[]", b"\xff"):
        place.unlink()
        if content is not None:
            place.write_bytes(content)
        site.output.truncate(0)
        said = stopped(site)
        assert "defect" not in said, content
        assert path in said or "desired" in said, content
        place.touch()


class Failing(FileBlocks):
    """A disk that fails to write, or forgets what it was told."""

    def __init__(self, path: str, how: str) -> None:
        super().__init__(path, True, 512, device=True)
        self._how = how

    def write_at(self, offset: int, data: bytes) -> None:
        if self._how == "fails":
            raise DiskError(f"{self.path}: writing at byte {offset} failed: Input/output error.")


@pytest.mark.parametrize(("how", "reason"), [("fails", "Input/output error"), ("forgets", "read back different")])
def test_a_disk_whose_secrets_cannot_be_overwritten_is_not_installed_to(
    how: str, reason: str, prepared: Prepared
) -> None:
    site = prepared()

    class Other(Installer):
        def open_disk(self, name: str, sector_size: int, writable: bool = False) -> FileBlocks:
            return Failing(f"{self.devices.path}/{name}", how)

    site.installer.__class__ = Other
    assert reason in stopped(site)


def test_where_the_secrets_are_not_at_their_place_nothing_is_written(prepared: Prepared) -> None:
    site = prepared()
    place = site.ram("/esxforge/secrets.json")
    place.write_bytes(place.read_bytes().replace(HASH.encode(), HASH[:-1].encode() + b"."))
    assert "does not hold this host's secrets at byte" in stopped(site)


def test_only_the_device_s_own_stamp_counts_as_the_boot_disk_s(prepared: Prepared) -> None:
    """A disk that was stamped by an earlier deployment carries another mark."""

    def other(bench: Bench, disks: Path) -> None:
        copy_of("sda", "naa.earlier")(bench, disks)
        with FileBlocks(str(disks / "naa.earlier"), True) as disk:
            table = read_table(disk).table
            write_table(disk, table.replace(disk_guid=type(table.disk_guid)(int=table.disk_guid.int ^ 1)))

    site = prepared(before=other)
    assert site.pre() == 0, site.said
    assert f"--disk={site.boot} " in site.ram(INCLUDES[0]).read_text()


@settings(deadline=None)
@given(st.binary(min_size=5, max_size=5000), st.binary(max_size=50), st.binary(max_size=50))
def test_what_takes_the_secrets_place_keeps_every_checksum_around_it(data: bytes, before: bytes, after: bytes) -> None:
    gone = filler(data)
    assert len(gone) == len(data)
    assert is_overwritten(gone)
    assert zlib.crc32(before + gone + after) == zlib.crc32(before + data + after)


def test_overwriting_twice_is_fine_and_overwriting_something_else_is_refused() -> None:
    secrets = b"secret".ljust(4096)
    disk = MemoryBlocks(b"a" * 4096 + secrets + b"b" * 4096)
    overwrite(disk, 4096, 4096, secrets)
    once = bytes(disk.data)
    overwrite(disk, 4096, 4096, secrets)
    assert disk.data == once
    assert secrets not in once
    assert (once[:4096], once[8192:]) == (b"a" * 4096, b"b" * 4096)
    with pytest.raises(Exception, match="does not hold"):
        overwrite(disk, 0, 4096, secrets)
    assert disk.data == once
