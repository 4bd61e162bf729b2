"""A deployment on the host from its first boot to the agent's leaving."""

from __future__ import annotations

from pathlib import Path

import pytest

from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.site import KEY, RECIPE_KEY


@pytest.mark.parametrize("name", ["simple-static", "vmfs7-bond", "dhcp-only"])
@pytest.mark.parametrize("release", ["7.0.3", "8.0.3"])
def test_a_host_becomes_what_maas_asked_for_and_the_agent_leaves(site: MakeSite, name: str, release: str) -> None:
    host = site(name, release)
    host.maas.machine.user_data = b"#cloud-config\nhostname: esx01\n"
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED, host.log
    assert host.differences() == []
    assert host.leftovers() == []
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
