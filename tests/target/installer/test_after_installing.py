"""%post: the bank that is filled, and what boots when a write fails or the power goes at any moment of it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from esxforge_target.contract.desired_document import desired_host_from_json
from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.esxi.banks import BankFiles, Spanned, bank_to_boot, banks_on, parse_query, why_none
from esxforge_target.installer import post
from esxforge_target.installer.bank_module import bank_module
from standin.esxi import label as labels
from target.installer.conftest import Prepared
from target.installer.site import AGENT, PLAIN, Site

# Of %post's steps: three each for the module, for our log, and for boot.cfg.
LOG_STEPS = (3, 4, 5)
KEEPS = ("bootstate", "title", "timeout", "prefix", "kernel", "kernelopt", "build", "updated")


class PowerCutError(Exception):
    """The machine is off."""


class FaultyFiles(BankFiles):
    """The bank's files on a disk that fails, or whose power goes, at one step: before it, in the middle or after it."""

    def __init__(self, root: str, at: int = -1, when: str = "", failure: type[Exception] = OSError) -> None:
        super().__init__(root)
        self.steps: list[str] = []
        self._at, self._when, self._failure = at, when, failure

    def _step(self, name: str) -> bool:
        self.steps.append(name)
        return len(self.steps) - 1 == self._at

    def _fail(self) -> Exception:
        return self._failure(errno.EIO, os.strerror(errno.EIO))

    def fill(self, path: str, data: bytes) -> None:
        if not self._step("fill " + path):
            super().fill(path, data)
            return
        if self._when != "before":
            Path(self.locate(path)).write_bytes(data if self._when == "after" else data[: len(data) // 2])
        raise self._fail()

    def move(self, before: str, after: str) -> None:
        due = self._step("move " + after)
        if due and self._when == "before":
            raise self._fail()
        super().move(before, after)
        if due:
            raise self._fail()

    def sync_directory(self, directory: str) -> None:
        due = self._step("sync_directory " + directory)
        if due and self._when == "before":
            raise self._fail()
        super().sync_directory(directory)
        if due:
            raise self._fail()

    def remove(self, path: str) -> None:
        if self._failure is PowerCutError:
            raise PowerCutError  # nothing is tidied up on a machine that is off
        super().remove(path)


def installed(prepared: Prepared, **more: object) -> Site:
    site = prepared(**more)
    assert site.pre() == 0, site.said
    site.install()
    return site


def fields(path: Path) -> dict[str, str]:
    pairs = [line.partition("=") for line in (path / "boot.cfg").read_text().splitlines()]
    return {key: value for key, _, value in pairs}


def steps_of(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> tuple[Site, int]:
    """An installed site, its %post not run yet, and the number of %post's steps. The module is made once."""
    site = installed(prepared)
    module = bank_module(site.installer, InstallRecord(site.boot, "", ""))
    monkeypatch.setattr(post, "bank_module", lambda installer, document: module)
    files = FaultyFiles(site.fake.root)
    keep = {path: path.read_bytes() for path in site.bank().iterdir()}
    site.installer.bank_files = files
    assert site.post() == 0, site.said
    assert site.boots() == AGENT
    again(site, keep)
    return site, len(files.steps)


def again(site: Site, keep: dict[Path, bytes]) -> None:
    """The bank as it was before %post."""
    for path in site.bank().iterdir():
        if path not in keep:
            path.unlink()
    for path, data in keep.items():
        path.write_bytes(data)


def test_the_rest_of_boot_cfg_stays_as_the_installer_wrote_it(prepared: Prepared) -> None:
    site = installed(prepared)
    before = fields(site.bank())
    assert site.post() == 0, site.said
    after = fields(site.bank())
    assert after["modules"] == before["modules"] + " --- esxforge.tgz"
    assert {key: after[key] for key in KEEPS} == {key: before[key] for key in KEEPS}
    assert not [path for path in site.bank().iterdir() if path.name.endswith(".new")]


def test_the_power_going_at_any_moment_of_post_leaves_plain_esxi_or_the_agent(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, count = steps_of(prepared, monkeypatch)
    keep = {path: path.read_bytes() for path in site.bank().iterdir()}
    assert count == 9
    outcomes = []
    for at in range(count):
        for when in ("before", "middle", "after"):
            again(site, keep)
            site.installer.bank_files = FaultyFiles(site.fake.root, at, when, PowerCutError)
            site.post()
            outcomes.append(site.boots())
    assert set(outcomes) == {PLAIN, AGENT}
    assert outcomes == sorted(outcomes, key=[PLAIN, AGENT].index), "boot.cfg was not the last write"
    # Whoever runs %post again after such a cut gets a whole host.
    site.installer.bank_files = BankFiles(site.fake.root)
    again(site, keep)
    (site.bank() / "esxforge.new").write_bytes(b"half")
    assert site.post() == 0
    assert site.boots() == AGENT


def test_a_write_that_fails_stops_with_the_reason_and_the_bank_still_boots(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, count = steps_of(prepared, monkeypatch)
    keep = {path: path.read_bytes() for path in site.bank().iterdir()}
    for at in range(count):
        for when in ("before", "middle", "after"):
            again(site, keep)
            files = FaultyFiles(site.fake.root, at, when)
            site.installer.bank_files = files
            site.output.truncate(0)
            status = site.post()
            outcome = site.boots()
            assert not (site.bank() / "esxforge.new").exists()
            if at in LOG_STEPS:
                assert (status, outcome) == (0, AGENT)
                assert "this log is not kept" in site.said
            else:
                assert status == 1
                assert "would NOT be set up for MAAS" in site.said
                assert "cannot be written: Input/output error" in site.said


def test_a_full_bank_is_named_with_the_figures_before_anything_is_written(prepared: Prepared) -> None:
    site = installed(prepared)
    size = next(bank["bytes"] for bank in site.fake.hardware["banks"] if bank["partition"] == 5)
    with (site.bank() / "vendor.v00").open("wb") as stream:
        stream.truncate(size - (1 << 20))
    before = sorted(path.name for path in site.bank().iterdir())
    assert site.post() == 1
    assert "bytes free; the host module needs" in site.said
    assert "without additional drivers" in site.said
    assert sorted(path.name for path in site.bank().iterdir()) == before
    assert site.boots() == PLAIN
    assert all("would NOT be set up for MAAS" in text for text in site.consoles())


def test_a_bank_that_fills_up_while_it_is_written_to_is_named(prepared: Prepared) -> None:
    site = installed(prepared)

    class Full(BankFiles):
        def fill(self, path: str, data: bytes) -> None:
            Path(self.locate(path)).write_bytes(data[:4096])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    site.installer.bank_files = Full(site.fake.root)
    assert site.post() == 1
    assert "No space left on device" in site.said
    assert site.boots() == PLAIN
    assert not (site.bank() / "esxforge.new").exists()


@pytest.mark.parametrize("release", ["6.7", "8.0"])
def test_of_two_disks_with_esxi_the_installed_one_gets_the_module(release: str, prepared: Prepared) -> None:
    site = prepared("esxi67-vmfs6" if release == "6.7" else "vmfs7-bond", release)
    old = site.devices["nvme0n1"]  # MAAS wants nothing of this disk
    site.fake.installed_earlier(old)
    untouched = {path: path.read_bytes() for path in site.bank(5, old).iterdir()}
    site.run()
    if release != "6.7":
        label = site.ram("/vmfs/volumes/BOOTBANK1").readlink()
        assert site.bank(5, old).name == str(label), "the label leads to the other disk: the trap is there"
    assert {path: path.read_bytes() for path in site.bank(5, old).iterdir()} == untouched
    assert site.boots() == AGENT


def test_a_disk_with_4096_byte_sectors_is_installed_and_its_new_guid_recorded(prepared: Prepared) -> None:
    site = prepared(sector_size=4096)
    site.run()
    assert site.boots() == AGENT
    recorded = json.loads(site.module_files()["esxforge/installed.json"])
    assert recorded["disk_guid"] == labels.read_label(str(site.raw(site.boot)), 4096).guid
    desired = desired_host_from_json(site.ram("/esxforge/desired.json").read_text())
    assert recorded["disk_guid"] != desired.boot_disk.disk_guid


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bootstate": "3"}, "partition 5: its boot.cfg says bootstate=3"),
        ({"bootstate": "2"}, "partition 5: its boot.cfg says bootstate=2"),
        ({"updated": "0"}, "partition 5: its boot.cfg says updated=0"),
        ({"build": ""}, "partition 5: its boot.cfg names no build"),
        ({"updated": "x"}, "is not a whole number"),
    ],
)
def test_a_disk_that_would_not_boot_is_said_so(changes: dict[str, str], reason: str, prepared: Prepared) -> None:
    site = installed(prepared)
    edit(site.bank(5), changes)
    assert site.post() == 1
    assert "has no boot bank that ESXi's boot loader would take" in site.said
    assert reason in site.said
    assert ["localcli", "storage", "filesystem", "rescan"] in site.fake.commands


def edit(bank: Path, changes: dict[str, str]) -> None:
    """Change values of a boot.cfg."""
    whole = {**fields(bank), **changes}
    (bank / "boot.cfg").write_text("".join(f"{key}={value}\n" for key, value in whole.items()))


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (("0", "1"), ("3", "0"), 5),
        (("0", "1"), ("0", "2"), 6),
        (("0", "3"), ("1", "2"), 5),
        (("0", "1"), ("1", "2"), 6),
        (("2", "9"), ("0", "1"), 6),
        (("0", "1"), ("0", "1"), 5),
        (("0", "1"), ("0", "-1"), 6),  # a counter without a sign: 4294967295
        (("0", "1"), ("0", "4294967295"), 6),
        (("0", "1"), ("4", "9"), 5),
    ],
)
def test_the_bank_is_the_one_that_the_boot_loader_takes(
    first: tuple[str, str], second: tuple[str, str], chosen: int, prepared: Prepared
) -> None:
    site = installed(prepared)
    cfg = fields(site.bank(5))
    for number, (state, updated) in ((5, first), (6, second)):
        edit(site.bank(number), {**cfg, "bootstate": state, "updated": updated})
    found = bank_to_boot(banks_on(site.boot, site.fake, BankFiles(site.fake.root)))
    assert found is not None
    assert found.partition == chosen


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"quickboot": "1"}, "quickboot=1"),
        ({"title": "x" * 600, "bootstate": "1"}, "bootstate=1 behind its first 512 bytes"),
        ({"updated": "4294967296"}, "updated=0"),
        ({"build": ""}, "names no build"),
    ],
)
def test_the_bank_that_the_boot_loader_passes_over_is_not_chosen(
    changes: dict[str, str], problem: str, prepared: Prepared
) -> None:
    site = installed(prepared)
    cfg = fields(site.bank(5))
    edit(site.bank(5), {**cfg, "bootstate": "0", "updated": "1"})
    passed_over = {"title": "ESXi", **cfg, "bootstate": "0", "updated": "2", **changes}
    passed_over["bootstate"] = passed_over.pop("bootstate")  # the last line
    (site.bank(6) / "boot.cfg").write_text("".join(f"{key}={value}\n" for key, value in passed_over.items()))
    banks = banks_on(site.boot, site.fake, BankFiles(site.fake.root))
    found = bank_to_boot(banks)
    assert found is not None
    assert found.partition == 5
    assert problem in banks[1].problem


def test_where_the_boot_loader_stops_at_the_bank_it_takes_there_is_no_other(prepared: Prepared) -> None:
    site = installed(prepared)
    cfg = fields(site.bank(5))
    edit(site.bank(5), {**cfg, "bootstate": "0", "updated": "1"})
    edit(site.bank(6), {**cfg, "bootstate": "0", "updated": "2", "build": "ESXi-8.0"})
    banks = banks_on(site.boot, site.fake, BankFiles(site.fake.root))
    assert bank_to_boot(banks) is None
    (why,) = why_none(banks)
    assert why.startswith("partition 6: its boot.cfg says build=ESXi-8.0")


def test_no_volume_of_the_device_at_all_is_said_so(prepared: Prepared) -> None:
    site = installed(prepared)
    site.fake.fault("fail", match="vmkfstools", times=99)
    assert site.post() == 1
    assert "(none found)" in site.said
    assert "esxi_install.log" in site.said


def test_a_volume_that_hangs_is_passed_over_and_the_bank_asked_again(prepared: Prepared) -> None:
    site = installed(prepared)
    site.fake.fault("hang", match="vmkfstools")
    site.fake.fault("hang", match="vmkfstools", nth=2)
    assert site.post() == 0, site.said
    assert site.boots() == AGENT


def test_without_pre_there_is_no_post(prepared: Prepared) -> None:
    site = prepared()
    assert site.post() == 1
    assert "/esxforge/run/state.json cannot be read" in site.said
    assert "has it run?" in site.said


def test_our_log_stays_in_the_bank_and_the_password_line_does_not_stay_in_the_ram_disk(prepared: Prepared) -> None:
    site = installed(prepared)
    assert site.post() == 0, site.said
    kept = (site.bank() / "esxfinst.log").read_text()
    assert "the installer gets: install --disk=" in kept
    assert "esxforge.tgz will be loaded on every boot" in kept
    assert not site.ram("/esxforge/run/rootpw.cfg").exists()
    secret = json.loads(site.ram("/esxforge/secrets.json").read_text())
    assert not any(value in kept for value in [*secret["maas"].values(), secret["rootpw"]])


def test_a_log_that_cannot_be_written_stops_nothing(prepared: Prepared) -> None:
    site = prepared()
    site.ram("/var/log/esxforge-installer.log").mkdir()
    site.run()
    assert site.boots() == AGENT
    assert "this log is not kept" in site.said


def test_a_boot_cfg_with_a_prefix_names_the_module_at_the_root(prepared: Prepared) -> None:
    site = installed(prepared)
    edit(site.bank(), {"prefix": "/modules"})
    assert site.post() == 0, site.said
    assert fields(site.bank())["modules"].endswith(" --- /esxforge.tgz")


def test_post_on_a_host_that_has_the_module_already_changes_boot_cfg_no_more(prepared: Prepared) -> None:
    site = installed(prepared)
    assert site.post() == 0, site.said
    before = (site.bank() / "boot.cfg").read_bytes()
    assert post.main(site.installer) == 0, site.said
    assert (site.bank() / "boot.cfg").read_bytes() == before


ANSWERS = {
    "4.1": """\
vfat-0.04 file system spanning 1 partitions.
File system label (if any): Hypervisor1
Mode: private
Capacity 261853184 (63929 file blocks * 4096), 164687872 (40207 blocks) avail
UUID: 96f2ab7c-e353fc5f-cc7b-5ca987e270a4
Partitions spanned (on "disks"):
   mpx.vmhba1:C0:T0:L0:5
""",
    "8.0": """\
vfat-0.04 (Raw Major Version: 0) file system spanning 1 partitions.
File system label (if any): BOOTBANK2
Mode: private
Capacity 4293591040 (65515 file blocks * 65536), 4120444928 (62873 blocks) avail, max supported file size 0
Disk Block Size: 512/0/0
UUID: 10096f8b-d044b0e9-8697-0c6ccda4bf06
Partitions spanned (on "disks"):
\tnaa.600508b1001c7ba8871f691e550a30fc:6
Is Native Snapshot Capable: NO
""",
    "VMFS": """\
VMFS-6.82 (Raw Major Version: 24) file system spanning 2 partitions.
Partitions spanned (on "lvm"):
\tnaa.1:1
\tnaa.2:1
Is Native Snapshot Capable: NO
""",
}


def test_vmkfstools_answers_of_all_releases_are_read() -> None:
    """Shapes from public transcripts of 4.1 and 8.0."""
    assert {name: parse_query(text) for name, text in ANSWERS.items()} == {
        "4.1": Spanned((("mpx.vmhba1:C0:T0:L0", 5),), 164687872, True),
        "8.0": Spanned((("naa.600508b1001c7ba8871f691e550a30fc", 6),), 4120444928, True),
        "VMFS": Spanned((("naa.1", 1), ("naa.2", 1)), -1, False),
    }


def test_an_answer_that_names_no_partition_is_none() -> None:
    assert parse_query("Could not open /vmfs/volumes/x: No such file or directory\n") is None
