"""What MAAS hears of Secure Boot once a host is Deployed, and that nothing of us is left to stand in its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.agent.readiness import secure_boot_readiness
from esxforge_target.agent.system import System
from esxforge_target.contract.added_module import AddedModule
from esxforge_target.esxi.banks import module_name
from esxforge_target.formats.boot_cfg import BootCfg
from esxforge_target.runtime.commands import Result, Runner
from esxforge_target.runtime.errors import ForgeError
from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.site import Site

BOOT_CFGS = sorted((Path(__file__).parents[2] / "data/boot-cfg").glob("*.cfg"))
CHECK = "/usr/lib/vmware/secureboot/bin/secureBoot.py -c"


CANNOT = "Secure boot CANNOT be enabled: Failed to verify signatures of the following vib(s): [net-community]."


def said(host: Site) -> list[str]:
    """What MAAS heard of it."""
    return [
        event["description"].partition("readiness: ")[2]
        for event in host.maas.machine.events
        if event["name"] == "esxforge/readiness"
    ]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("can", "ESXi's check says that Secure Boot can be enabled."),
        ("cannot", f"ESXi's check says that Secure Boot cannot be enabled: {CANNOT}"),
        ("missing", "This ESXi has no check for Secure Boot (/usr/lib/vmware/secureboot/bin/secureBoot.py)."),
        ("hangs", "ESXi's check for Secure Boot did not end within 90 seconds."),
    ],
)  # fmt: skip
def test_the_answer_is_the_last_event_and_never_a_failure(setting: str, sentence: str, site: MakeSite) -> None:
    host = site()
    with host.fake.edit() as esxi:
        esxi.hardware["dials"] = {**esxi.hardware.get("dials", {}), "secure-boot-check": setting}
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert said(host) == [sentence]
    assert host.maas.machine.events[-1]["name"] == "esxforge/readiness"
    assert all(event.get("result") != "FAIL" for event in host.maas.machine.events)
    assert host.leftovers() == []


def test_a_module_that_esxi_keeps_in_memory_is_a_hint_whatever_the_answer(site: MakeSite) -> None:
    host = site()
    loaded = Path(host.fake.path("/tardisks/esxforge.tgz"))
    loaded.unlink()
    loaded.mkdir()  # which cannot be unlinked
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    (sentence,) = said(host)
    assert sentence.startswith("ESXi's check says that Secure Boot cannot be enabled: ")
    assert sentence.endswith(f"restart the host, and run {CHECK} again.")


def test_a_host_that_keeps_added_modules_is_told_to_leave_it_off(site: MakeSite) -> None:
    modules = [AddedModule(name, vib, "0" * 64, 1) for name, vib in (("a.v00", "net-a 1"), ("b.v00", "net-b 2"))]
    host = site(modules=modules)
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    forbidden = "Leave Secure Boot off: a.v00 of net-a 1, b.v00 of net-b 2 are not ESXi's, and stay in the boot bank."
    assert said(host) == [forbidden]
    assert CHECK not in host.moment.log


@pytest.mark.parametrize("error", [ValueError("of a kind that nobody foresaw"), ForgeError("of ours"), OSError(5, "x")])
def test_whatever_goes_wrong_the_secrets_are_removed(
    error: Exception, site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise error

    monkeypatch.setattr("esxforge_target.agent.readiness.secure_boot_readiness", fails)
    host = site()
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert host.leftovers() == []
    assert "whether Secure Boot could be switched on was not reported" in host.log


def test_a_power_cut_while_esxi_is_asked_leaves_nothing_behind(site: MakeSite) -> None:
    host = site()
    host.moment.at[CHECK] = host.cut
    assert host.live() == 2
    assert host.status is MachineStatus.DEPLOYED
    assert host.leftovers() == []


def test_a_check_that_fails_or_says_something_else_is_repeated(site: MakeSite) -> None:
    host = site()
    host.moment.fail_always[CHECK] = "fail"
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert said(host) == ["ESXi's check for Secure Boot gave an answer that is not known (status 1): Operation failed."]


def test_a_host_with_secure_boot_on_is_not_asked(site: MakeSite) -> None:
    host = site(secure_boot=True)
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert said(host) == []


def test_a_failed_deployment_is_not_asked(site: MakeSite) -> None:
    host = site()
    for command in ("/sbin/auto-backup.sh", "/sbin/backup.sh 0"):
        host.moment.fail_always[command] = "fail"
    host.start()
    assert host.status is MachineStatus.FAILED_DEPLOYMENT
    assert said(host) == []


def test_after_cleanup_boot_cfg_is_as_vmware_wrote_it_byte_for_byte(site: MakeSite) -> None:
    host = site()
    before = (host.bank / "boot.cfg").read_bytes().replace(b" --- esxforge.tgz", b"")
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert (host.bank / "boot.cfg").read_bytes() == before
    assert not list(host.bank.glob("esxforge.[tT]*"))


@pytest.mark.parametrize("path", BOOT_CFGS, ids=lambda path: path.name)
def test_any_real_boot_cfg_comes_out_as_it_went_in(path: Path) -> None:
    before = path.read_bytes()
    cfg = BootCfg.parse(before)
    listed = BootCfg.parse(cfg.with_module(module_name(cfg)).to_bytes())
    assert [one.name for one in listed.modules][:-1] == [one.name for one in cfg.modules]
    assert listed.without_module(module_name(listed)).to_bytes() == before


class _Answering(Runner):
    def __init__(self, result: Result) -> None:
        self._result = result

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        return self._result


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (
            Result(1, "", "Secure boot CANNOT be enabled: tardisk esxforge.tgz"),
            "This names esxforge's own module. It is removed after this",
        ),
        (Result(0, "Secure boot CANNOT be enabled: " + "x" * 5000 + " esxforge.tgz", ""), "esxforge's own module"),
        (Result(1, "Secure boot can be enabled", ""), "gave an answer that is not known (status 1)"),
        (Result(0, "Secure boot CANNOT be enabled: " + "x" * 5000, ""), "xxx ..."),
        (Result(0, "", ""), "(status 0): it said nothing"),
    ],
)
def test_an_answer_is_read_by_its_words_alone(result: Result, sentence: str, tmp_path: Path) -> None:
    text = secure_boot_readiness(System(str(tmp_path), _Answering(result)), unloaded=True)
    assert sentence in text
    assert len(text) < 800
    hint = "ESXi was asked while esxforge's own module was still loaded"
    assert hint not in text
    assert hint in secure_boot_readiness(System(str(tmp_path), _Answering(result)), unloaded=False)
