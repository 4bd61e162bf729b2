"""A deployment on the host from its first boot to the agent's leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.site import KEY, RECIPE_KEY


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("simple-static", "9.0.0"),
        ("simple-static", "7.0.3"),
        ("vmfs7-bond", "7.0.3"),
        ("vmfs7-bond", "8.0.3"),
        ("dhcp-only", "8.0.3"),
        ("esxi67-vmfs6-bond", "6.7.0"),
    ],
)
def test_a_host_becomes_what_maas_asked_for_and_the_agent_leaves(site: MakeSite, name: str, release: str) -> None:
    host = site(name, release)
    host.maas.machine.user_data = b"#cloud-config\nhostname: esx01\n"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED, host.log
    assert host.differences() == []
    assert host.leftovers() == []
    assert not (host.bank / "esxforge.tgz").exists()
    assert host.leaks() == []
    keys = Path(host.fake.path("/etc/ssh/keys-root/authorized_keys")).read_text().splitlines()
    assert keys == [KEY, RECIPE_KEY]
    assert host.fake.running["hostname"] == "esx01"
    assert host.fake.running["services"]["TSM-SSH"] == {"policy": True, "running": True}
    assert host.fake.saved == host.fake.running
    host.fake.power_cut()
    host.boot()
    if name != "dhcp-only":  # which of several leases brings the default route after a boot is ESXi's choice
        assert host.differences() == []
    assert host.start() is None


def test_the_firmware_starts_from_the_network_first_again(site: MakeSite) -> None:
    host = site()
    host.start()
    assert [entry["id"] for entry in host.fake.hardware["boot_entries"]] == ["0000", "0002"]


def test_the_recipe_may_keep_the_boot_order(site: MakeSite) -> None:
    host = site(keep_boot_order=True)
    host.start()
    assert [entry["id"] for entry in host.fake.hardware["boot_entries"]] == ["0002", "0000"]


@pytest.mark.parametrize(("before", "said"), [([], "is not known"), (["0000", "0002"], "no bootorder program")])
def test_a_boot_order_that_cannot_be_set_stops_nothing(site: MakeSite, before: list[str], said: str) -> None:
    host = site(boot_order=before)
    with host.fake.edit() as esxi:
        esxi.hardware["programs_missing"].append("bootorder")
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert said in host.log


def test_a_bootorder_whose_help_names_no_way_is_left_alone(site: MakeSite) -> None:
    host = site()
    host.moment.fail_always["/usr/lib/vmware/uefi/bin/bootorder -h"] = "fail"
    host.start()
    assert "names no option that sets the order" in host.log
    assert [entry["id"] for entry in host.fake.hardware["boot_entries"]] == ["0002", "0000"]


def test_without_a_key_the_ssh_service_stays_as_it_is(site: MakeSite) -> None:
    host = site(ssh_keys=[])
    host.maas.machine.public_keys = "Sorry, MAAS has no keys for you\n"
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert not Path(host.fake.path("/etc/ssh/keys-root/authorized_keys")).exists()
    assert host.fake.running["services"]["TSM-SSH"] == {"policy": False, "running": False}


def test_what_the_installer_step_has_to_report_is_told_first(site: MakeSite) -> None:
    host = site()
    notice = "Your %post (line 7 of your kickstart) ended with status 3."
    assert host.installed is not None
    host.installed = host.installed.replace(notices=(notice,))
    host.rewrite_module()
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    first = host.maas.machine.events[0]
    assert (first["event_type"], first["name"]) == ("start", "esxforge/kickstart")
    assert first["description"] == "#1.01 kickstart: " + notice
    assert notice in host.log
