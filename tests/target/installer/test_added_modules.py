"""Modules of VIBs that the image adds: %post puts them into the boot bank, before the agent's, or says why not."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from esxforge_target.contract.install_record import InstallRecord
from esxforge_target.esxi.banks import BankFiles
from esxforge_target.installer import added_modules, last_check, post
from esxforge_target.installer.bank_module import bank_module
from standin.vibs import NewPayload, NewVib, tgz
from target.hook.test_deploy import from_volume
from target.installer.conftest import Prepared
from target.installer.site import AGENT, PLAIN, Site
from target.installer.test_after_installing import FaultyFiles, PowerCutError, again, fields

NAMES = ("netdrv.v00", "tool.t00")
OTHER = tgz({"opt/tool": os.urandom(3000)})


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VIB with two payloads."""
    payloads = (NewPayload(), NewPayload("tool", OTHER, "tgz"))
    return NewVib(payloads=payloads).write(tmp_path_factory.mktemp("vib"))


@pytest.fixture
def with_driver(prepared: Prepared, driver: Path) -> Callable[..., Site]:
    """A site whose image adds the VIB, ESXi installed, %post not run yet."""

    def make(**more: object) -> Site:
        site = prepared(**{"add": [{"file": str(driver)}], **more})
        for name in NAMES:
            site.fake.load(name, from_volume(site.bench, name.upper()))
        assert site.pre() == 0, site.said
        site.install()
        return site

    return make


DAMAGES = [
    (lambda path: path.unlink(), "netdrv.v00 of net-drv 1.2.0-1vmw.800.1.0.1 cannot be read back"),
    (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is not as it was built"),
    (lambda path: path.write_bytes(path.read_bytes() + b"x"), "is not as it was built"),
]


def contents(site: Site) -> dict[str, bytes]:
    return {name: gzip.decompress((site.bank() / name).read_bytes()) for name in NAMES}


def test_the_bank_loads_them_at_every_start_behind_vmware_s_and_before_the_agent(
    with_driver: Callable[[], Site],
) -> None:
    site = with_driver()
    before = fields(site.bank())["modules"]
    assert site.post() == 0, site.said
    assert fields(site.bank())["modules"] == f"{before} --- netdrv.v00 --- tool.t00 --- esxforge.tgz"
    assert site.boots() == AGENT
    assert contents(site) == {name: site.ram(f"/tardisks/{name}").read_bytes() for name in NAMES}
    assert "netdrv.v00 of net-drv 1.2.0-1vmw.800.1.0.1" in site.said
    assert all((site.bank() / name).stat().st_size % 512 for name in NAMES), "VMware's loader for BIOS reads blocks"


def test_a_module_that_would_end_where_the_bios_loader_never_ends_is_made_longer(
    with_driver: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_driver()
    modules = post.added_modules(site.installer)
    data = {one.name: zipped for one, zipped in added_modules.read_modules(site.installer, modules)}
    length = len(data["tool.t00"])
    monkeypatch.setattr(added_modules, "_READ_BYTES", length)
    longer = {one.name: zipped for one, zipped in added_modules.read_modules(site.installer, modules)}
    assert length < len(longer["tool.t00"]) < length + 64
    assert gzip.decompress(longer["tool.t00"]) == gzip.decompress(data["tool.t00"])


def test_the_power_going_at_any_moment_of_post_leaves_plain_esxi_or_the_agent_with_all_modules(
    with_driver: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_driver()
    module = bank_module(site.installer, InstallRecord(site.boot, "", ""))
    monkeypatch.setattr(post, "bank_module", lambda installer, document: module)
    keep = {path: path.read_bytes() for path in site.bank().iterdir()}
    files = FaultyFiles(site.fake.root)
    site.installer.bank_files = files
    assert site.post() == 0, site.said
    count = len(files.steps)
    assert count == 15
    outcomes = []
    for at in range(count):
        for when in ("before", "middle", "after"):
            again(site, keep)
            site.installer.bank_files = FaultyFiles(site.fake.root, at, when, PowerCutError)
            site.post()
            outcomes.append(site.boots())
            listed = fields(site.bank())["modules"]
            assert [name in listed for name in NAMES] == [outcomes[-1] == AGENT] * 2
            if outcomes[-1] == AGENT:
                assert contents(site) == {name: site.ram(f"/tardisks/{name}").read_bytes() for name in NAMES}
    assert outcomes == sorted(outcomes, key=[PLAIN, AGENT].index), "boot.cfg was not the last write"
    assert set(outcomes) == {PLAIN, AGENT}
    site.installer.bank_files = BankFiles(site.fake.root)
    assert site.post() == 0, site.said
    assert site.boots() == AGENT


def test_a_write_that_fails_says_so_and_leaves_plain_esxi_or_a_whole_agent(
    with_driver: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_driver()
    module = bank_module(site.installer, InstallRecord(site.boot, "", ""))
    monkeypatch.setattr(post, "bank_module", lambda installer, document: module)
    keep = {path: path.read_bytes() for path in site.bank().iterdir()}
    for at in range(6):
        again(site, keep)
        site.installer.bank_files = FaultyFiles(site.fake.root, at, "middle")
        assert site.post() == 1
        assert os.strerror(errno.EIO) in site.said
        assert site.boots() == PLAIN


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_a_module_that_cannot_be_read_back_stops_the_deployment_before_the_disk_is_changed(
    prepared: Prepared, driver: Path, damage: Callable[[Path], object], reason: str
) -> None:
    site = prepared(add=[{"file": str(driver)}])
    for name in NAMES:
        site.fake.load(name, from_volume(site.bench, name.upper()))
    damage(site.ram("/tardisks/netdrv.v00"))
    assert site.pre() == 1
    assert "ESXi was NOT installed" in site.said
    assert reason in site.said
    assert "the secrets on" not in site.said, "the first write to the disk"
    assert not site.ram("/esxforge/run/install.cfg").exists()


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_a_module_that_esxi_does_not_hold_as_it_was_built_fails_the_deployment_and_esxi_stays_plain(
    with_driver: Callable[[], Site], damage: Callable[[Path], object], reason: str
) -> None:
    site = with_driver()
    damage(site.ram("/tardisks/netdrv.v00"))
    assert site.post() == 1
    assert reason in site.said
    assert site.boots() == PLAIN


def test_a_bank_without_room_for_them_is_named_with_its_bytes(
    with_driver: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_driver()
    room = len(bank_module(site.installer, InstallRecord(site.boot, "", ""))) + post._SPARE_BYTES
    original = post.find_bank

    def crowded(*arguments: object) -> object:
        bank, cfg = original(*arguments)  # type: ignore[arg-type]
        return bank.replace(free=room + 100), cfg

    monkeypatch.setattr(post, "find_bank", crowded)
    assert site.post() == 1
    assert f"has {room + 100} bytes free" in site.said
    assert site.boots() == PLAIN


@pytest.mark.parametrize("what", ["file", "listing", "both"])
def test_what_a_script_of_the_user_s_took_out_of_the_bank_is_put_back(
    with_driver: Callable[..., Site], what: str
) -> None:
    site = with_driver()
    assert site.post() == 0, site.said
    good = fields(site.bank())["modules"]
    if what in ("file", "both"):
        (site.bank() / "tool.t00").unlink()
    if what in ("listing", "both"):
        cfg = site.bank() / "boot.cfg"
        cfg.write_text(cfg.read_text().replace(" --- netdrv.v00", ""))
    assert last_check.main(site.installer) == 0, site.said
    assert sorted(fields(site.bank())["modules"].split(" --- ")) == sorted(good.split(" --- "))
    assert fields(site.bank())["modules"].endswith("esxforge.tgz")
    assert contents(site) == {name: site.ram(f"/tardisks/{name}").read_bytes() for name in NAMES}


@pytest.mark.parametrize(("what", "reason"), [("file", "is another file of that name"), ("listing", "lists a module")])
def test_a_module_of_esxi_s_own_with_that_name_is_not_replaced(
    with_driver: Callable[[], Site], what: str, reason: str
) -> None:
    site = with_driver()
    if what == "file":
        (site.bank() / "tool.t00").write_bytes(b"VMware's")
    else:
        cfg = site.bank() / "boot.cfg"
        cfg.write_text(cfg.read_text().replace("modules=", "modules=/TOOL.T00 --- "))
    before = {path.name: path.read_bytes() for path in site.bank().iterdir()}
    assert site.post() == 1
    assert reason in site.said
    after = {path.name: path.read_bytes() for path in site.bank().iterdir()}
    assert {name: after.get(name) for name in before} == before
    assert not set(after) & (set(NAMES) - set(before))
    assert "esxforge.tgz" not in after


def test_a_post_section_that_runs_again_needs_no_room_for_modules_that_are_there(
    with_driver: Callable[[], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_driver()
    assert site.post() == 0, site.said
    original = post.find_bank
    room = len(bank_module(site.installer, InstallRecord(site.boot, "", ""))) + post._SPARE_BYTES + 100

    def crowded(*arguments: object) -> object:
        bank, cfg = original(*arguments)  # type: ignore[arg-type]
        return bank.replace(free=room), cfg

    monkeypatch.setattr(post, "find_bank", crowded)
    assert site.post() == 0, site.said
    assert site.boots() == AGENT


def test_a_script_that_removes_a_module_from_memory_does_not_undo_a_bank_that_has_it(
    with_driver: Callable[..., Site],
) -> None:
    site = with_driver()
    assert site.post() == 0, site.said
    before = (site.bank() / "netdrv.v00").read_bytes()
    site.ram("/tardisks/netdrv.v00").unlink()
    assert last_check.main(site.installer) == 0, site.said
    assert site.boots() == AGENT
    assert (site.bank() / "netdrv.v00").read_bytes() == before


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"", lambda data: b"x"]
)
def test_a_damaged_module_in_the_bank_is_put_back_from_memory(
    with_driver: Callable[..., Site], damage: Callable[[bytes], bytes]
) -> None:
    site = with_driver()
    assert site.post() == 0, site.said
    path = site.bank() / "netdrv.v00"
    path.write_bytes(damage(path.read_bytes()))
    assert last_check.main(site.installer) == 0, site.said
    assert "a module of a VIB was changed or removed" in site.said
    assert contents(site) == {name: site.ram(f"/tardisks/{name}").read_bytes() for name in NAMES}
