"""Every setting of every dial changes what the fake does, and no other dial than those tested here exists."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from standin.esxi import FakeEsxi
from standin.esxi.dials import DIALS, checked
from standin.esxi.presets import disk, nics_from
from standin.esxi.world import default_world
from standin.maas_metadata import VirtualClock

GIB = 1 << 30
MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
STANDARD = "network vswitch standard"
IPV4 = "network ip interface ipv4"
IPV6 = "network ip interface ipv6"
STATIC = f"{IPV4} set -i vmk0 -t static -I 10.0.0.10 -N 255.255.255.0"


class Probe:
    """A host with two NICs and a data disk, one dial turned."""

    def __init__(self, directory: Path, dial: str, setting: str, **host: Any) -> None:
        self.clock = VirtualClock()
        self.clock.elapsed = 1000.0
        disks = [disk("naa.1", 200 * GIB, "sas", boot=True), disk("naa.2", 20 * GIB, "sas")]
        self.fake = FakeEsxi.create(
            str(directory), nics=nics_from(MACS), disks=disks, dials={dial: setting}, clock=self.clock,
            world=default_world(MACS), json_blanks=True, **host,
        )  # fmt: skip

    def status(self, line: str) -> int:
        return self.fake.run(["esxcli", *line.split()]).status

    def do(self, line: str) -> str:
        result = self.fake.run(["esxcli", *line.split()])
        assert result.status == 0, (line, result)
        return result.stdout

    def ask(self, line: str) -> Any:
        return json.loads(self.do("--formatter=json " + line))

    def defaults(self, version: int = 4) -> list[tuple[str, str]]:
        rows = self.ask(f"network ip route ipv{version} list")
        return [(row["Gateway"], row["Interface"]) for row in rows if row["Network"] == "default"]

    def second(self) -> None:
        """vmk1 on vSwitch1, which has the second NIC."""
        second = next(nic["name"] for nic in self.fake.hardware["nics"] if nic["name"] not in self.uplinks("vSwitch0"))
        self.do(f"{STANDARD} add -v vSwitch1")
        self.do(f"{STANDARD} uplink add -v vSwitch1 -u {second}")
        self.do(f"{STANDARD} portgroup add -v vSwitch1 -p second")
        self.do("network ip interface add -i vmk1 -p second")

    def uplinks(self, switch: str) -> list[str]:
        found = [one["Uplinks"] for one in self.ask(f"{STANDARD} list") if one["Name"] == switch]
        return list(found[0])

    def address(self, vmk: str = "vmk0") -> str:
        return str(next(row["IPv4 Address"] for row in self.ask(f"{IPV4} get") if row["Name"] == vmk))


def _default_lease(host: Probe) -> Any:
    host.second()
    host.do(f"{IPV4} set -i vmk1 -t dhcp")
    one = host.defaults()[0][1]
    host.do(f"{IPV4} set -i vmk0 -t none")
    host.do(f"{IPV4} set -i vmk0 -t dhcp")
    return one, host.defaults()[0][1]


def _two_defaults(host: Probe) -> Any:
    host.do(f"{IPV4} set -i vmk0 -t none")
    host.second()
    host.do(f"{IPV4} set -i vmk1 -t dhcp")
    host.do(f"{IPV4} set -i vmk0 -t dhcp")
    return host.defaults()[0][1]


def _stale_lease_route(host: Probe) -> Any:
    host.do(STATIC)
    return len(host.defaults())


def _remove_leased_route(host: Probe) -> Any:
    return host.status("network ip route ipv4 remove -n default -g 10.0.0.1")


def _set_dhcp_again(host: Probe) -> Any:
    with host.fake.edit() as machine:
        machine.world["networks"]["lan"]["dhcp"]["lease"] = {MACS[0]: "10.0.0.77", MACS[1]: "10.0.0.77"}
    host.do(f"{IPV4} set -i vmk0 -t dhcp -P true")
    return host.address()


def _no_lease(host: Probe) -> Any:
    with host.fake.surroundings() as world:
        world["networks"]["lan"]["dhcp"]["alive"] = False
    return host.address()


def _lease_gateway(host: Probe) -> Any:
    return host.ask(f"{IPV4} get")[0]["Gateway"]


def _orphan_routes(host: Probe) -> Any:
    host.do("network ip route ipv4 add -n 172.16.0.0/16 -g 10.0.0.254")
    host.do(f"{IPV4} set -i vmk0 -t none")
    return "172.16.0.0" in [row["Network"] for row in host.ask("network ip route ipv4 list")]


def _stale_advertised_route(host: Probe) -> Any:
    before = len(host.defaults(6))
    host.do(f"{IPV6} set -i vmk0 -r false")
    return before, len(host.defaults(6))


def _leased_dns(host: Probe) -> Any:
    host.do(STATIC)
    return host.ask("network ip dns server list")["DNSServers"]


def _default_route_name(host: Probe) -> Any:
    return host.ask("network ip route ipv4 list")[0]["Network"]


def _static_route_source(host: Probe) -> Any:
    host.do("network ip route ipv4 add -n 172.16.0.0/16 -g 10.0.0.254")
    rows = host.ask("network ip route ipv4 list")
    return next(row["Source"] for row in rows if row["Network"] == "172.16.0.0")


def _new_uplink(host: Probe) -> Any:
    (first,) = host.uplinks("vSwitch0")
    second = "vmnic1" if first == "vmnic0" else "vmnic0"
    host.do(f"{STANDARD} uplink add -v vSwitch0 -u {second}")
    team = host.ask(f"{STANDARD} policy failover get -v vSwitch0")
    return next(role for role in ("Active", "Standby", "Unused") if second in team[role + " Adapters"])


def _set_mtu(host: Probe) -> Any:
    host.do(f"{STANDARD} set -v vSwitch0 -m 9000")
    up = host.fake.reaches("10.0.0.2")
    host.clock.sleep(10.0)
    return up, host.fake.reaches("10.0.0.2")


def _overrides(host: Probe) -> Any:
    words = [*f"--formatter=json {STANDARD} portgroup policy failover get -p".split(), "Management Network"]
    return json.loads(host.fake.run(["esxcli", *words]).stdout)["Override Vswitch Uplinks"]


def _fresh_uplink(host: Probe) -> Any:
    nics = {row["Name"]: row["MAC Address"] for row in host.ask("network nic list")}
    return nics[host.uplinks("vSwitch0")[0]]


def _uplink_order(host: Probe) -> Any:
    (first,) = host.uplinks("vSwitch0")
    second = "vmnic1" if first == "vmnic0" else "vmnic0"
    host.do(f"{STANDARD} uplink add -v vSwitch0 -u {second}")
    return host.uplinks("vSwitch0").index(first)


def _vmk0_mac(host: Probe) -> Any:
    return host.ask("network ip interface list")[0]["MAC Address"] in MACS


def _new_vmk_ipv4(host: Probe) -> Any:
    host.second()
    return host.ask(f"{IPV4} get -i vmk1")[0]["Address Type"]


def _new_vmk_advertisements(host: Probe) -> Any:
    host.second()
    return host.ask(f"{IPV6} get -i vmk1")[0]["Router Adv Enabled"]


def _fresh_advertisements(host: Probe) -> Any:
    return host.ask(f"{IPV6} get -i vmk0")[0]["Router Adv Enabled"]


def _detection(host: Probe) -> Any:
    with host.fake.edit() as machine:
        machine.world["networks"]["lan"]["hosts"]["2001:db8:0:1::10"] = {"alive": True}
    host.do(f"{IPV6} address add -i vmk0 -I 2001:db8:0:1::10/64")

    def shown() -> str:
        rows = host.ask(f"{IPV6} address list")
        return str(next(row["Status"] for row in rows if row["Address"] == "2001:db8:0:1::10"))

    first = shown()
    host.clock.sleep(5.0)
    return first, shown()


ADDED = (
    f"{STANDARD} add -v vSwitch0",
    f"{STANDARD} uplink add -v vSwitch1 -u vmnic1",
    f"{STANDARD} portgroup add -v vSwitch1 -p second",
    "network ip interface tag add -i vmk1 -t VMotion",
    "network ip route ipv4 add -n 172.16.0.0/16 -g 10.0.0.254",
    f"{IPV6} address add -i vmk1 -I 2001:db8::5/64",
    "network ip dns server add -s 192.0.2.1",
    "network ip dns search add -d example.net",
)
MISSING = (
    f"{STANDARD} remove -v vSwitch7",
    f"{STANDARD} uplink remove -v vSwitch0 -u vmnic9",
    f"{STANDARD} portgroup remove -v vSwitch0 -p missing",
    "network ip interface remove -i vmk9",
    "network ip interface tag remove -i vmk0 -t VSAN",
    "network ip route ipv4 remove -n 172.17.0.0/16 -g 10.0.0.254",
    f"{IPV6} address remove -i vmk0 -I 2001:db8::77/64",
    "network ip dns server remove -s 192.0.2.99",
    "network ip dns search remove -d missing.example.net",
)


def _already_there(host: Probe) -> Any:
    host.second()
    for line in ADDED:
        host.status(line)
    assert host.status("network ip route ipv4 add -n 172.16.0.0/16 -g 10.0.0.253") != 0  # another route, same network
    return {host.status(line.replace("vmnic1", host.uplinks("vSwitch1")[0])) for line in ADDED}


def _not_there(host: Probe) -> Any:
    return {host.status(line) for line in MISSING}


def _list_lag(host: Probe) -> Any:
    host.ask(f"{STANDARD} list")
    host.do(f"{STANDARD} add -v vSwitch1")
    seen = []
    for _ in range(3):
        seen.append(len(host.ask(f"{STANDARD} list")))
        host.clock.sleep(4.0)
    return seen


def _extent_lag(host: Probe) -> Any:
    path = "/vmfs/devices/disks/naa.2"
    for words in (
        ["partedUtil", "mklabel", path, "gpt"],
        ["partedUtil", "add", path, "gpt", "1 2048 41940000 AA31E02A400F11DB9590000C2911D1B8 0"],
        ["vmkfstools", "-C", "vmfs6", "-S", "data", path + ":1"],
        ["vim-cmd", "hostsvc/datastore/rename", "datastore1", "boot"],
    ):
        assert host.fake.run(words).status == 0, words
    assert {"data", "boot"} <= {row["Volume Name"] for row in host.ask("storage filesystem list")}
    seen = []
    for _ in range(3):
        seen.append(sorted(row["Volume Name"] for row in host.ask("storage vmfs extent list")))
        host.clock.sleep(35.0)
    return seen


def _renamed_key(host: Probe) -> Any:
    answers = [
        host.do(f"--formatter={form} {line}")
        for form in ("json", "keyvalue")
        for line in (
            f"{IPV4} get", f"{IPV6} get", "network ip interface list", f"{STANDARD} list", "network nic list",
            f"{STANDARD} policy failover get -v vSwitch0", f"{STANDARD} portgroup list", "network ip route ipv4 list",
            "network ip dns server list", "system hostname get", "storage core device list",
            "storage vmfs extent list", "network firewall get", "network firewall ruleset list",
        )
    ]  # fmt: skip
    return hash("".join(answers))


def _no_value(host: Probe) -> Any:
    return host.ask("system hostname get")["Domain Name"]


def _empty_list(host: Probe) -> Any:
    host.do("network ip netstack add -N empty")
    return host.do("--formatter=json network ip route ipv4 list -N empty").strip()


def _hostd(host: Probe) -> Any:
    before = host.clock.elapsed
    early = [host.status("system version get") for _ in range(12)]
    took = host.clock.elapsed - before
    host.clock.sleep(100.0)
    return early.count(0), took, host.status("system version get")


def _host_name(host: Probe) -> Any:
    host.do("system hostname set --host=old --domain=example.com")
    host.do("system hostname set --fqdn=esx01.maas")
    return host.ask("system hostname get")["Fully Qualified Domain Name"]


def _firewall(host: Probe) -> Any:
    return host.fake.reaches("10.0.0.2", 5248)


RULES = """<ConfigRoot><service id="9999"><id>ours</id>
<rule id="0000"><direction>outbound</direction><protocol>tcp</protocol><porttype>dst</porttype><port>5248</port></rule>
<enabled>true</enabled><required>false</required></service></ConfigRoot>
"""


def _rule_file(host: Probe) -> Any:
    Path(host.fake.path("/etc/vmware/firewall/ours.xml")).write_text(RULES, encoding="ascii")
    return host.status("network firewall refresh"), host.fake.reaches("10.0.0.2", 5248)


def _secure_boot_check(host: Probe) -> Any:
    result = host.fake.run(["/usr/lib/vmware/secureboot/bin/secureBoot.py", "-c"])
    return result.status, result.stdout.partition(":")[0].strip()


def _late_disk(host: Probe) -> Any:
    seen = []
    for _ in range(3):
        names = [row["Device"] for row in host.ask("storage core device list")]
        assert Path(host.fake.devices, "naa.2").exists() == ("naa.2" in names)
        seen.append(len(names))
        host.clock.sleep(40.0)
    return seen


def _boot_device(host: Probe) -> Any:
    return [row["Is Boot Device"] for row in host.ask("storage core device list")]


LATE_LISTS = {"none": [["boot", "data"]] * 3, "4 s": [["datastore1"], ["boot", "data"], ["boot", "data"]],
              "60 s": [["datastore1"], ["datastore1"], ["boot", "data"]]}  # fmt: skip
# Dial → what shows it, and what is seen under each setting (one callable: each setting shows something else).
PROBES: dict[str, tuple[Callable[[Probe], Any], dict[str, Any] | None]] = {
    "default-lease": (
        _default_lease,
        {"newest": ("vmk1", "vmk0"), "first": ("vmk0", "vmk0"), "lowest": ("vmk0", "vmk0")},
    ),
    "stale-lease-route": (_stale_lease_route, {"gone": 0, "stays": 1}),
    "remove-leased-route": (_remove_leased_route, {"works": 0, "refused": 1}),
    "set-dhcp-again": (_set_dhcp_again, {"asks": "10.0.0.77", "nothing": "10.0.0.100"}),
    "no-lease": (_no_lease, {"169.254": "169.254.1.10", "none": "0.0.0.0"}),  # noqa: S104  what esxcli prints
    "lease-gateway-shown": (_lease_gateway, {"yes": "10.0.0.1", "no": "0.0.0.0"}),  # noqa: S104
    "orphan-routes": (_orphan_routes, {"gone": False, "stay": True}),
    "stale-advertised-route": (_stale_advertised_route, {"gone": (1, 0), "stays": (1, 1)}),
    "leased-dns": (_leased_dns, {"gone": [], "stay": ["10.0.0.2"]}),
    "default-route-name": (_default_route_name, {"default": "default", "zeros": "0.0.0.0"}),  # noqa: S104
    "static-route-source": (_static_route_source, {"MANUAL": "MANUAL", "STATIC": "STATIC"}),
    "new-uplink": (_new_uplink, {"unused": "Unused", "active": "Active", "standby": "Standby"}),
    "set-mtu": (_set_mtu, {"keeps": (True, True), "bounces": (False, True)}),
    "management-team": (_overrides, {"follows": False, "overrides": True}),
    "fresh-uplink": (_fresh_uplink, {"booted": MACS[0], "first": MACS[1]}),
    "uplink-order": (_uplink_order, {"reversed": 1, "added": 0}),
    "vmk0-mac": (_vmk0_mac, {"nic": True, "own": False}),
    "new-vmk-ipv4": (_new_vmk_ipv4, {"none": "NONE", "dhcp": "DHCP"}),
    "new-vmk-advertisements": (_new_vmk_advertisements, {"no": False, "yes": True}),
    "fresh-advertisements": (_fresh_advertisements, {"yes": True, "no": False}),
    "ipv6-detection": (_detection, {"at once": ("DUPLICATE",) * 2, "2 s": ("TENTATIVE", "DUPLICATE")}),
    "already-there": (_already_there, {"refused": {1}, "silent": {0}}),
    "not-there": (_not_there, {"refused": {1}, "silent": {0}}),
    "list-lag": (_list_lag, {"none": [2, 2, 2], "2 s": [1, 2, 2], "8 s": [1, 1, 2]}),
    "extent-lag": (_extent_lag, LATE_LISTS),
    "renamed-key": (_renamed_key, None),
    "no-value": (_no_value, {"empty": "", "N/A": "N/A", "null": None}),
    "empty-list": (_empty_list, {"brackets": "[]", "nothing": ""}),
    "hostd": (_hostd, {"prompt": (12, 0, 0), "late": (0, 0, 0), "slow": (12, 36, 0), "unsteady": (11, 0, 0)}),
    "host-name": (_host_name, {"both": "esx01.maas", "domain": "old.maas", "host": "esx01.example.com"}),
    "firewall": (_firewall, {"closed": False, "open": True}),
    "secure-boot-check": (
        _secure_boot_check,
        {
            "can": (0, "Secure boot can be enabled"),
            "cannot": (0, "Secure boot CANNOT be enabled"),
            "missing": (127, "secureBoot.py"),
            "hangs": (124, "not finished"),
        },
    ),
    "rule-file": (_rule_file, {"taken": (0, True), "refused": (1, False), "ignored": (0, False)}),
    "late-disk": (_late_disk, {"none": [2, 2, 2], "10 s": [1, 2, 2], "60 s": [1, 1, 2]}),
    "boot-device": (_boot_device, {"shown": [True, False], "not shown": [False, False]}),
}
EVERY = [(dial.name, setting) for dial in DIALS.values() for setting in dial.settings]


def test_every_dial_has_its_probe() -> None:
    assert sorted(PROBES) == sorted(DIALS)


@pytest.mark.parametrize(("dial", "setting"), EVERY, ids=lambda text: text.replace(" ", ""))
def test_a_setting_does_what_it_says(tmp_path: Path, dial: str, setting: str) -> None:
    probe, expected = PROBES[dial]
    found = probe(Probe(tmp_path, dial, setting, booted=MACS[0]))
    if expected is not None:
        assert found == expected[setting]


def test_every_renamed_key_makes_another_answer(tmp_path: Path) -> None:
    seen = {
        setting: _renamed_key(Probe(tmp_path / setting, "renamed-key", setting))
        for setting in DIALS["renamed-key"].settings
    }
    assert [pair for pair in itertools.combinations(seen, 2) if seen[pair[0]] == seen[pair[1]]] == []


def test_the_settings_of_default_lease_differ(tmp_path: Path) -> None:
    found = {one: _two_defaults(Probe(tmp_path / one, "default-lease", one)) for one in ("newest", "first", "lowest")}
    assert found == {"newest": "vmk0", "first": "vmk1", "lowest": "vmk0"}


def test_a_dial_that_is_not_turned_stands_at_its_default(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path))
    with fake.edit() as host:
        assert {name: host.dial(name) for name in DIALS} == {name: dial.default for name, dial in DIALS.items()}


@pytest.mark.parametrize("wrong", [{"no-such": "x"}, {"new-uplink": "sideways"}])
def test_there_is_no_other_dial_and_no_other_setting(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="dial"):
        checked(wrong)


@pytest.mark.parametrize("dial", DIALS.values(), ids=lambda dial: dial.name)
def test_a_dial_says_what_is_known_of_it(dial: Any) -> None:
    assert dial.question.endswith("?")
    assert dial.known
    assert len(dial.settings) > 1
    assert all(dial.settings.values())


def test_a_slow_dhcp_server_answers_later(tmp_path: Path) -> None:
    host = Probe(tmp_path, "no-lease", "169.254")
    with host.fake.surroundings() as world:
        world["networks"]["lan"]["dhcp"]["delay"] = 30.0
    assert host.address().startswith("169.254.")
    host.clock.sleep(31.0)
    assert host.address() == "10.0.0.100"
    assert host.fake.reaches("10.0.0.2")
