"""The processes that the agent starts on a host: each start of esxcli costs about a second there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from esxforge_target.inventory.read import reread_network
from target.agent.conftest import MakeSite
from target.agent.site import is_question


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
