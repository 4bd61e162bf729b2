"""What ESXi does not say is unknown, not empty: an answer that lacks what the plan or its undo needs is unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esxforge_target.esxi.esxcli import CommandError, Esxcli, Record, normal
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.model import Inventory, Policy, PortGroup
from esxforge_target.inventory.network import check_network, read_routes, read_vmks
from esxforge_target.inventory.read import read, reread_network
from esxforge_target.runtime.commands import Result, Runner
from standin.esxi import FakeEsxi

Change = Callable[[list[dict[str, Any]]], None]


class Bent(Runner):
    """A host of which one command's answer is changed, in JSON and, as there is no other, in every form."""

    def __init__(self, runner: Runner, command: str, change: Change) -> None:
        self._runner = runner
        self._command = command
        self._change = change

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        result = self._runner.run(arguments, timeout, stdin)
        if " ".join(arguments).startswith(f"esxcli --formatter=json {self._command}"):
            document = json.loads(result.stdout)
            rows = document if isinstance(document, list) else [document]
            self._change(rows)
            return Result(0, json.dumps(rows))
        return result


def without(key: str) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for spelling in [one for one in row if normal(one) == key]:
                del row[spelling]

    return change


def having(key: str, value: Any) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for spelling in [one for one in row if normal(one) == key]:
                row[spelling] = value

    return change


def inventory_of(runner: Runner, fake: FakeEsxi) -> Inventory:
    return read(runner, DeviceDirectory(fake.devices))


@pytest.fixture
def fake(tmp_path: Path) -> FakeEsxi:
    made = FakeEsxi.create(str(tmp_path), "sata-2-nics", "8.0.3")
    for line in (
        "network ip interface ipv6 address add -i vmk0 -I 2001:db8:9::5/64",
        "network vswitch standard portgroup add -p extra -v vSwitch0",
        "network ip route ipv4 add -g 10.0.0.254 -n 10.44.0.0/16",
    ):
        assert made.run(["esxcli", *line.split()]).status == 0
    return made


NEEDED = {
    "system version get": ("version",),
    "network nic list": ("name", "macaddress"),
    "network vswitch standard list": ("name", "mtu", "uplinks"),
    "network vswitch standard policy failover get": ("loadbalancing", "activeadapters", "standbyadapters"),
    "network vswitch standard portgroup list": ("name", "virtualswitch", "vlanid"),
    "network vswitch standard portgroup policy failover get": ("overridevswitchuplinks", "overridevswitchfailback"),
    "network ip interface list": ("name", "macaddress", "portgroup", "netstackinstance", "mtu"),
    "network ip interface ipv4 get": ("name", "addresstype", "ipv4address", "ipv4netmask", "dhcpdns"),
    "network ip interface ipv6 get": ("name", "ipv6enabled", "dhcpv6enabled", "routeradvenabled"),
    "network ip interface ipv6 address list": ("interface", "address", "netmask", "type"),
    "network ip interface tag get": ("tags",),
    "network ip route ipv4 list": ("network", "netmask", "gateway", "interface", "source"),
    "network ip dns server list": ("dnsservers",),
    "network ip dns search list": ("dnssearchdomains",),
    "storage core device list": ("size", "isbootdevice"),
    "storage vmfs extent list": ("volumename", "vmfsuuid", "extentnumber", "devicename", "partition"),
    "storage filesystem list": ("volumename", "uuid", "size"),
}
FIELDS = [(command, key) for command in NEEDED for key in NEEDED[command]]


@pytest.mark.parametrize(("command", "key"), FIELDS)
def test_an_answer_without_a_field_that_is_needed_names_command_and_field(
    fake: FakeEsxi, command: str, key: str
) -> None:
    with pytest.raises(CommandError) as caught:
        inventory_of(Bent(fake, command, without(key)), fake)
    assert caught.value.message.startswith(f"esxcli {command}")
    assert f"the field {key} is missing" in caught.value.message
    assert caught.value.hint


MAY_BE_EMPTY = (
    "ipv4address",  # no lease
    "uplinks", "activeadapters", "standbyadapters", "tags", "dnsservers", "dnssearchdomains", "volumename", "uuid",
)  # fmt: skip


@pytest.mark.parametrize(("command", "key"), [one for one in FIELDS if one[1] not in MAY_BE_EMPTY])
def test_an_empty_field_is_none(fake: FakeEsxi, command: str, key: str) -> None:
    with pytest.raises(CommandError, match=f"the field {key} is "):
        inventory_of(Bent(fake, command, having(key, "")), fake)


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("network ip interface ipv4 get", "addresstype", "MANUAL?"),
        ("network ip interface ipv4 get", "ipv4address", "none"),
        ("network ip interface ipv4 get", "ipv4netmask", "255.0.255.0"),
        ("network ip interface ipv4 get", "dhcpdns", "maybe"),
        ("network vswitch standard portgroup list", "vlanid", "all"),
        ("network ip interface ipv6 address list", "address", "(tentative)"),
        ("network ip interface ipv6 address list", "netmask", "wide"),
        ("network ip route ipv4 list", "network", "somewhere"),
        ("storage vmfs extent list", "partition", "third"),
    ],
)
def test_a_field_that_makes_no_sense_is_not_taken_for_nothing(
    fake: FakeEsxi, command: str, key: str, value: Any
) -> None:
    with pytest.raises(CommandError, match=f"esxcli {command} cannot be read: the field {key} is "):
        inventory_of(Bent(fake, command, having(key, value)), fake)


def test_a_default_route_without_gateway_is_not_overlooked(fake: FakeEsxi) -> None:
    for value in ("", "0.0.0.0", "N/A"):  # noqa: S104  # nothing is bound to it
        with pytest.raises(CommandError, match="the field gateway is not an address"):
            read_routes(Esxcli(Bent(fake, "network ip route ipv4 list", having("gateway", value))))


def test_what_only_people_see_may_be_missing(fake: FakeEsxi) -> None:
    whole = inventory_of(fake, fake)
    for command, keys in {
        "network nic list": ("driver", "linkstatus", "link", "mtu"),
        "storage core device list": ("vendor", "model", "isssd", "islocal"),
        "storage filesystem list": ("mountpoint", "type", "mounted", "free"),
        "network ip interface ipv4 get": ("gateway",),
    }.items():
        for key in keys:
            found = inventory_of(Bent(fake, command, without(key)), fake)
            assert [one.name for one in found.nics] == [one.name for one in whole.nics]

    def linkless(rows: list[dict[str, Any]]) -> None:
        without("link")(rows)
        without("linkstatus")(rows)

    (nic, _) = inventory_of(Bent(fake, "network nic list", linkless), fake).nics
    assert nic.link_up is None


# -- answers that contradict each other ---------------------------------------------------------------------------


def empty(rows: list[dict[str, Any]]) -> None:
    rows.clear()


def doubled(rows: list[dict[str, Any]]) -> None:
    rows.append(dict(rows[0]))


@pytest.mark.parametrize(
    ("command", "change", "says"),
    [
        ("network ip interface list", empty, "network ip interface list lacks vmk0"),
        ("network ip interface ipv4 get", empty, "network ip interface ipv4 get lacks vmk0"),
        ("network ip interface ipv6 get", empty, "network ip interface ipv6 get lacks vmk0"),
        ("network vswitch standard list", empty, "network vswitch standard list lacks vSwitch0"),
        ("network vswitch standard portgroup list", empty, "portgroup list lacks Management Network"),
        ("network vswitch standard list", having("uplinks", []), "the uplinks of vSwitch0 lacks vmnic0"),
        ("network ip interface list", doubled, "names vmk0 twice"),
        ("network ip interface ipv4 get", doubled, "names vmk0 twice"),
        ("network vswitch standard list", doubled, "names vSwitch0 twice"),
        ("storage core device list", doubled, "twice"),
        ("system version get", doubled, "it answers 2 structures instead of one"),
    ],
)
def test_an_answer_that_lags_behind_another_or_doubles_is_not_believed(
    fake: FakeEsxi, command: str, change: Change, says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        inventory_of(Bent(fake, command, change), fake)


def test_reading_again_after_a_change_is_as_strict(fake: FakeEsxi) -> None:
    before = inventory_of(fake, fake)
    bent = Bent(fake, "network vswitch standard list", having("uplinks", []))
    with pytest.raises(CommandError, match="the uplinks of vSwitch0 lacks vmnic0"):
        reread_network(bent, before, [("esxcli", "network", "vswitch", "standard", "set")])


def test_a_nic_that_this_machine_lacks_may_stay_in_a_team(fake: FakeEsxi) -> None:
    """A captured vSwitch keeps the NIC of the machine that it was captured from."""
    found = inventory_of(fake, fake)
    (vswitch,) = found.vswitches
    captured = vswitch.replace(uplinks=(), team=vswitch.team.replace(active=("vmnic9",)))
    check_network(found.replace(vswitches=(captured,)))


def test_two_keys_that_mean_the_same_must_agree() -> None:
    class Doubled(Runner):
        def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
            if "json" in arguments[1]:
                return Result(0, '[{"MTU": 1500, "mtu": 9000}]')
            return Result(0, "structure[0].X.MTU.integer=1500\nstructure[0].X.MTU.integer=9000\n")

    with pytest.raises(CommandError, match="the field mtu is given twice"):
        Esxcli(Doubled()).records("network nic list")


def test_a_host_without_ipv6_need_not_list_its_interfaces_there(fake: FakeEsxi) -> None:
    class Off(Bent):
        def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
            if arguments[2:] == ["network", "ip", "get"]:
                return Result(0, '[{"IPv6Enabled": false}]')
            return super().run(arguments, timeout, stdin)

    (vmk,) = read_vmks(Esxcli(Off(fake, "network ip interface ipv6 get", empty)))
    assert not vmk.ipv6_enabled


# -- what a port group has of its own -------------------------------------------------------------------------------


def test_the_policies_of_port_groups_are_read_as_the_options_that_set_them(fake: FakeEsxi) -> None:
    policy = "esxcli network vswitch standard portgroup policy"
    own = ("--failure-detection=beacon", "--failback=false", "--active-uplinks=vmnic0")
    assert fake.run([*f"{policy} failover set -p extra".split(), *own]).status == 0
    assert fake.run([*f"{policy} security set -p extra -o true".split()]).status == 0
    group = inventory_of(fake, fake).port_group("extra")
    assert group == PortGroup(
        "extra", "vSwitch0", 0, (Policy("failover", own), Policy("security", ("--allow-promiscuous=true",)))
    )


def test_na_is_empty_and_a_missing_field_is_not() -> None:
    assert Record({"VDS Name": "N/A"}).text("vdsname") == ""
    with pytest.raises(CommandError, match="the field name is empty"):
        Record({"Name": "N/A"}).name("name")
    assert Record({"Uplinks": None}).names("uplinks") == []
    with pytest.raises(CommandError, match="an answer cannot be read: the field uplinks is missing"):
        Record({"Portgroups": "a"}).names("uplinks")


@pytest.mark.parametrize("value", [["one", "one"], ["one"], [], {"one": 1}])
def test_a_list_in_place_of_a_single_value_is_unreadable(value: Any) -> None:
    record = Record({"Netstack Instance": value}, "esxcli network ip interface list")
    with pytest.raises(CommandError, match="the field netstackinstance is not a single value"):
        record.text("netstackinstance")
