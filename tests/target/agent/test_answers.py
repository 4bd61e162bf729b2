"""What the agent does where ESXi's answers lack something, lag behind or say something else than was set."""

from __future__ import annotations

from typing import Any

import pytest

from esxforge_target.agent.life import run
from esxforge_target.runtime.commands import Result
from standin.esxi import FakeEsxi
from standin.maas_metadata import MachineStatus
from target.agent.conftest import MakeSite
from target.agent.faults import settings
from target.agent.site import Site, WatchedRunner
from target.agent.test_failures import FAILED, assert_as_found, told
from target.inventory.test_unreadable import Bent, Change, having, without


class BentForAWhile(Bent):
    """Bends an answer until a moment of virtual time."""

    def __init__(self, site: Site, command: str, change: Change, until: float = 1e9) -> None:
        super().__init__(WatchedRunner(site.fake, site.moment), command, change)
        self._site = site
        self._until = until

    def run(self, arguments: list[str], timeout: float = 60.0, stdin: str = "") -> Result:
        if self._site.clock.elapsed < self._until:
            return super().run(arguments, timeout, stdin)
        return self._runner.run(arguments, timeout, stdin)


def changes(fake: FakeEsxi) -> list[str]:
    """The commands that ran and change the network or the storage."""
    verbs = {"add", "set", "remove", "-C", "-Z", "rename", "auto-backup.sh"}
    return [" ".join(one) for one in fake.commands if set(one) & verbs and "firewall" not in one]


@pytest.mark.parametrize(
    ("command", "change", "key"),
    [
        ("network ip interface ipv4 get", without("addresstype"), "addresstype"),
        ("network ip interface list", without("portgroup"), "portgroup"),
        ("network vswitch standard list", without("uplinks"), "uplinks"),
        ("network ip interface ipv4 get", having("addresstype", ""), "addresstype"),
    ],
)
def test_an_answer_that_cannot_be_read_fails_before_anything_is_touched(
    site: MakeSite, command: str, change: Any, key: str
) -> None:
    host = site("simple-static")
    before = settings(host)
    assert run(host.system(runner=BentForAWhile(host, command, change))) == 0
    assert host.status is FAILED
    assert f"esxcli {command} cannot be read: the field {key} is" in told(host)
    assert changes(host.fake) == []
    assert_as_found(host, before)


def test_an_answer_that_cannot_be_read_at_first_is_asked_for_again(site: MakeSite) -> None:
    host = site("simple-static")
    bent = BentForAWhile(host, "network vswitch standard list", without("uplinks"), until=15.0)
    assert run(host.system(runner=bent)) == 0
    assert host.status is MachineStatus.DEPLOYED
    assert host.differences() == []


@pytest.mark.parametrize("part", ["both", "host", "domain"])
@pytest.mark.parametrize("full_name_shown", [True, False])
def test_a_release_that_keeps_host_and_domain_apart_gets_both(site: MakeSite, part: str, full_name_shown: bool) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.hardware["dials"]["host-name"] = part
    bent = BentForAWhile(
        host, "system hostname get", (lambda rows: None) if full_name_shown else without("fullyqualifieddomainname")
    )
    assert run(host.system(runner=bent)) == 0
    assert host.status is MachineStatus.DEPLOYED
    assert (host.fake.running["hostname"], host.fake.running["domain"]) == ("esx01", "maas")


@pytest.mark.parametrize(
    ("part", "before"),
    [
        ("both", ("localhost", "")),
        ("domain", ("localhost", "")),
        ("both", ("old", "old.example")),
        ("host", ("old", "old.example")),
        ("domain", ("old", "old.example")),
    ],
)
def test_both_parts_of_the_name_are_put_back(site: MakeSite, part: str, before: tuple[str, str]) -> None:
    host = site("simple-static")
    with host.fake.edit() as esxi:
        esxi.hardware["dials"]["host-name"] = part
        esxi.running["hostname"], esxi.running["domain"] = before
        esxi.store.save_configuration()
    found = settings(host)
    host.moment.fail_always["vim-cmd hostsvc/start_ssh"] = "fail"
    host.live()
    assert host.status is FAILED
    assert_as_found(host, found)
