"""The processes that the agent starts on a host: each start of esxcli costs about a second there."""

from __future__ import annotations

import pytest

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
