"""The fake refuses what ESXi refuses, with a message and the real exit status, and changes nothing then."""

from __future__ import annotations

import copy
import shlex
from pathlib import Path

import pytest

from standin.esxi import FakeEsxi

VSWITCH = "network vswitch standard"
SETUP = [
    f"{VSWITCH} add -v vSwitch1",
    f"{VSWITCH} uplink add -v vSwitch1 -u vmnic1",
    f"{VSWITCH} portgroup add -p storage -v vSwitch1",
    f"{VSWITCH} portgroup add -p empty -v vSwitch1",
    "network ip interface add -i vmk1 -p storage",
    "network ip interface ipv4 set -i vmk1 -t static -I 192.168.7.5 -N 255.255.255.0",
    "network ip interface ipv6 address add -i vmk1 -I 2001:db8:7::5/64",
    "network ip route ipv4 add -n 10.20.0.0/16 -g 192.168.7.1",
    "network ip dns server add -s 192.0.2.1",
    "network ip dns search add -d example.com",
    "network ip netstack add -N vmotion",
]


@pytest.fixture
def fake(tmp_path: Path) -> FakeEsxi:
    return FakeEsxi.create(str(tmp_path))


def esxcli(fake: FakeEsxi, line: str) -> str:
    result = fake.run(["esxcli", *shlex.split(line)])
    assert result.status == 0, result
    return result.stdout


@pytest.fixture
def ready(fake: FakeEsxi) -> FakeEsxi:
    for line in SETUP:
        assert esxcli(fake, line) == ""
    return fake


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> FakeEsxi:
    """One host for all errors: each test proves that it left the host as it was."""
    fake = FakeEsxi.create(str(tmp_path_factory.mktemp("unmoved")))
    for line in SETUP:
        esxcli(fake, line)
    return fake


REFUSED = [
    # grammar
    ("network", "Usage"),
    ("network nothing list", "Unknown command or namespace network nothing"),
    (f"{VSWITCH} add", "Missing required parameter -v|--vswitch-name"),
    (f"{VSWITCH} add -v", "requires a value"),
    (f"{VSWITCH} add --name vSwitch9", "Invalid option --name"),
    (f"{VSWITCH} add -v vSwitch9 -P many", "Expected integer value type but got 'many'"),
    (f"{VSWITCH} add -v vSwitch9 -v vSwitch8", "more than once"),
    ("network nic list extra", "Unknown command or namespace network nic list extra"),
    ("--formatter=xml network nic list", "Unknown formatter xml"),
    ("network ip interface set -i vmk0 -m None", "Expected integer value type but got 'None'"),
    ("network ip interface set -i vmk0 -e maybe", "Expected boolean"),
    # vSwitches and uplinks
    (f"{VSWITCH} add -v vSwitch1", "Already exists"),
    (f"{VSWITCH} add -v {'x' * 32}", "Invalid name"),
    (f"{VSWITCH} remove -v vSwitch9", "No vSwitch with name vSwitch9"),
    (f"{VSWITCH} remove -v vSwitch1", "in use by vmk1"),
    (f"{VSWITCH} set -v vSwitch1 -m 9001", "Invalid data constraint for parameter 'mtu'"),
    (f"{VSWITCH} set -v vSwitch1 -m 1400", "vmk1 uses MTU 1500"),
    (f"{VSWITCH} uplink add -v vSwitch1 -u vmnic99", "No such uplink"),
    (f"{VSWITCH} uplink add -v vSwitch1 -u vmnic0", "in use by vSwitch0"),
    (f"{VSWITCH} uplink add -v vSwitch1 -u vmnic1", "already connected to vSwitch1"),
    (f"{VSWITCH} uplink remove -v vSwitch1 -u vmnic2", "not connected to vSwitch1"),
    (f"{VSWITCH} policy failover set -v vSwitch1 -a vmnic2", "Invalid uplink vmnic2"),
    (f"{VSWITCH} policy failover set -v vSwitch1 -a vmnic1 -s vmnic1", "both active and standby"),
    (f"{VSWITCH} policy failover set -v vSwitch1 -l lacp", "Invalid data constraint for parameter 'load-balancing'"),
    # port groups
    (f"{VSWITCH} portgroup add -p storage -v vSwitch0", "Already exists"),
    (f"{VSWITCH} portgroup remove -p storage -v vSwitch1", "in use by vmk1"),
    (f"{VSWITCH} portgroup remove -p empty -v vSwitch0", "on vSwitch0"),
    (f"{VSWITCH} portgroup set -p storage -v 4096", "Invalid data constraint for parameter 'vlan-id'"),
    (f"{VSWITCH} portgroup set -p nowhere -v 5", "No portgroup with name nowhere"),
    # interfaces
    ("network ip interface add -i vmk1 -p empty", "Already exists"),
    ("network ip interface add -i vmk256 -p empty", "Invalid VMkernel interface name"),
    ("network ip interface add -i eth0 -p empty", "Invalid VMkernel interface name"),
    ("network ip interface add -i vmk2 -p storage", "already exists: vmk1"),
    ("network ip interface add -i vmk2 -p empty -m 9000", "vSwitch1 has MTU 1500"),
    ("network ip interface add -i vmk2 -p empty -M 52:54:00:00:00:01", "already in use"),
    ("network ip interface add -i vmk2 -p empty -M 01:00:5e:00:00:01", "Invalid MAC address"),
    ("network ip interface add -i vmk2 -p empty -N nowhere", "Unable to find netstack instance nowhere"),
    ("network ip interface set -i vmk1 -m 9000", "vSwitch1 has MTU 1500"),
    ("network ip interface remove -i vmk5", "Unable to find vmkernel network interface vmk5"),
    ("network ip interface tag add -i vmk1 -t management", "Invalid tag management"),
    ("network ip interface tag remove -i vmk1 -t Management", "not set"),
    # IPv4
    ("network ip interface ipv4 set -i vmk1", "Missing required parameter -t|--type"),
    ("network ip interface ipv4 set -i vmk1 -t manual", "Invalid data constraint for parameter 'type'"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.9.9.9", "requires netmask"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.9.9.9/24 -N 255.255.255.0", "Invalid IPv4 address"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.9.9.9 -N 24", "Invalid netmask"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.9.9.0 -N 255.255.255.0", "network or broadcast"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.0.0.100 -N 255.255.255.0", "already in use by vmk0"),
    ("network ip interface ipv4 set -i vmk1 -t static -I 10.9.9.9 -N 255.255.255.0 -g 10.9.8.1", "Invalid gateway"),
    ("network ip interface ipv4 set -i vmk1 -t dhcp -I 10.9.9.9", "only be given with type static"),
    ("network ip interface ipv4 set -i vmk1 -t none -P true", "only be used with type dhcp"),
    # IPv6
    ("network ip interface ipv6 address add -i vmk1 -I 2001:db8:7::6", "form <IPv6 address>/<prefix length>"),
    ("network ip interface ipv6 address add -i vmk1 -I 2001:db8:7::6/129", "Invalid IPv6 address"),
    ("network ip interface ipv6 address add -i vmk1 -I 2001:db8:7::5/64", "already in use by vmk1"),
    ("network ip interface ipv6 address add -i vmk0 -I 2001:db8:7::5/64", "already in use by vmk1"),
    ("network ip interface ipv6 address remove -i vmk1 -I 2001:db8:7::5/48", "not found"),
    # routes and DNS
    ("network ip route ipv4 add -n 10.30.0.0/16 -g 172.16.9.1", "unreachable"),
    ("network ip route ipv4 add -n 10.30.0.1/16 -g 192.168.7.1", "Invalid network"),
    ("network ip route ipv4 add -n 10.30.0.0 -g 192.168.7.1", "Invalid network"),
    ("network ip route ipv4 add -n 10.20.0.0/16 -g 192.168.7.2", "Already exists"),
    ("network ip route ipv4 add -n default -g 10.0.0.254", "Already exists"),
    ("network ip route ipv4 add -n 10.30.0.0/16 -g 192.168.7.5", "an address of this host"),
    ("network ip route ipv4 remove -n 10.20.0.0/16 -g 192.168.7.2", "not found"),
    ("network ip route ipv6 add -n 2001:db8:9::/48 -g 192.168.7.1", "Invalid gateway"),
    ("network ip dns server add -s 192.0.2.1", "Already exists"),
    ("network ip dns server add -s one.one.one.one", "Invalid DNS server"),
    ("network ip dns server remove -s 192.0.2.9", "not found"),
    ("network ip dns server remove", "Missing required parameter -s|--server"),
    ("network ip dns search add -d example.com", "Already exists"),
    ("network ip dns search remove -d example.org", "not found"),
    ("network ip netstack remove -N defaultTcpipStack", "in use"),
    # firewall
    ("network firewall ruleset set -r nothing -e true", "Invalid ruleset id nothing"),
    ("network firewall ruleset allowedip add -r httpClient -i 10.0.0.2", "allows all IP addresses"),
    ("network firewall ruleset allowedip add -r httpClient -i maas", "Invalid IP address"),
    # system
    ("system hostname set", "Must specify"),
    ("system hostname set --fqdn -x.example.com", "Invalid host name"),
    ("system hostname set --fqdn a.example.com --host b", "can not be combined"),
    ("system ntp set --enabled=true", "no servers"),
    ("system maintenanceMode set --enable false", "already disabled"),
    ("system shutdown reboot -d 20 -r test", "not in maintenance mode"),
    ("system settings advanced set -o /Nothing/Here -i 1", "Unable to find branch"),
    ("system settings advanced set -o /UserVars/SuppressShellWarning -i 2", "not between 0 and 1"),
    ("system account remove --id root", "can not be removed"),
    # storage
    ("storage core device list -d naa.0", "Unable to find device"),
    ("storage core adapter rescan", "exactly one"),
    ("storage filesystem unmount -l nothing", "No volume with label"),
    ("storage filesystem mount -l datastore1", "already mounted"),
]


@pytest.mark.parametrize(("line", "said"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_esxi_refuses_fails_with_a_message_and_changes_nothing(unmoved: FakeEsxi, line: str, said: str) -> None:
    before = copy.deepcopy(unmoved.running)
    result = unmoved.run(["esxcli", *shlex.split(line)])
    if said != "Usage":
        assert result.status == 1
    assert said in result.stdout
    assert result.stderr == ""
    assert unmoved.running == before


def test_errors_go_to_stderr_where_the_host_is_made_so(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path), errors_on_stdout=False)
    result = fake.run(["esxcli", "network", "nothing"])
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Unknown command")


@pytest.mark.parametrize(
    "line",
    [
        f"{VSWITCH} add --vswitch-name=vSwitch2",
        f"{VSWITCH} add --vswitch-name vSwitch2",
        f"{VSWITCH} add -v vSwitch2",
        f"{VSWITCH} add -P 64 -v vSwitch2",
    ],
)
def test_long_and_short_options_mean_the_same(fake: FakeEsxi, line: str) -> None:
    esxcli(fake, line)
    assert "vSwitch2" in fake.running["vswitches"]


def test_the_second_uplink_of_a_switch_is_unused_until_the_team_names_it(ready: FakeEsxi) -> None:
    esxcli(ready, f"{VSWITCH} uplink add -v vSwitch1 -u vmnic2")
    shown = esxcli(ready, f"{VSWITCH} policy failover get -v vSwitch1")
    assert "   Active Adapters: vmnic1\n" in shown
    assert "   Unused Adapters: vmnic2\n" in shown
    esxcli(ready, f"{VSWITCH} policy failover set -v vSwitch1 -a vmnic2 -s vmnic1 -l explicit")
    shown = esxcli(ready, f"{VSWITCH} policy failover get -v vSwitch1")
    assert "   Active Adapters: vmnic2\n   Standby Adapters: vmnic1\n   Unused Adapters: \n" in shown


def test_a_port_groups_own_team_stands_until_it_is_taken_back(ready: FakeEsxi) -> None:
    group = f"{VSWITCH} portgroup policy failover"
    esxcli(ready, f"{group} set -p storage -l iphash")
    assert "Override Vswitch Load Balancing: true" in esxcli(ready, f"{group} get -p storage")
    esxcli(ready, f"{group} set -p storage -u")
    shown = esxcli(ready, f"{group} get -p storage")
    assert "Load Balancing: srcport" in shown
    assert "Override Vswitch Load Balancing: false" in shown


def test_removing_an_address_takes_its_routes_along(ready: FakeEsxi) -> None:
    assert "10.20.0.0" in esxcli(ready, "network ip route ipv4 list")
    esxcli(ready, "network ip interface ipv4 set -i vmk1 -t static -I 192.168.8.5 -N 255.255.255.0")
    assert "10.20.0.0" not in esxcli(ready, "network ip route ipv4 list")


def test_an_uplinks_mtu_follows_its_switch_and_its_limit_holds(fake: FakeEsxi) -> None:
    with fake.edit() as host:
        next(nic for nic in host.hardware["nics"] if nic["name"] == "vmnic0")["max_mtu"] = 4000
    result = fake.run(["esxcli", *f"{VSWITCH} set -v vSwitch0 -m 9000".split()])
    assert "vmnic0 supports at most 4000" in result.stdout
    esxcli(fake, f"{VSWITCH} set -v vSwitch0 -m 4000")
    (line,) = [line for line in esxcli(fake, "network nic list").splitlines() if line.startswith("vmnic0 ")]
    assert "  4000  " in line


def test_nics_sort_as_text_and_one_without_driver_is_not_shown(fake: FakeEsxi) -> None:
    lines = esxcli(fake, "network nic list").splitlines()[2:]
    assert [line.split()[0] for line in lines][:5] == ["vmnic0", "vmnic1", "vmnic10", "vmnic11", "vmnic2"]
    assert len(lines) == 12
    assert not any("0c:42:a1:00:00:99" in line for line in lines)


def test_a_generated_mac_is_vmwares_and_unique(ready: FakeEsxi) -> None:
    esxcli(ready, "network ip interface add -p empty")
    macs = [vmk["mac"] for vmk in ready.running["interfaces"].values()]
    assert len(set(macs)) == 3
    assert ready.running["interfaces"]["vmk2"]["mac"].startswith("00:50:56:6")


def test_hostd_answers_after_a_while_and_localcli_at_once(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path), hostd_delay=2)
    asked = ["esxcli", "system", "version", "get"]
    assert "Connect to localhost failed: Connection failure" in fake.run(asked).stdout
    assert fake.run(["localcli", *asked[1:]]).status == 0
    assert fake.run(["vim-cmd", "hostsvc/enable_ssh"]).status == 1
    assert fake.run(asked).status == 0


def test_a_program_that_is_not_there_ends_with_127(fake: FakeEsxi) -> None:
    assert fake.run(["ip", "addr"]).status == 127
    old = FakeEsxi.create(fake.path("/tmp/old"), release="6.7")
    assert old.run(["/usr/lib/vmware/uefi/bin/bootorder"]).status == 127
    assert "system ntp" in old.run(["esxcli", "system", "ntp", "get"]).stdout


def test_accounts_stand_in_the_password_files(fake: FakeEsxi) -> None:
    add = "system account add --id=joiner --password=Secret-1 --password-confirmation=Secret-1 --description=vCenter"
    esxcli(fake, add)
    assert "joiner:x:" in Path(fake.path("/etc/passwd")).read_text(encoding="ascii")
    assert "Already exists".lower() in fake.run(["esxcli", *add.split()]).stdout.lower()
    esxcli(fake, "system permission set --id joiner --role Admin")
    esxcli(fake, "system account remove --id joiner")
    assert "joiner" not in esxcli(fake, "system account list") + esxcli(fake, "system permission list")


def test_vim_cmd_changes_services_and_advanced_options(fake: FakeEsxi) -> None:
    assert fake.run(["vim-cmd", "hostsvc/enable_ssh"]).status == 0
    assert fake.run(["vim-cmd", "hostsvc/start_ssh"]).status == 0
    assert fake.running["services"]["TSM-SSH"] == {"policy": True, "running": True}
    update = ["vim-cmd", "hostsvc/advopt/update", "UserVars.SuppressShellWarning", "long"]
    assert fake.run([*update, "1"]).status == 0
    assert "Int Value: 1" in esxcli(fake, "system settings advanced list -o /UserVars/SuppressShellWarning")
    assert fake.run([*update, "7"]).status == 1
    assert fake.run(["vim-cmd", "hostsvc/nothing"]).status == 1
    assert fake.run(["esxcfg-advcfg", "-g", "/UserVars/SuppressShellWarning"]).stdout.endswith("is 1\n")


@pytest.mark.parametrize("program", ["esxcfg-nics", "esxcfg-vmknic", "esxcfg-route", "esxcfg-volume"])
def test_esxcfg_programs_list_and_refuse_the_rest(fake: FakeEsxi, program: str) -> None:
    assert fake.run([program, "-l"]).status == 0
    assert fake.run([program, "--everything"]).status == 1
