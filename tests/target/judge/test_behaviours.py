"""Single behaviours of planner and agent, each on a host that shows it: what the random hosts meet, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standin.maas_metadata import FakeMetadataService, MachineStatus, VirtualClock
from target.judge.hosts import Case
from target.judge.run import RandomSite, quietly, run_case
from target.judge.spoil import make_case
from target.judge.test_judge import plain

Deploy = Callable[..., RandomSite]
FETCHES = "GET /MAAS/metadata/latest/user-data"  # which marks the machine Deployed
LEAVES = "overwrite /bootbank/esxforge.tgz"


def outcome(**choices: str) -> tuple[str, str]:
    """What became of a host, and the agent's log."""
    return outcome_of(make_case(plain(**choices), 3))


def outcome_of(case: Case, cut: str = "") -> tuple[str, str]:
    """As ``outcome``. The power goes before the first moment that begins with ``cut``."""
    log: list[str] = []

    def arm(site: RandomSite, _case: Case) -> list[str]:
        site.moment.at.update({cut: site.cut} if cut else {})
        return []

    found = run_case(case, keep_log=log, arm=arm if cut else None)
    return f"{found.kind}: {found.why}".rstrip(": "), log[0]


def two_leases(**choices: str) -> Case:
    """A host that uses DHCP on two NICs and reaches MAAS by a static IPv6 address, too."""
    return make_case(plain(addresses="dhcp4, static6", third="dhcp4", **choices), 3)


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Let the agent set up a host; ``require_working`` is the recipe's word; esxcli's commands ``refused`` fail."""
    clock = VirtualClock()
    with FakeMetadataService(clock=clock.true_time) as maas:

        def make(require_working: str, refused: tuple[str, ...] = (), **choices: str) -> RandomSite:
            site = RandomSite(tmp_path, maas, clock, make_case(plain(**choices), 3))
            site.record = site.record.replace(require_working=require_working)
            site.rewrite_module()
            site.moment.fail_always.update(dict.fromkeys(refused, "fail"))
            quietly(site.live)
            return site

        yield make


def told(site: RandomSite) -> str:
    return " ".join(str(event.get("description")) for event in site.maas.machine.events)


def test_of_two_dhcp_nics_the_other_may_have_the_default_route_where_the_management_lease_brings_no_router() -> None:
    kind, _ = outcome(addresses="dhcp4", second="dhcp4", trouble="management: lease without router")
    assert kind == "Deployed, right"


@pytest.mark.parametrize("shown", ["yes", "no"])
@pytest.mark.parametrize(
    "late", [{"trouble": "management: slow DHCP server"}, {"set_mtu": "bounces", "mtu": "9000 below 1500"}]
)
def test_the_first_lease_does_not_keep_the_default_route_from_that_of_management_which_came_late(
    late: dict[str, str], shown: str
) -> None:
    choices = {"addresses": "dhcp4, static6", "carrier": "vlan", "third": "dhcp4", "default_lease": "first"}
    kind, log = outcome(lease_gateway_shown=shown, **choices, **late)
    assert kind == "Deployed, right", log


@pytest.mark.parametrize("stays", ["stay", "gone"])
def test_a_management_lease_whose_router_is_not_shown_may_bring_none(stays: str) -> None:
    choices = {"addresses": "dhcp4, static6", "third": "dhcp4", "lease_gateway_shown": "no", "orphan_routes": stays}
    kind, log = outcome(trouble="management: lease without router", stale_lease_route="stays", **choices)
    assert kind == "Deployed, right", log
    assert "the lease of vmk0 brings no router" in log


def test_a_default_route_that_stays_with_another_lease_fails_where_nothing_shows_whose_it_should_be() -> None:
    choices = {"addresses": "dhcp4, static6", "third": "dhcp4", "lease_gateway_shown": "no", "orphan_routes": "stay"}
    stuck = {"stale_lease_route": "stays", "remove_leased_route": "refused"}
    kind, log = outcome(trouble="management: lease without router", **choices, **stuck)
    assert kind == "Failed with an excuse, as found", log
    assert "it cannot be seen whether DHCP gives vmk0 one" in log


@pytest.mark.parametrize("shown", ["yes", "no"])
def test_a_boot_that_moved_the_default_route_is_seen_before_the_machine_is_deployed(shown: str) -> None:
    kind, log = outcome_of(two_leases(lease_gateway_shown=shown), FETCHES)
    assert kind == "Deployed, right", log
    assert "start 2 of this deployment" in log


def test_which_lease_has_the_default_route_after_a_boot_of_a_deployed_host_is_up_to_esxi() -> None:
    kind, log = outcome_of(two_leases(), LEAVES)
    assert kind == "Deployed, right", log
    assert "start 2 of this deployment" in log


@pytest.mark.parametrize("seconds", ["10 s", "60 s"])
def test_a_data_disk_that_comes_late_is_waited_for(seconds: str) -> None:
    kind, log = outcome(datastores="data", late_disk=seconds)
    assert kind == "Deployed, right"
    assert "no disks of this host carry the stamp" in log
    assert "Looked for again" in log


@pytest.mark.parametrize("seconds", ["4 s", "60 s"])
def test_a_list_of_extents_that_lags_behind_that_of_file_systems_is_read_again(seconds: str) -> None:
    kind, _ = outcome(datastores="data", extent_lag=seconds)
    assert kind == "Deployed, right"


def test_a_list_that_still_shows_the_leased_route_does_not_keep_the_desired_one_from_being_added() -> None:
    choices = {"second": "static4", "third": "dhcp4", "remove_leased_route": "refused", "list_lag": "2 s"}
    kind, log = outcome(trouble="second: slow DHCP server", default_lease="lowest", **choices)
    assert kind == "Deployed, right", log


def test_a_leased_route_that_no_plan_could_know_of_is_taken_out_of_the_way_of_the_desired_one() -> None:
    choices = {"new_vmk_ipv4": "dhcp", "stale_lease_route": "stays", "found": "wrong VLAN"}
    kind, log = outcome(second="static4", **choices)
    assert kind == "Deployed, right", log


def test_a_default_route_that_is_left_of_a_lease_is_removed() -> None:
    """A new interface asks DHCP before it is told not to, and nobody gives this host a default route."""
    choices = {"new_vmk_ipv4": "dhcp", "stale_lease_route": "stays"}
    kind, log = outcome(addresses="static6", second="static4 with route", maas="on its network", **choices)
    assert kind == "Deployed, right", log


def test_the_firewall_is_opened_whatever_its_lists_still_show_of_an_earlier_start() -> None:
    choices = {"list_lag": "8 s", "renamed_key": "group-vlan", "accident": "power cut"}
    kind, log = outcome(**choices)
    assert kind == "Failed with an excuse, as found", log


@pytest.mark.parametrize("carrier", ["nic", "vlan"])
@pytest.mark.parametrize("removal", ["works", "refused"])
def test_a_route_that_a_saved_lease_brought_makes_room_for_the_one_that_was_found(removal: str, carrier: str) -> None:
    """Removed or not: if it is refused, a boot from the saved rest makes room. By the same gateway, or by another."""
    choices = {"found": "static vmk0", "addresses": "dhcp4, static6", "remove_leased_route": removal}
    stays = {"stale_lease_route": "stays", "orphan_routes": "stay"}
    kind, log = outcome(accident="late command fails, saved, power cut", carrier=carrier, **choices, **stays)
    assert kind == "Failed with an excuse, as found", log


def test_a_deployed_host_that_was_just_started_may_wait_for_its_lease() -> None:
    kind, log = outcome_of(two_leases(trouble="management: slow DHCP server"), LEAVES)
    assert kind == "Deployed, right", log
    assert "start 2 of this deployment" in log


def test_a_host_whose_own_network_is_silent_stays_on_dhcp_where_maas_answers() -> None:
    kind, log = outcome(found="wrong VLAN", datastores="data", sabotage="disk missing")
    assert kind == "Failed rightly, as found", log
    assert "the host stays on DHCP on the NIC that booted" in log


BROKEN = {"second": "static4", "trouble": "second: no link"}


@pytest.mark.parametrize("required", ["none", "management"])
def test_a_nic_without_link_is_named_and_fails_nothing_where_management_works(deploy: Deploy, required: str) -> None:
    site = deploy(required, **BROKEN)
    assert site.status is MachineStatus.DEPLOYED
    assert "interfaces: set, but not working: network eno2: none of its NICs has a link" in told(site)


def test_a_nic_without_link_fails_the_deployment_where_the_recipe_requires_all_to_work(deploy: Deploy) -> None:
    site = deploy("all", **BROKEN)
    assert site.status is MachineStatus.FAILED_DEPLOYMENT
    assert "The network does not work: network eno2: none of its NICs has a link" in told(site)


DUPLICATE = {"addresses": "static4, static6", "trouble": "IPv6 duplicate on management"}


@pytest.mark.parametrize(("required", "status"), [("none", "DEPLOYED"), ("management", "FAILED_DEPLOYMENT")])
def test_a_management_address_that_another_host_has_fails_the_deployment_unless_nothing_must_work(
    deploy: Deploy, required: str, status: str
) -> None:
    site = deploy(required, **DUPLICATE)
    assert site.status is MachineStatus[status]
    assert "another host has 2001:db8:1::" in told(site)


def test_a_default_route_that_a_new_interface_cost_is_asked_for_again() -> None:
    """On this ESXi a new interface asks DHCP before it is told not to, and no list says whose router that was."""
    choices = {"second": "static4 on the same network", "new_vmk_ipv4": "dhcp", "lease_gateway_shown": "no"}
    kind, log = outcome(addresses="dhcp4", maas="behind the gateway", **choices)
    assert kind == "Deployed, right", log


def test_a_default_route_that_a_new_interface_cost_is_asked_for_though_a_list_lags_and_other_steps_remain() -> None:
    choices = {"second": "vlan", "new_vmk_ipv4": "dhcp", "lease_gateway_shown": "no", "list_lag": "8 s"}
    more = {"leased_dns": "stay", "dns": "both", "found": "static vmk0"}
    kind, log = outcome_of(make_case(plain(addresses="dhcp4, static6", **choices, **more), 7002793))
    assert kind == "Deployed, right", log
    assert "planned again" in log


def test_of_two_default_gateways_that_of_management_stays_though_a_route_names_it() -> None:
    choices = {"maas": "behind the gateway", "second": "static4 with gateway", "extras": "default route as a route"}
    kind, log = outcome(**choices)
    assert kind == "Deployed, right", log


def test_a_list_that_lags_does_not_prove_a_failed_command_that_sets_again_what_was_there(deploy: Deploy) -> None:
    """The lease that was found brings the gateway that MAAS names, too, and it goes with the lease."""
    refused = ("esxcli network ip route ipv4 add -n default -g 10.1.0.1",)
    choices = {"second": "static4 on the same network", "booted": "another", "maas": "behind the gateway"}
    site = deploy("management", refused, list_lag="8 s", **choices)
    assert site.status is MachineStatus.DEPLOYED
    assert "ESXi shows it as desired all the same" not in site.log


LOST_ROUTE = {"addresses": "dhcp4", "maas": "behind the gateway", "new_vmk_ipv4": "dhcp"}


def test_a_default_route_that_a_new_interface_cost_before_maas_was_heard_is_asked_for_again() -> None:
    kind, log = outcome(second="static6 with gateway", **LOST_ROUTE)
    assert kind == "Deployed, right", log


def test_a_default_route_that_a_lagging_list_still_shows_is_asked_for_again_where_maas_is_silent() -> None:
    choices = {"list_lag": "8 s", "lease_gateway_shown": "no", "booted": "another"}
    kind, log = outcome(second="static4", **LOST_ROUTE, **choices)
    assert kind == "Deployed, right", log


def test_the_desired_route_is_set_where_anothers_leftover_is_in_the_way_of_the_lease() -> None:
    choices = {"default_lease": "first", "stale_lease_route": "stays", "orphan_routes": "stay", "found": "wrong VLAN"}
    kind, log = outcome(second="static6 with gateway", third="static4 with gateway", **LOST_ROUTE, **choices)
    assert kind == "Deployed, right", log


def test_dhcpv6_on_the_nic_that_booted_is_no_way_to_maas_beside_a_static_ipv6_gateway() -> None:
    choices = {"second": "dhcp4, dhcp6", "maas": "behind the gateway", "booted": "another", "accept_ra": "yes"}
    kind, log = outcome(addresses="dhcp4, static6", **choices)
    assert kind == "Deployed, right", log


def test_a_lease_that_was_given_up_is_asked_for_until_it_is_there(deploy: Deploy) -> None:
    refused = ("esxcli network ip interface ipv4 set -i vmk0 -t dhcp -P true",)
    site = deploy("management", refused, second="static6 with gateway", **LOST_ROUTE)
    assert site.status is MachineStatus.DEPLOYED, site.log
