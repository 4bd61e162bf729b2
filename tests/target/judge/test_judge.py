"""The judge itself: it knows nothing of what it judges, sees every wrong that is put into a right end, and tells hosts
that can be from those that cannot.
"""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from standin.esxi import FakeEsxi
from target.judge import desired as desires
from target.judge import end, machine, validity
from target.judge.choices import SABOTAGES, SETTINGS, TROUBLES
from target.judge.hosts import FULL_NAME, Case
from target.judge.machine import Machine
from target.judge.spoil import make_case

TREE = Path(__file__).parents[3]
Change = Callable[[dict[str, Any]], object]


def plain(**choices: str) -> dict[str, str]:
    """A plain host but for some choices (with _ for what a name cannot have)."""
    chosen = {name: settings[0] for name, settings in SETTINGS.items()}
    chosen.update({name.replace("_", "-"): setting for name, setting in choices.items()})
    return chosen


def expected(case: Case, directory: Path) -> validity.Expectation:
    """What the judge expects of a case on a machine that nobody has touched."""
    from standin.esxi.presets import disk

    disks = [disk(f"naa.{key}", size, kind, boot=key == "sda", sector_size=sector)
             for key, (size, sector, kind) in case.disks.items()]  # fmt: skip
    fake = FakeEsxi.create(
        str(directory), release=case.release, nics=case.nics, disks=disks, world=case.world, dials=case.dials,
        booted=case.booted,
    )  # fmt: skip
    desired = desires.read(case.config)
    placed = {key: f"naa.{key}" for key in case.disks}
    return validity.expect(desired, machine.read(directory), placed, not fake.why_not(desired.maas))


def test_the_judge_imports_nothing_of_what_it_judges() -> None:
    """In a process of its own, as this one has imported all there is."""
    names = ("desired", "machine", "world", "validity", "end")
    code = "import sys\n" + "".join(f"import target.judge.{name}\n" for name in names)
    code += "assert not [one for one in sys.modules if one.startswith(('esxforge', 'standin'))]"
    subprocess.run([sys.executable, "-c", code], cwd=TREE / "tests", check=True)


# -- validity -------------------------------------------------------------------------------------------------------

NEEDED = {  # what a sabotage needs to be one
    "bond mode": {"carrier": "active-backup"},
    "MTU over carrier": {"carrier": "vlan"},
    "address twice": {"second": "static4"},
    "VLAN twice": {"carrier": "vlan"},
    "VLAN 4095": {"carrier": "vlan"},
    "NIC with small MTU": {"mtu": "9000"},
    "no driver": {"second": "static4"},
    "other family than MAAS": {"addresses": "static6", "maas": "behind the gateway"},
    "mixed sectors": {"datastores": "spanned"},
    "two on the boot disk": {"datastores": "boot"},
    "no room on the boot disk": {"datastores": "boot"},
}
STORAGE = (
    "small datastore",
    "boot disk as extent",
    "long name",
    "slash in name",
    "own name",
    "disk missing",
    "4Kn SSD",
)


@pytest.mark.parametrize("sabotage", SABOTAGES[1:])
def test_a_sabotaged_host_cannot_be(tmp_path: Path, sabotage: str) -> None:
    needed = NEEDED.get(sabotage, {"datastores": "data"} if sabotage in STORAGE else {})
    assert expected(make_case(plain(**needed), 1), tmp_path / "before").must_deploy
    found = expected(make_case(plain(**needed, sabotage=sabotage), 1), tmp_path / "after")
    assert found.invalid


@pytest.mark.parametrize("name", ["carrier", "addresses", "maas", "second", "third", "mtu", "dns", "accept-ra",
                                  "datastores", "names", "extras", "booted"])  # fmt: skip
def test_every_configuration_without_sabotage_can_be(tmp_path: Path, name: str) -> None:
    for number, setting in enumerate(SETTINGS[name]):
        for seed in (1, 2):
            case = make_case(plain(**{name: setting}), seed)
            assert expected(case, tmp_path / f"{number}-{seed}").must_deploy, (setting, seed)


TROUBLED: dict[str, tuple[dict[str, str], str]] = {
    "second: no link": ({"second": "static4"}, "broken"),
    "second: no DHCP server": ({"second": "dhcp4"}, "broken"),
    "second: lease without router": ({"second": "dhcp4"}, "deploys"),
    "management: lease without router": ({"addresses": "dhcp4"}, "deploys"),
    "management: slow DHCP server": ({"addresses": "dhcp4"}, "deploys"),
    "second: slow DHCP server": ({"second": "dhcp4"}, "deploys"),
    "management: member without link": ({"carrier": "active-backup"}, "deploys"),
    "management: no link": ({}, "fails"),
    "management: no DHCP server": ({"addresses": "dhcp4"}, "fails"),
    "gateway dead": ({"maas": "behind the gateway"}, "fails"),
    "VLAN missing": ({"carrier": "vlan"}, "fails"),
    "no channel": ({"carrier": "802.3ad"}, "fails"),
    "IPv6 duplicate on second": ({"second": "static6 with gateway"}, "broken"),
    "IPv6 duplicate on management": ({"addresses": "static6"}, "fails"),
    "booted network without router": ({"booted": "another", "second": "dhcp4"}, "deploys"),
}


@pytest.mark.parametrize("trouble", TROUBLES[1:])
def test_trouble_around_the_host_is_weighed(tmp_path: Path, trouble: str) -> None:
    choices, what = TROUBLED[trouble]
    found = expected(make_case(plain(**choices, trouble=trouble), 1), tmp_path)
    seen = "fails" if found.invalid else "broken" if found.broken else "deploys"
    assert seen == what
    assert found.must_deploy == (what != "fails")


@pytest.mark.parametrize("dials", [{"renamed-key": "vmk-group"}, {"rule-file": "ignored"}])
def test_an_unreadable_host_may_fail(tmp_path: Path, dials: dict[str, str]) -> None:
    found = expected(make_case(dict(plain(), **dials), 1), tmp_path)
    assert found.invalid == ()
    assert found.excuses


# -- the end --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class End:
    """A host as it is found, and as it is rightly deployed."""

    desired: desires.Desired
    placed: dict[str, str]
    before: Machine
    after: Machine

    def wrongs(self, after: Machine) -> list[str]:
        return end.wrongs(self.desired, FULL_NAME, self.placed, self.before, after)

    def changed(self, change: Change) -> Machine:
        running = copy.deepcopy(self.after.running)
        change(running)
        return dataclasses.replace(self.after, running=running, saved=running)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> End:
    """Set up by hand, command by command, so that the judge is not tested on the agent's work."""
    directory = tmp_path_factory.mktemp("right")
    chosen = plain(
        carrier="vlan on active-backup", addresses="static4, static6", second="static4 with route",
        third="vlan twice", dns="for all", datastores="spanned", mtu="9000", found="other switch",
    )  # fmt: skip
    case = make_case(chosen, 4)
    from target.judge.by_hand import set_up

    return End(*set_up(case, directory))


def test_a_right_end_is_right(right: End) -> None:
    assert right.wrongs(right.after) == []
    assert right.wrongs(right.before) != []
    assert end.not_as_found(right.desired, right.placed, right.before, right.before) == []
    assert end.not_as_found(right.desired, right.placed, right.before, right.after) != []


def _vmk(running: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = running["interfaces"][name]
    return found


def _routes(running: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running["netstacks"]["defaultTcpipStack"]["routes"]
    return found


WRONGS: dict[str, Change] = {
    "another address": lambda now: _vmk(now, "vmk0")["ipv4"].update(address="10.1.0.99"),
    "another netmask": lambda now: _vmk(now, "vmk0")["ipv4"].update(netmask="255.255.0.0"),
    "no address": lambda now: _vmk(now, "vmk1")["ipv4"].update(type="none", address=""),
    "DHCP instead": lambda now: _vmk(now, "vmk1")["ipv4"].update(type="dhcp"),
    "IPv6 address missing": lambda now: _vmk(now, "vmk0")["ipv6"].update(addresses=[]),
    "IPv6 address too many": lambda now: _vmk(now, "vmk1")["ipv6"]["addresses"].append(
        {"address": "2001:db8::9", "prefix": 64}
    ),
    "listens to routers": lambda now: _vmk(now, "vmk0")["ipv6"].update(router_adv=True),
    "asks DHCPv6": lambda now: _vmk(now, "vmk0")["ipv6"].update(dhcpv6=True),
    "MTU of an interface": lambda now: _vmk(now, "vmk0").update(mtu=1500),
    "interface off": lambda now: _vmk(now, "vmk0").update(enabled=False),
    "two with one MAC": lambda now: _vmk(now, "vmk1").update(mac=_vmk(now, "vmk0")["mac"]),
    "no management tag": lambda now: _vmk(now, "vmk0").update(tags=[]),
    "interfaces exchanged": lambda now: (
        _vmk(now, "vmk0").update(portgroup=_vmk(now, "vmk1")["portgroup"]),
        _vmk(now, "vmk1").update(portgroup="Management Network"),
    ),
    "interface too many": lambda now: now["interfaces"].update(vmk9=dict(_vmk(now, "vmk1"), name="vmk9", mac="x")),
    "MTU of a vSwitch": lambda now: now["vswitches"]["vSwitch0"].update(mtu=1500),
    "uplink too many": lambda now: now["vswitches"]["vSwitch1"]["uplinks"].append("vmnic9"),
    "uplink missing": lambda now: now["vswitches"]["vSwitch0"]["uplinks"].pop(),
    "order of the team": lambda now: (
        now["vswitches"]["vSwitch0"]["failover"]["active"].reverse(),
        now["vswitches"]["vSwitch0"]["failover"]["standby"].extend(now["vswitches"]["vSwitch0"]["failover"]["active"]),
        now["vswitches"]["vSwitch0"]["failover"].update(active=now["vswitches"]["vSwitch0"]["failover"]["standby"][:1]),
    ),
    "uplink unused": lambda now: now["vswitches"]["vSwitch0"]["failover"].update(standby=[]),
    "override of the management port group": lambda now: now["portgroups"]["Management Network"]["failover"].update(
        active=now["vswitches"]["vSwitch0"]["failover"]["standby"][:1], standby=[]
    ),
    "VLAN": lambda now: now["portgroups"]["Management Network"].update(vlan=0),
    "port group on another vSwitch": lambda now: now["portgroups"][_vmk(now, "vmk1")["portgroup"]].update(
        vswitch="vSwitch2"
    ),
    "route missing": lambda now: _routes(now).remove(next(one for one in _routes(now) if "172.2" in one["network"])),
    "route by another gateway": lambda now: next(one for one in _routes(now) if "172.2" in one["network"]).update(
        gateway="10.2.0.1"
    ),
    "route that nobody asked for": lambda now: _routes(now).append(
        {"network": "172.31.0.0/16", "gateway": "10.1.0.1", "interface": "vmk0", "source": "MANUAL"}
    ),
    "no default route": lambda now: _routes(now).remove(next(one for one in _routes(now) if one["network"][0] == "0")),
    "another default route": lambda now: next(one for one in _routes(now) if one["network"][0] == "0").update(
        gateway="10.2.0.1"
    ),
    "no IPv6 default route": lambda now: _routes(now).remove(
        next(one for one in _routes(now) if one["network"] == "::/0")
    ),
    "name": lambda now: now.update(hostname="localhost"),
    "domain": lambda now: now.update(domain=""),
    "name servers": lambda now: now["netstacks"]["defaultTcpipStack"]["dns"].reverse(),
    "search domain": lambda now: now["netstacks"]["defaultTcpipStack"]["search"].append("more.example"),
    "foreign vSwitch": lambda now: now["vswitches"]["DMZ"].update(mtu=9000),
    "foreign port group": lambda now: now["portgroups"]["dmz"].update(vlan=0),
    "foreign port group gone": lambda now: now["portgroups"].pop("dmz"),
    "VM Network": lambda now: now["portgroups"]["VM Network"].update(vlan=5),
    "firewall": lambda now: now["firewall"].update(enabled=False),
    "borrowed rule set": lambda now: now["firewall"]["rulesets"]["remoteSerialPort"].update(enabled=True),
    "advanced option": lambda now: now["advanced"]["/Net/FollowHardwareMac"].update(value=0),
    "permission": lambda now: now["permissions"].update(x="Admin"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_wrong_in_the_end_is_seen(right: End, wrong: str) -> None:
    after = right.changed(WRONGS[wrong])
    assert after.running != right.after.running
    assert right.wrongs(after) != []


def test_what_is_not_saved_is_seen(right: End) -> None:
    running = right.changed(lambda now: now.update(hostname="other")).running
    assert right.wrongs(dataclasses.replace(right.after, saved=running)) != []


def test_a_datastore_elsewhere_is_seen(right: End) -> None:
    kept = [one for one in right.after.volumes if one.label != "data"]
    data = next(one for one in right.after.volumes if one.label == "data")
    for wrong in (
        (),
        (dataclasses.replace(data, extents=data.extents[:1]),),
        (dataclasses.replace(data, extents=data.extents[::-1]),),
        (dataclasses.replace(data, label="date"),),
        (data, dataclasses.replace(data, uuid="another")),
    ):
        assert right.wrongs(dataclasses.replace(right.after, volumes=(*kept, *wrong))) != []


def test_a_touched_disk_is_seen(right: End) -> None:
    digests = dict(right.after.digests, **{right.placed["sdd"]: "other"})
    assert right.wrongs(dataclasses.replace(right.after, digests=digests)) != []


def test_another_datastore_renamed_is_seen(right: End) -> None:
    volumes = tuple(
        dataclasses.replace(one, label="mine") if one.label == "datastore1" else one for one in right.after.volumes
    )
    assert right.wrongs(dataclasses.replace(right.after, volumes=volumes)) != []


@pytest.mark.parametrize("wrong", [name for name in WRONGS if name not in ("foreign port group gone",)])
def test_a_failed_deployment_must_be_exactly_as_found(right: End, wrong: str) -> None:
    after = right.changed(WRONGS[wrong])
    assert end.not_as_found(right.desired, right.placed, right.after, after) != []
