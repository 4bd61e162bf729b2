"""The processes that the agent starts on a host: each start of esxcli costs about a second there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from esxforge_target.inventory.model import FAILOVER, Policy
from esxforge_target.inventory.read import reread_network, reread_to_verify
from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.questions import is_question
from target.agent.site import Site


@pytest.mark.parametrize(
    ("command", "asks"),
    [
        ("esxcli --formatter=json network nic list", True),
        ("esxcli system version get", True),
        ("vmkfstools -P /bootbank", True),
        ("/etc/init.d/SSH status", True),
        ("/usr/lib/vmware/uefi/bin/bootorder -l", True),
        ("esxcli network ip interface ipv4 set -i vmk3 -t dhcp -P false", False),
        ("esxcli network vswitch standard policy failover set -v vSwitch0 -a vmnic2 -l explicit", False),
        ("/usr/lib/vmware/uefi/bin/bootorder -o 0000,0002", False),
        ("vim-cmd hostsvc/start_ssh", False),
    ],
)
def test_only_a_command_that_reads_counts_as_a_question(command: str, asks: bool) -> None:
    assert is_question(command.split()) is asks


def _lists(commands: Iterable[Sequence[str]]) -> list[str]:
    """The questions among these, without program and options."""
    return [" ".join(command[2:]) for command in commands if command[1].startswith("--formatter")]


@pytest.mark.parametrize(
    ("command", "lists"),
    [
        ("route ipv4 add -n default -g 10.0.0.1", ["route ipv4 list"]),
        ("route ipv6 remove -n default -g fe80::1", ["route ipv6 list"]),
        ("dns server remove --all", ["dns server list"]),
        ("dns search remove -d maas", ["dns search list"]),
    ],
)
def test_after_a_command_only_the_list_that_it_may_have_changed_is_read(
    site: MakeSite, command: str, lists: list[str]
) -> None:
    host = site("vmfs7-bond")
    before = host.inventory()
    count = len(host.fake.commands)
    again = reread_network(host.fake, before, [("esxcli", "network", "ip", *command.split())])
    assert _lists(host.fake.commands[count:]) == [f"network ip {one}" for one in lists]
    assert again == before


def _last_reading(host: Site) -> list[list[str]]:
    """The commands between the last change and saving of a deployment that went well."""
    assert host.live() == 1
    assert host.status is MachineStatus.DEPLOYED
    commands = [list(command) for command in host.fake.commands]
    saving = commands.index(["/sbin/auto-backup.sh"])
    changes = [number for number, command in enumerate(commands[:saving]) if not is_question(command)]
    return commands[changes[-1] + 1 : saving]


def test_the_last_reading_asks_only_for_policies_and_tags_that_are_verified(site: MakeSite) -> None:
    lists = _lists(_last_reading(site("vmfs7-bond")))
    policies = "network vswitch standard portgroup policy"
    assert [one for one in lists if policies in one or " tag " in one] == [
        f"{policies} failover get -p Management Network",
        f"{policies} failover get -p bond0.100",
        f"{policies} failover get -p bond0:1",
        f"{policies} failover get -p eno3",
        "network ip interface tag get -i vmk0",
    ]
    assert len(lists) == len(set(lists))


@pytest.mark.parametrize("reads", [True, False])
def test_the_last_reading_has_storage_where_a_datastore_is_desired(site: MakeSite, reads: bool) -> None:
    host = site("simple-static")
    if not reads:
        host.desired = host.desired.replace(datastores=())
        host.rewrite_module()
    last = _last_reading(host)
    assert any(command[0] == "partedUtil" for command in last) is reads
    assert any("storage" in command for command in last) is reads


def test_a_reading_to_verify_shows_the_policies_and_tags_that_it_asks_for(site: MakeSite) -> None:
    host = site("vmfs7-bond")
    assert host.live() == 1
    group = "network vswitch standard portgroup policy"
    for change in (
        f"{group} failover set -p bond0.100 -l mac",
        f"{group} security set -p bond0.100 --allow-promiscuous=true",
        "network ip interface tag add -i vmk1 -t VMotion",
    ):
        assert host.fake.run(["esxcli", *change.split()]).status == 0
    now = host.inventory()
    assert (
        reread_to_verify(host.fake, now, [one.name for one in now.port_groups], [one.name for one in now.vmks]) == now
    )
    found = now.replace(port_groups=())
    again = reread_to_verify(host.fake, found, ["bond0.100"], ["vmk0"])
    (made,) = [one for one in again.port_groups if one.name == "bond0.100"]
    assert made.policies == (Policy(FAILOVER, ("--load-balancing=mac",)),)
    assert [vmk.tags for vmk in again.vmks] == [("Management",), (), (), ()]
    assert again.replace(port_groups=(), vmks=()) == now.replace(port_groups=(), vmks=())
