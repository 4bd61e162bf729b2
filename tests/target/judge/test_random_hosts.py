"""A sample of the random hosts (`make random-hosts` runs 20,000), and that the choice of hosts is what it says."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from standin.maas_metadata import MachineStatus
from target.judge.choices import RARE, SETTINGS, drawn, every_pair, pairs_of
from target.judge.run import RandomSite, plan_tasks, run_case
from target.judge.spoil import found_address, make_case
from target.judge.test_judge import plain

# Each is one kind of thing that went wrong once; what the sample of random hosts meets is a matter of luck.
HOSTS: list[dict[str, str]] = [
    {},
    {"carrier": "vlan on active-backup", "second": "bond", "datastores": "boot and data", "mtu": "9000"},
    {"carrier": "802.3ad", "addresses": "static4, static6", "third": "vlan twice", "maas": "behind a route"},
    {"release": "6.7.0", "json": "blanks, texts", "datastores": "boot", "found": "other stack"},
    {"release": "9.0.0", "datastores": "two on a disk", "names": "other scripts", "found": "other switch"},
    {"second": "static4 on the same network", "datastores": "boot", "extent-lag": "60 s"},
]


@pytest.mark.parametrize("choices", HOSTS, ids=lambda choices: ", ".join(choices.values()) or "plain")
def test_a_host_comes_out_right(choices: dict[str, str]) -> None:
    outcome = run_case(make_case(dict(plain(), **choices), 3))
    assert outcome.kind == "Deployed, right", outcome


def test_a_host_that_cannot_be_comes_out_as_found() -> None:
    for sabotage, kind in (("no driver", "Failed rightly, as found"), ("mtu", "refused rightly")):
        choices = {"second": "static4", "sabotage": "MTU too large" if sabotage == "mtu" else sabotage}
        assert run_case(make_case(dict(plain(), **choices), 3)).kind == kind


SAMPLE = plan_tasks(60, seed=17)


@pytest.mark.parametrize("part", range(6))
def test_a_sample_of_random_hosts_comes_out_right(part: int) -> None:
    wrong = []
    for number, (chosen, seed, twice) in enumerate(SAMPLE):
        if number % 6 == part:
            outcome = run_case(make_case(chosen, seed), twice)
            if not outcome.is_right:
                wrong.append((number, outcome))
    assert wrong == []


def _claim(site: RandomSite) -> None:
    """MAAS is made to believe that all is done."""
    site.maas.machine.status = MachineStatus.DEPLOYED


def _fail(site: RandomSite) -> None:
    """MAAS hears that it failed, and the agent leaves in order."""
    site.maas.machine.status = MachineStatus.FAILED_DEPLOYMENT
    cfg = (site.bank / "boot.cfg").read_text()
    (site.bank / "boot.cfg").write_text(cfg.replace(" --- esxforge.tgz", ""))
    for path in [site.bank / "esxforge.tgz", site.directory / "sectors" / "module"]:
        path.unlink()
    shutil.rmtree(site.fake.path("/esxforge"))
    for path in Path(site.fake.path("/tardisks")).iterdir():
        path.unlink()


def _fail_and_forget(site: RandomSite) -> None:
    _fail(site)
    site.maas.machine.status = MachineStatus.DEPLOYING


def _fail_and_leave(site: RandomSite) -> None:
    _fail(site)
    assert site.fake.run(["esxcli", "network", "vswitch", "standard", "add", "-v", "left"]).status == 0
    assert site.fake.run(["/sbin/auto-backup.sh"]).status == 0


def _fail_off_the_network(site: RandomSite) -> None:
    _fail(site)
    words = "esxcli network ip interface ipv4 set -i vmk0 -t none"
    assert site.fake.run(words.split()).status == 0


def _crash(site: RandomSite) -> None:
    raise KeyError("a defect")


@pytest.mark.parametrize(
    ("live", "kind"),
    [
        (_claim, "false Deployed"),
        (_fail, "valid, but failed"),
        (_fail_and_forget, "unknown"),
        (_fail_and_leave, "not as found"),
        (_fail_off_the_network, "stranded"),
        (_crash, "no end"),
    ],
)
def test_an_agent_that_does_wrong_is_found_out(
    monkeypatch: pytest.MonkeyPatch, live: Callable[[RandomSite], None], kind: str
) -> None:
    monkeypatch.setattr(RandomSite, "live", live)
    assert run_case(make_case(plain(), 3)).kind == kind


def test_an_agent_that_fails_in_order_where_it_must_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomSite, "live", _fail)
    assert run_case(make_case(plain(sabotage="no driver", second="static4"), 3)).kind == "Failed rightly, as found"
    assert run_case(make_case(dict(plain(), **{"renamed-key": "vmk-mac"}), 3)).kind == "Failed with an excuse, as found"


def test_every_pair_of_settings_occurs_among_some_hundred_hosts() -> None:
    seen = set().union(*(pairs_of(chosen) for chosen, _, _ in plan_tasks(1200, seed=1)))
    assert every_pair() - seen == set()


def test_hosts_are_the_same_for_the_same_seed() -> None:
    assert plan_tasks(20, seed=3) == plan_tasks(20, seed=3)
    assert plan_tasks(20, seed=3) != plan_tasks(20, seed=4)
    chosen = dict(plain(), addresses="dhcp4, static6", datastores="spanned")
    assert make_case(chosen, 5) == make_case(chosen, 5)


def test_most_hosts_have_nothing_that_hides_the_rest() -> None:
    rng = random.Random(1)  # noqa: S311  the same each time
    for name in RARE:
        count = sum(drawn(rng)[name] == SETTINGS[name][0] for _ in range(400))
        assert count > 250


def test_a_found_host_may_have_its_desired_address_with_another_netmask() -> None:
    case = make_case(plain(found="static vmk0", addresses="static4"), 4)
    desired = next(entry for entry in case.config["network"]["config"] if entry["type"] == "physical")
    assert desired["subnets"][0]["address"] == "10.1.0.10/24"
    assert found_address(case, "1") == ("10.1.0.10", "255.255.254.0")
    assert run_case(case, twice=False).kind == "Deployed, right"
