"""What the agent does where a host cannot be what MAAS asked for, and what it tells MAAS then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.agent.life import MOST_STARTS
from esxforge_target.agent.lock import PATH as LOCK
from esxforge_target.agent.lock import Lock
from esxforge_target.agent.saving import COMMANDS
from standin.esxi import PowerLost
from standin.maas_metadata import Fault, MachineStatus
from target.agent.conftest import MakeSite
from target.agent.faults import settings
from target.agent.site import HASH, Away, Outage, Site

FAILED = MachineStatus.FAILED_DEPLOYMENT


def told(site: Site) -> str:
    """The last line of MAAS's event log; what a Deployed host says of Secure Boot comes after all else."""
    return [line for line in site.maas.machine.event_log if " readiness: " not in line][-1]


def assert_as_found(site: Site, before: dict[str, Any]) -> None:
    """Now and after a boot, with nothing left of the agent."""
    assert settings(site) == before
    assert site.leftovers() == []
    assert site.leaks() == []
    site.fake.power_cut()
    site.boot()
    assert settings(site) == before
    assert site.start() is None


def test_a_plan_that_is_refused_touches_nothing_and_says_why(site: MakeSite) -> None:
    host = site("simple-static")
    host.desired = host.desired.replace(
        interfaces=tuple(one.replace(mac="0c:42:a1:00:00:99") for one in host.desired.interfaces)
    )
    host.rewrite_module()
    before = settings(host)
    assert host.start() == 0
    assert host.status is FAILED
    assert "no ESXi driver for the NIC with the MAC address 0c:42:a1:00:00:99" in told(host)
    assert "nothing was changed" in told(host)
    assert "The end of the host's log:" in told(host)
    changes = ("add", "set", "remove", "-C", "-Z", "rename", "auto-backup.sh")
    ran = [" ".join(command) for command in host.fake.commands if set(command) & set(changes)]
    assert [line for line in ran if "firewall" not in line] == []
    assert_as_found(host, before)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"device": "naa.500000000000dead"}, "was installed on naa.500000000000dead but runs from"),
        ({"disk_guid": "00000000-0000-0000-0000-000000000001"}, "not 00000000-0000-0000-0000-000000000001"),
    ],
)
def test_no_partition_is_touched_where_the_boot_disk_is_in_doubt(
    site: MakeSite, change: dict[str, str], reason: str
) -> None:
    host = site("simple-static")
    assert host.installed is not None
    host.installed = host.installed.replace(**change)
    host.rewrite_module()
    before = settings(host)
    assert host.start() == 0
    assert host.status is FAILED
    assert reason in told(host)
    assert_as_found(host, before)


def with_vlan(host: Site, vlan: int) -> None:
    """Management is desired on a VLAN."""
    (nic,) = host.desired.interfaces
    vlan_interface = nic.replace(name=f"{nic.name}.{vlan}", kind="vlan", mac="", link=nic.name, vlan_id=vlan)
    host.desired = host.desired.replace(interfaces=(nic.replace(addresses=()), vlan_interface))
    host.rewrite_module()


def test_a_silent_network_is_put_back_and_maas_is_told_over_the_one_that_was_found(site: MakeSite) -> None:
    host = site("simple-static")
    with_vlan(host, 999)
    before = settings(host)
    assert host.start() == 0
    assert host.status is FAILED
    assert "The desired network does not lead to MAAS" in told(host)
    assert "MAAS answers with the network that was found" in told(host)
    assert 180 <= host.clock.elapsed < 900
    assert_as_found(host, before)


def test_where_the_found_network_is_silent_too_dhcp_on_the_nic_that_booted_tells_maas(site: MakeSite) -> None:
    host = site("simple-static")
    with_vlan(host, 999)
    with host.fake.edit() as esxi:
        esxi.running["portgroups"]["Management Network"]["vlan"] = 998
        esxi.store.save_configuration()
    host.fake.power_cut()
    host.boot()
    assert not host.reaches_maas()
    assert host.start() == 0
    assert host.status is FAILED
    assert "with DHCP on the NIC that booted" in told(host)
    assert host.leftovers() == []
    host.fake.power_cut()
    host.boot()
    assert host.reaches_maas()  # nobody is stranded


def test_a_network_that_was_only_slow_is_kept(site: MakeSite) -> None:
    host = site("simple-static")
    host.outages = [Outage(Away.MAAS, 0, 200), Outage(Away.GATEWAY, 0, 200)]
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert host.differences() == []
    assert "the desired network is tried once more" in host.log


def test_a_wrong_clock_does_no_harm(site: MakeSite) -> None:
    host = site("simple-static")
    host.clock.wrong_by = -86400.0 * 400
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED


def test_a_token_that_maas_refuses_ends_as_found(site: MakeSite) -> None:
    host = site("simple-static")
    before = settings(host)
    host.maas.machine.token_secret = "another"
    assert host.start() == 0
    assert host.status is FAILED  # events are taken by the token's key alone
    assert "status 401" in told(host)
    assert host.clock.elapsed < 900
    assert_as_found(host, before)


def test_a_machine_that_was_released_meanwhile_ends_as_found(site: MakeSite) -> None:
    host = site("simple-static")
    before = settings(host)
    host.maas.machine.status = MachineStatus.RELEASED
    assert host.start() == 0
    assert host.status is MachineStatus.RELEASED
    assert_as_found(host, before)


def test_a_proxy_that_drops_the_signature_is_not_believed(site: MakeSite) -> None:
    host = site("simple-static")
    host.outages = [Outage(Fault.UNSIGNED, 0, 1e9)]
    before = settings(host)
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYING
    assert "answered for another machine" in host.log
    host.outages = []
    assert_as_found(host, before)


def test_hostd_that_never_comes_up_is_done_without(site: MakeSite) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.store["power"]["hostd"] = False
    assert host.start() == 0
    assert "localcli is used instead" in host.log
    assert host.status is FAILED  # the SSH service needs hostd
    assert host.leftovers() == []


def test_hostd_that_comes_up_late_is_waited_for(site: MakeSite) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.store["power"]["hostd_refusals"] = 20
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert host.clock.elapsed >= 100


def test_a_failure_of_user_data_leaves_the_machine_deployed_and_is_told(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nchpasswd: {list: ['root:clear']}\n"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert "user-data: the machine stays Deployed." in told(host)
    assert "root is not a hash" in told(host)


@pytest.mark.parametrize("how", ["ignore", "fail"])
def test_a_host_whose_configuration_was_not_saved_is_not_called_deployed(site: MakeSite, how: str) -> None:
    host = site("simple-static")
    before = settings(host)
    for command in COMMANDS:
        host.moment.fail_always[" ".join(command)] = how
    assert host.start() == 0
    assert host.status is FAILED
    assert "ESXi did not save its configuration: /sbin/backup.sh 0" in told(host)
    assert_as_found(host, before)


def test_a_saved_configuration_that_is_cut_short_is_not_believed(site: MakeSite) -> None:
    host = site("simple-static")
    before = settings(host)

    def cut_short() -> None:
        state = host.bank / "state.tgz"
        host.fake.hourly_backup()
        state.write_bytes(state.read_bytes()[:-20])

    for command in COMMANDS:
        host.moment.fail_always[" ".join(command)] = "ignore"
        host.moment.at[" ".join(command)] = cut_short
    assert host.start() == 0
    assert host.status is FAILED
    assert settings(host) == before


def test_user_data_is_never_run_twice(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: twice.maas\n"
    host.moment.at["esxcli system hostname set --fqdn=twice.maas"] = host.cut
    host.live()
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["hostname"] == "esx01"
    assert "it is not run a second time" in told(host)


def test_what_user_data_changed_before_it_rebooted_the_host_stays(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#!/bin/sh\nthe owner's commands\nreboot\n"
    ran = []

    def owner() -> None:
        ran.append(host.moment.count)
        for line in (
            "esxcli network vswitch standard portgroup add -p vMotion -v vSwitch0",
            "esxcli network ip interface add -i vmk1 -p vMotion",
            "esxcli system hostname set --fqdn=owner.example",
        ):
            assert host.fake.run(line.split()).status == 0
        host.fake.shutdown()  # ESXi saves when it is shut down in order
        raise PowerLost("reboot")

    host.moment.at["sh -c"] = owner
    assert host.live() == 2
    assert len(ran) == 1
    second = host.moment.log[ran[0] :]
    assert not [step for step in second if (" set " in step and "firewall" not in step) or "remove -" in step], second
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["hostname"] == "owner"
    assert "vmk1" in host.fake.running["interfaces"]
    assert "restarted while it did user-data" in told(host)
    assert (host.leftovers(), host.leaks()) == ([], [])


def test_user_data_that_was_fetched_and_not_begun_is_fetched_again_and_run(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: once.maas\n"
    host.moment.at["GET /MAAS/metadata/latest/user-data"] = lambda: host.moment.at.update(
        {"append /bootbank/esxforge.jnl": host.cut}
    )
    assert host.live() == 2
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["hostname"] == "once"
    assert not any("it is not run" in line for line in host.maas.machine.event_log)


def test_a_deployed_host_is_left_alone_where_maas_is_silent_after_a_restart(site: MakeSite) -> None:
    host = site("simple-static")
    host.moment.at["GET /MAAS/metadata/latest/user-data"] = lambda: host.moment.at.update(
        {"append /bootbank/esxforge.jnl": host.cut}
    )
    with pytest.raises(PowerLost):
        host.start()
    assert host.status is MachineStatus.DEPLOYED
    host.boot()
    before = settings(host)
    count = host.moment.count
    host.outages = [Outage(one, 0, 1e9) for one in (Away.MAAS, Away.GATEWAY)]
    assert host.start() == 0
    changes = [step for step in host.moment.log[count:] if step.startswith("esxcli network ip")]
    assert changes == []
    host.outages = []
    assert_as_found(host, before)
    assert host.differences() == []


def fills_up_at(host: Site, step: str, how: str = "full") -> None:
    """The bank takes no more from this step on; an empty one: from the start."""

    def fill() -> None:
        host.moment.bank = how

    if step:
        host.moment.at[step] = fill
    else:
        fill()


def test_user_data_that_cannot_be_noted_is_not_run(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: twice.maas\n"
    fills_up_at(host, "GET /MAAS/metadata/latest/user-data")
    assert host.start() == 1
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["hostname"] == "esx01"
    assert "It was not run, as a restart could run it twice" in told(host)


def test_user_data_is_not_run_in_a_bank_that_filled_up_before_the_restart(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b"#cloud-config\nfqdn: twice.maas\n"
    host.moment.at["GET /MAAS/metadata/latest/user-data"] = host.cut
    with pytest.raises(PowerLost):
        host.start()
    host.boot()
    fills_up_at(host, "")
    host.start()
    assert host.status is MachineStatus.DEPLOYED
    assert host.fake.running["hostname"] == "esx01"
    assert "It was not run, as a restart could run it twice" in told(host)
    assert host.leaks() == []


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("", FAILED),
        ("esxcli network ip interface ipv4 set", FAILED),
        ("/sbin/auto-backup.sh", MachineStatus.DEPLOYED),
        ("GET /MAAS/metadata/latest/user-data", MachineStatus.DEPLOYED),
    ],
)
def test_a_bank_that_is_full_costs_no_truth_and_no_secret(site: MakeSite, step: str, status: MachineStatus) -> None:
    host = site("simple-static")
    before = settings(host)
    fills_up_at(host, step)
    for _ in range(2):
        assert host.start() == 1
        assert host.status is status
        assert host.leaks() == []
        host.fake.power_cut()
        host.boot()
        events = len(host.maas.machine.events)
    assert host.start() == 1
    assert len(host.maas.machine.events) == events  # all is said
    host.moment.bank = ""
    assert host.start() == 0
    assert (host.leftovers(), host.leaks()) == ([], [])
    if status is FAILED:
        assert_as_found(host, before)
    else:
        assert host.differences() == []


def test_a_bank_that_cannot_be_written_at_all_is_told(site: MakeSite) -> None:
    host = site("simple-static")
    before = settings(host)
    fills_up_at(host, "", "read-only")
    assert host.start() == 1
    assert host.status is FAILED
    assert "The journal in the boot bank cannot be written: Read-only file system. Nothing was set up." in told(host)
    assert settings(host) == before
    assert not Path(host.fake.path("/esxforge/secrets.json")).exists()


def test_a_module_that_stays_in_memory_is_said(site: MakeSite) -> None:
    host = site("simple-static")
    loaded = Path(host.fake.path("/tardisks/esxforge.tgz"))
    loaded.unlink()
    loaded.mkdir()  # which cannot be unlinked
    assert host.start() == 0
    assert "/tardisks/esxforge.tgz was not removed" in host.log
    assert "in memory until the next boot" in host.log


def test_vendor_data_that_cannot_be_used_is_told_and_stops_nothing(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.vendor_data = b"cloud-init: '#cloud-config\n\n  ntp: {servers: [\"not a name\"]}'\n"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert any("not a name" in line for line in host.maas.machine.event_log)


def test_a_second_start_does_nothing_while_the_first_runs(site: MakeSite) -> None:
    host = site("simple-static")
    seen = []
    host.moment.at["esxcli network ip interface ipv4 set"] = lambda: seen.append(host.start())
    assert host.start() == 0
    assert seen == [0]
    assert host.log.count("the agent starts") == 1
    assert not Path(host.fake.path(LOCK)).exists()


def test_the_lock_of_an_agent_that_was_killed_is_taken_over(site: MakeSite) -> None:
    host = site("simple-static")
    Path(host.fake.path(LOCK)).write_text("4194999")
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED


@pytest.mark.parametrize("links", [True, False])
def test_a_lock_that_its_maker_has_not_filled_yet_is_not_taken_over(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def link(before: str, after: str) -> None:
        raise OSError(1, "Operation not permitted")

    host = site("simple-static")
    if not links:
        monkeypatch.setattr("esxforge_target.agent.lock.os.link", link)
    path = Path(host.fake.path(LOCK))
    path.touch()
    system = host.system()
    fill = system.clock.sleep

    def sleep(seconds: float) -> None:
        path.write_text(str(system.process))
        fill(seconds)

    monkeypatch.setattr(system.clock, "sleep", sleep)
    assert not Lock(system).take()
    path.unlink()
    assert Lock(system).take()
    assert path.read_text() == str(system.process)
    assert not Lock(system).take()
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(path.name)] == [path.name]


def test_an_agent_that_never_comes_to_its_end_gives_up(site: MakeSite) -> None:
    host = site("simple-static")
    before = settings(host)

    def purple() -> None:
        host.moment.at["esxcli network ip interface ipv4 set -i vmk0 -t static"] = purple
        host.cut()

    host.moment.at["esxcli network ip interface ipv4 set -i vmk0 -t static"] = purple
    assert host.live(boots=10) == MOST_STARTS + 1
    assert host.status is FAILED
    assert "never came to its end" in told(host)
    assert_as_found(host, before)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("desired.json", "{", "desired.json is not JSON"),
        ("desired.json", "[" * 100_000, "desired.json is nested more than 32 levels deep"),
        ("host.json", "[]", "host.json is not a JSON object."),
        (
            "secrets.json",
            '{"version": 3, "maas": {"token_key": 4711}, "rootpw": ""}',
            "secrets.maas.token_key must be a text.",
        ),
        ("installed.json", '{"version": NaN}', "installed.json holds NaN, which is not a number."),
    ],
)
def test_a_damaged_host_module_changes_nothing_and_goes(site: MakeSite, name: str, text: str, reason: str) -> None:
    host = site("simple-static")
    before = settings(host)
    Path(host.fake.path("/esxforge/" + name)).write_text(text)
    assert host.start() == 0
    assert "FAILED: " in host.log
    assert reason in host.log
    assert "4711" not in host.log
    assert_as_found(host, before)


def test_secrets_go_even_where_memory_runs_out_for_what_takes_their_place(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_secrets(module: bytes) -> bytes:
        raise MemoryError

    monkeypatch.setattr("esxforge_target.agent.cleanup.without_secrets", without_secrets)
    host = site("simple-static")
    host.start()
    assert "cannot be overwritten alone: memory ran out" in host.log
    assert not (host.bank / "esxforge.tgz").exists()
    assert host.leaks() == []


def test_a_golden_host_gets_its_password_and_its_uuid_whatever_the_outcome(site: MakeSite) -> None:
    host = site("simple-static", kind="golden")
    configuration = Path(host.fake.path("/etc/vmware/esx.conf"))
    configuration.write_text('/adv/x = "1"\n/system/uuid = "5cb4c4d7-7e0f-4c55-9c1e-2cea7ff22f48"\n')
    host.fake.hourly_backup()
    host.maas.machine.token_secret = "another"
    host.start()
    assert host.status is FAILED
    host.fake.power_cut()
    host.boot()
    assert f"root:{HASH}:" in Path(host.fake.path("/etc/shadow")).read_text()
    assert "5cb4c4d7" not in configuration.read_text()
    assert configuration.read_text().startswith('/adv/x = "1"\n/system/uuid = "')
    assert host.leaks() == []


def test_a_golden_host_that_nobody_could_log_in_to_is_not_called_deployed(site: MakeSite) -> None:
    host = site("simple-static", kind="golden")
    before = settings(host)
    shadow = Path(host.fake.path("/etc/shadow"))
    shadow.write_text(shadow.read_text().replace("root:", "nobody:", 1))
    host.start()
    assert host.status is FAILED
    assert "The root password of this host could not be set: the password of root was not changed" in told(host)
    assert_as_found(host, before)


def test_a_golden_host_that_would_share_its_uuid_is_not_called_deployed(site: MakeSite) -> None:
    host = site("simple-static", kind="golden")
    before = settings(host)
    configuration = Path(host.fake.path("/etc/vmware/esx.conf"))
    configuration.write_text('/system/uuid = "5cb4c4d7-7e0f-4c55-9c1e-2cea7ff22f48"\n')
    Path(f"{configuration}.esxforge-new").mkdir()  # where the new content would be written
    host.start()
    assert host.status is FAILED
    assert "The system UUID could not be renewed" in told(host)
    assert_as_found(host, before)


def test_an_installed_host_keeps_its_password_and_uuid(site: MakeSite) -> None:
    host = site("simple-static")
    before = Path(host.fake.path("/etc/shadow")).read_text()
    host.start()
    assert Path(host.fake.path("/etc/shadow")).read_text() == before


def test_the_event_log_reads_as_a_story(site: MakeSite) -> None:
    host = site("vmfs7-bond", encrypted_password="QUJD")
    host.start()
    saved = "Saved: from now on the host stays like this."
    asked = "datastore datastore1: MAAS asked for 68.0 GiB (73010249728 bytes)"
    assert [line.partition(", it has ")[0] for line in host.maas.machine.event_log] == [
        "#1.01 inventory: ESXi runs; reading its NICs, disks and present settings",
        "#1.02 network: ESXi 8.0.3 build 24674464: 4 NICs, 3 disks. Setting up the network: 36 steps in all",
        "#1.03 storage: MAAS answers over the desired network. Setting up the datastores datastore1, datastore2",
        "#1.04 identity: Setting host name, SSH keys and certificate",
        "#1.05 password: Root's password, encrypted to the key of the recipe: QUJD",
        "#1.06 verify: This host is esx01.maas. Reading everything back",
        f"#1.07 persist: The host is as MAAS asked. {asked}",
        f"#1.08 vendor-data: {saved} Doing what MAAS itself asks for (time servers, vCenter)",
        "#1.09 user-data: The host is ready; fetching user-data",
        "#1.10 readiness: ESXi's check says that Secure Boot can be enabled.",
    ]
    restarts = [one["name"] for one in host.maas.machine.events if one["event_type"] == "finish"]
    assert restarts == ["cmd-install/stage-late"] * 3, "no finish of ours: MAAS stores none that went well"


def test_the_page_shows_the_event_log_as_maas_shows_it(site: MakeSite) -> None:
    host = site("vmfs7-bond")
    host.maas.machine.events_wait = 60.0
    host.start()
    assert host.maas.machine.query_events()["events"][0]["type"] == "Deployed", "ours wait, and are no INFO"
    host.clock.sleep(60)
    listed = host.maas.machine.query_events(level="DEBUG")["events"]
    ours = [f"    {one['level']} {one['description']}" for one in listed if "'esxforge'" in one["description"]]
    page = (Path(__file__).parents[3] / "docs" / "on-the-host.md").read_text()
    assert len(ours) == 9
    assert "\n".join(ours) in page


def test_consoles_show_what_happens_and_nothing_secret(site: MakeSite) -> None:
    host = site("simple-static")
    host.start()
    text = Path(host.fake.path("/dev/tty1")).read_text()
    assert "esxforge: Setting up the network" in text
    assert "this machine is deployed" in text


def test_the_inventory_that_stays_can_be_planned_from(site: MakeSite) -> None:
    host = site("simple-static")
    host.start()
    assert json.loads((host.bank / "esxforge.inv").read_text())["inventory"]["release"]["version"] == "8.0.3"


def test_the_bank_that_does_not_boot_is_cleaned_too(site: MakeSite) -> None:
    host = site("simple-static")
    other = Path(host.fake.path("/altbootbank"))
    module = (host.bank / "esxforge.tgz").read_bytes()
    (other / "esxforge.tgz").write_bytes(module)
    cfg = (other / "boot.cfg").read_text()
    (other / "boot.cfg").write_text(cfg.replace("state.tgz\n", "state.tgz --- esxforge.tgz\n"))
    assert host.start() == 0
    assert not (other / "esxforge.tgz").exists()
    assert "esxforge" not in (other / "boot.cfg").read_text()
    assert host.leaks() == []


def test_where_esxi_takes_no_rule_file_the_console_says_so_at_once_and_no_other_rule_set_is_touched(
    site: MakeSite,
) -> None:
    host = site("simple-static")
    before = settings(host)
    host.moment.fail_always["esxcli network firewall refresh"] = "fail"
    shown = []
    host.moment.at["GET /MAAS/metadata/latest/meta-data/instance-id"] = lambda: shown.append(
        Path(host.fake.path("/dev/console")).read_text()
    )
    assert host.live() == 1
    assert "the firewall was not opened, and MAAS cannot be reached unless it is off" in shown[0]
    assert "esxcli network firewall refresh ended with 1" in shown[0]
    assert not [one for one in host.fake.commands if "remoteSerialPort" in one or "vSPC" in one]
    host.moment.fail_always.clear()
    assert settings(host) == before
    assert host.leaks() == []


def test_a_rule_set_that_no_refresh_closes_is_named(site: MakeSite) -> None:
    host = site("simple-static")

    def ignore() -> None:
        host.moment.fail_always["esxcli network firewall refresh"] = "ignore"

    host.moment.at["esxcli --formatter=json system hostname get"] = ignore
    assert host.live() == 1
    assert host.status is MachineStatus.DEPLOYED
    assert "note: the firewall: ESXi still shows the rule set esxforge" in host.log


def test_a_firewall_that_is_off_needs_no_rule_file(site: MakeSite) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.running["firewall"]["enabled"] = False
        esxi.store.save_configuration()
    host.moment.fail_always["esxcli network firewall refresh"] = "fail"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED


@pytest.mark.parametrize(
    "question", ["network firewall get", "network firewall ruleset list", "network firewall ruleset allowedip list"]
)
def test_the_firewall_is_opened_without_knowing_how_it_stands(site: MakeSite, question: str) -> None:
    host = site("simple-static")
    before = settings(host)
    for end in ("", " -r esxforge"):
        host.moment.fail_always[f"esxcli --formatter=json {question}{end}"] = "fail"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert settings(host)["rulesets"] == before["rulesets"]
    assert host.leftovers() == []
