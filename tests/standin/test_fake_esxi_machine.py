"""The machine around the commands: saving and power cuts, faults, the physical world, the executable form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from esxforge_target.runtime.commands import TIMED_OUT
from standin.esxi import FakeEsxi, PowerLost
from standin.pythons import find_python

TREE = Path(__file__).parents[2]
VSWITCH = ["esxcli", "network", "vswitch", "standard"]
LIST = [*VSWITCH, "list"]
STATIC = ["esxcli", "network", "ip", "interface", "ipv4", "set", "-i", "vmk0", "-t", "static"]
STATIC += ["-I", "10.0.0.10", "-N", "255.255.255.0"]
DEFAULT = ["esxcli", "network", "ip", "route", "ipv4", "add", "-n", "default", "-g", "10.0.0.1"]
RULES = """<ConfigRoot>
  <service id="9999">
    <id>maas</id>
    <rule id="0000">
      <direction>outbound</direction><protocol>tcp</protocol><porttype>dst</porttype>
      <port>{port}</port>
    </rule>
    <enabled>true</enabled><required>false</required>
  </service>
</ConfigRoot>
"""


@pytest.fixture
def fake(tmp_path: Path) -> FakeEsxi:
    return FakeEsxi.create(str(tmp_path / "host"))


def run(fake: FakeEsxi, *words: str) -> str:
    result = fake.run(list(words))
    assert result.status == 0, result
    return result.stdout


# -- saving ---------------------------------------------------------------------------------------------------------


def test_a_power_cut_loses_what_was_not_saved(fake: FakeEsxi) -> None:
    run(fake, *VSWITCH, "add", "-v", "kept")
    Path(fake.path("/etc/kept")).write_text("kept", encoding="ascii")
    assert "Saving current state in /bootbank" in run(fake, "/sbin/auto-backup.sh")
    run(fake, *VSWITCH, "add", "-v", "lost")
    Path(fake.path("/etc/lost")).write_text("lost", encoding="ascii")
    Path(fake.path("/tmp/lost")).write_text("lost", encoding="ascii")
    Path(fake.path("/bootbank/stays")).write_text("stays", encoding="ascii")
    fake.power_cut()
    with pytest.raises(PowerLost):
        fake.run(LIST)
    assert not fake.reaches("10.0.0.2")
    fake.boot()
    assert sorted(fake.running["vswitches"]) == ["kept", "vSwitch0"]
    assert Path(fake.path("/etc/kept")).exists()
    assert not Path(fake.path("/etc/lost")).exists()
    assert not Path(fake.path("/tmp/lost")).exists()
    assert Path(fake.path("/bootbank/stays")).exists()


def test_a_clean_reboot_and_the_hourly_backup_save(fake: FakeEsxi) -> None:
    run(fake, *VSWITCH, "add", "-v", "one")
    fake.reboot()
    assert "one" in fake.running["vswitches"]
    run(fake, *VSWITCH, "add", "-v", "two")
    fake.hourly_backup()
    fake.power_cut()
    fake.boot()
    assert "two" in fake.running["vswitches"]


def test_saving_needs_the_boot_bank(fake: FakeEsxi) -> None:
    Path(fake.path("/bootbank/boot.cfg")).unlink()
    result = fake.run(["/sbin/auto-backup.sh"])
    assert result.status == 1
    assert "Bootbank cannot be found" in result.stdout
    assert fake.run(["/sbin/backup.sh"]).status == 1


def test_the_reboot_command_wants_maintenance_mode_and_ends_the_machine(fake: FakeEsxi) -> None:
    run(fake, "esxcli", "system", "maintenanceMode", "set", "--enable", "true")
    with pytest.raises(PowerLost):
        fake.run(["esxcli", "system", "shutdown", "reboot", "-d", "20", "-r", "done"])
    assert not fake.is_on
    again = FakeEsxi.open(fake.store.directory)
    again.boot()
    assert "Enabled" in run(again, "esxcli", "system", "maintenanceMode", "get")
    assert again.store["power"]["boots"] == 2


def test_state_is_readable_json_that_tests_may_change_between_commands(fake: FakeEsxi) -> None:
    path = Path(fake.store.directory) / "running.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["hostname"] = "by-hand"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "Host Name: by-hand" in run(fake, "esxcli", "system", "hostname", "get")


def test_certificates_carry_the_name(fake: FakeEsxi) -> None:
    run(fake, "esxcli", "system", "hostname", "set", "--fqdn=esx1.example.com")
    run(fake, "/sbin/generate-certificates")
    assert "esx1.example.com" in Path(fake.path("/etc/vmware/ssl/rui.crt")).read_text(encoding="ascii")


# -- faults ---------------------------------------------------------------------------------------------------------


def test_ordered_faults_strike_the_nth_matching_command(fake: FakeEsxi) -> None:
    fake.fault("fail", nth=2, match="vswitch standard add", message="Sysinfo error: Busy", status=3)
    run(fake, *VSWITCH, "add", "-v", "one")
    run(fake, *LIST)
    result = fake.run([*VSWITCH, "add", "-v", "two"])
    assert (result.status, result.stdout) == (3, "Sysinfo error: Busy\n")
    run(fake, *VSWITCH, "add", "-v", "two")
    assert sorted(fake.running["vswitches"]) == ["one", "two", "vSwitch0"]


def test_a_hanging_command_times_out_and_an_ignored_one_does_nothing(fake: FakeEsxi) -> None:
    fake.fault("hang", match="-v one")
    fake.fault("ignore", match="-v two")
    assert fake.run([*VSWITCH, "add", "-v", "one"], timeout=7).status == TIMED_OUT
    assert fake.run([*VSWITCH, "add", "-v", "two"]).status == 0
    assert sorted(fake.running["vswitches"]) == ["vSwitch0"]


@pytest.mark.parametrize(("action", "is_there"), [("cut-before", False), ("cut-after", True)])
def test_the_power_goes_before_or_after_a_command(fake: FakeEsxi, action: str, is_there: bool) -> None:
    device = "/vmfs/devices/disks/naa.5000039b98d0a1b1"
    fake.fault(action, match="mklabel")
    with pytest.raises(PowerLost):
        fake.run(["partedUtil", "mklabel", device, "gpt"])
    assert not fake.is_on
    fake.boot()
    label = run(fake, "partedUtil", "getptbl", device).splitlines()[0]
    assert label == ("gpt" if is_there else "unknown")


def test_power_lost_is_not_caught_as_an_exception() -> None:
    assert not issubclass(PowerLost, Exception)


def test_every_command_is_logged(fake: FakeEsxi) -> None:
    run(fake, *LIST)
    fake.run(["nothing", "here"])
    assert fake.commands == [LIST, ["nothing", "here"]]


# -- the world ------------------------------------------------------------------------------------------------------


def test_a_fresh_install_has_a_lease_and_reaches_maas(fake: FakeEsxi) -> None:
    assert fake.reaches("10.0.0.2")
    assert fake.reaches("192.0.2.53")
    assert fake.reaches("2001:db8:ffff::53")
    assert "10.0.0.2" in run(fake, "esxcli", "network", "ip", "dns", "server", "list")


def test_maas_gone_and_gateway_dead_are_told_apart(fake: FakeEsxi) -> None:
    with fake.surroundings() as world:
        world["networks"]["lan"]["hosts"]["10.0.0.2"]["alive"] = False
    assert fake.why_not("10.0.0.2") == "10.0.0.2 does not answer on lan"
    assert fake.reaches("10.0.0.1")
    with fake.surroundings() as world:
        world["networks"]["lan"]["gateways"]["10.0.0.1"]["alive"] = False
    assert not fake.reaches("10.0.0.1")
    assert "gateway 10.0.0.1 does not answer" in fake.why_not("192.0.2.53")


def test_a_static_address_needs_a_default_route_of_its_own(fake: FakeEsxi) -> None:
    run(fake, *STATIC)
    assert fake.reaches("10.0.0.2")
    assert fake.why_not("192.0.2.53") == "no route to 192.0.2.53"
    run(fake, *DEFAULT)
    assert fake.reaches("192.0.2.53")


def test_a_wrong_vlan_or_a_pulled_cable_cuts_the_host_off(fake: FakeEsxi) -> None:
    run(fake, *STATIC)
    group = [*VSWITCH, "portgroup", "set", "-p", "Management Network", "-v"]
    run(fake, *group, "200")
    assert "reach no one network" in fake.why_not("10.0.0.2")
    run(fake, *group, "0")
    assert fake.reaches("10.0.0.2")
    with fake.surroundings() as world:
        world["cables"]["52:54:00:00:00:01"]["link"] = False
    assert not fake.reaches("10.0.0.2")
    assert "  Down" in run(fake, "esxcli", "network", "nic", "list").splitlines()[2]


def test_teams_fail_over_and_hashing_needs_a_static_channel(fake: FakeEsxi) -> None:
    run(fake, *STATIC)
    run(fake, *VSWITCH, "uplink", "add", "-v", "vSwitch0", "-u", "vmnic1")
    policy = [*VSWITCH, "policy", "failover", "set", "-v", "vSwitch0"]
    run(fake, *policy, "-a", "vmnic0", "-s", "vmnic1", "-l", "explicit")
    with fake.surroundings() as world:
        world["cables"]["52:54:00:00:00:01"]["link"] = False
    assert fake.reaches("10.0.0.2")
    with fake.surroundings() as world:
        world["cables"]["52:54:00:00:00:01"]["link"] = True
    run(fake, *policy, "-a", "vmnic0,vmnic1", "-l", "iphash")
    assert not fake.reaches("10.0.0.2")
    with fake.surroundings() as world:
        for mac in ("52:54:00:00:00:01", "52:54:00:00:00:02"):
            world["cables"][mac]["channel"] = "po1"
    assert fake.reaches("10.0.0.2")


def test_uplinks_of_different_networks_are_no_team(fake: FakeEsxi) -> None:
    run(fake, *STATIC)
    with fake.surroundings() as world:
        world["cables"]["52:54:00:00:00:02"]["native"] = None
    run(fake, *VSWITCH, "uplink", "add", "-v", "vSwitch0", "-u", "vmnic1")
    assert fake.reaches("10.0.0.2")
    run(fake, *VSWITCH, "policy", "failover", "set", "-v", "vSwitch0", "-a", "vmnic0,vmnic1")
    assert not fake.reaches("10.0.0.2")


def test_without_a_dhcp_server_an_interface_helps_itself(fake: FakeEsxi) -> None:
    with fake.surroundings() as world:
        world["networks"]["lan"]["dhcp"]["alive"] = False
    shown = run(fake, "esxcli", "network", "ip", "interface", "ipv4", "get")
    assert "169.254." in shown
    assert not fake.reaches("10.0.0.2")


def test_the_last_lease_takes_the_default_route_and_a_manual_one_stays(fake: FakeEsxi) -> None:
    run(fake, *VSWITCH, "portgroup", "add", "-p", "second", "-v", "vSwitch0")
    run(fake, "esxcli", "network", "ip", "interface", "add", "-i", "vmk1", "-p", "second")
    dhcp = ["esxcli", "network", "ip", "interface", "ipv4", "set", "-t", "dhcp", "-i"]
    run(fake, *dhcp, "vmk1")
    routes = ["esxcli", "network", "ip", "route", "ipv4", "list"]
    assert "vmk1" in run(fake, *routes).splitlines()[2]
    run(fake, *dhcp, "vmk0")
    assert "vmk0" in run(fake, *routes).splitlines()[2]
    run(fake, *STATIC)
    run(fake, *DEFAULT)
    run(fake, *dhcp, "vmk1")
    assert "MANUAL" in run(fake, *routes).splitlines()[2]


def test_routers_advertise_again_what_was_removed(fake: FakeEsxi) -> None:
    remove = ["esxcli", "network", "ip", "route", "ipv6", "remove", "-n", "default", "-g", "2001:db8:0:1::1"]
    run(fake, *remove)
    assert not fake.reaches("2001:db8:ffff::53")
    fake.routers_advertise()
    assert fake.reaches("2001:db8:ffff::53")


def test_the_firewall_keeps_maas_away_until_its_port_is_opened(fake: FakeEsxi) -> None:
    assert not fake.reaches("10.0.0.2", 5248)
    run(fake, *["esxcli", "network", "firewall", "ruleset", "set", "-r", "httpClient", "-e", "true"])
    assert not fake.reaches("10.0.0.2", 5248)
    assert fake.reaches("10.0.0.2", 443)
    path = Path(fake.path("/etc/vmware/firewall/maas.xml"))
    path.write_text(RULES.format(port=5248), encoding="ascii")
    assert not fake.reaches("10.0.0.2", 5248)
    run(fake, *["esxcli", "network", "firewall", "refresh"])
    assert fake.reaches("10.0.0.2", 5248)
    run(fake, *["esxcli", "network", "firewall", "ruleset", "set", "-r", "maas", "-a", "false"])
    assert not fake.reaches("10.0.0.2", 5248)
    run(fake, *["esxcli", "network", "firewall", "ruleset", "allowedip", "add", "-r", "maas", "-i", "10.0.0.2"])
    assert fake.reaches("10.0.0.2", 5248)
    fake.reboot()
    assert not fake.reaches("10.0.0.2", 5248)
    assert not path.exists()


@pytest.mark.parametrize("text", ["<ConfigRoot>", RULES.format(port="many"), RULES.replace("<id>maas</id>", "")])
def test_a_broken_rule_file_is_refused(fake: FakeEsxi, text: str) -> None:
    Path(fake.path("/etc/vmware/firewall/maas.xml")).write_text(text, encoding="ascii")
    result = fake.run(["esxcli", "network", "firewall", "refresh"])
    assert result.status == 1
    assert "maas.xml" in result.stdout


# -- as programs ----------------------------------------------------------------------------------------------------


def as_program(python: str, directory: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{TREE / 'tests'}{os.pathsep}{TREE / 'src'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "STANDIN_ESXI": directory,
    }
    command = [python, "-W", "error", "-m", "standin.esxi", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=stdin, env=environment)


@pytest.mark.parametrize("version", ["3.6", "3.8", ""])
def test_it_runs_as_a_program_on_old_pythons_too(fake: FakeEsxi, version: str) -> None:
    python = find_python(version) if version else sys.executable
    asked = as_program(python, fake.store.directory, "esxcli", "network", "nic", "list")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.splitlines()[2].startswith("vmnic0 ")
    refused = as_program(python, fake.store.directory, "/bin/esxcli", "network", "nothing")
    assert refused.returncode == 1
    made = as_program(python, fake.store.directory, "/bin/localcli", *VSWITCH[1:], "add", "-v", "vSwitch1")
    assert made.returncode == 0
    assert "vSwitch1" in fake.running["vswitches"]
    label = as_program(
        python, fake.store.directory, "partedUtil", "mklabel", "/vmfs/devices/disks/naa.5000039b98d0a1b1", "gpt"
    )
    assert (label.returncode, label.stderr) == (0, "")
    fake.power_cut()
    off = as_program(python, fake.store.directory, "esxcli", "network", "nic", "list")
    assert off.returncode == 255


def test_it_needs_to_know_its_directory(fake: FakeEsxi) -> None:
    assert as_program(sys.executable, "", "esxcli").returncode == 2
