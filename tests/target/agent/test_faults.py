"""A sample of the fault table (`make faults` runs all of it): no silent failure, no stranded host, no secret left."""

from __future__ import annotations

import functools

import pytest

from target.agent.faults import Case, Verdict, answers, cases, failing, outages, run_case
from target.agent.wrong_answers import wrong_answers

CONFIG = "simple-static"
EVERY = 11


@functools.cache
def sampled() -> dict[str, list[Case]]:
    """Every so-manieth step of each kind of fault."""
    found: dict[str, list[Case]] = {}
    for case in cases(CONFIG):
        found.setdefault(case.fault, []).append(case)
    return {fault: chosen[index::EVERY] for index, (fault, chosen) in enumerate(sorted(found.items()))}


FAULTS = [
    "always fails",
    "fails once",
    "hangs once",
    "hourly save, power cut",
    "power cut after",
    "power cut before",
    "says it worked",
    "says it worked, always",
    "works, but hangs",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_step_ends_well(fault: str) -> None:
    assert sorted(sampled()) == FAULTS
    for case in sampled()[fault]:
        verdict = run_case(case, CONFIG)
        assert verdict.wrongs == (), (case.number, case.step)


@pytest.mark.parametrize("case", outages(), ids=lambda case: f"{case.fault}-{case.step}".replace(" ", "-"))
def test_an_outage_ends_well(case: Case) -> None:
    verdict = run_case(case, CONFIG)
    assert verdict.wrongs == ()
    if case.fault.startswith(("1 min", "5 min")):
        assert verdict.outcome == "desired, Deployed"


def test_a_power_cut_while_a_failed_deployment_is_put_back_ends_as_found() -> None:
    for case in failing(CONFIG)[3::17]:
        verdict = run_case(case, CONFIG)
        assert verdict == Verdict("found, Failed", ()), (case.fault, case.number, case.step)


@pytest.mark.parametrize("config", ["vmfs7-bond", "esxi67"])
def test_power_cuts_in_a_larger_deployment_end_well(config: str) -> None:
    chosen = [case for case in cases(config) if case.fault in ("hourly save, power cut", "fails once")]
    for case in chosen[5::29]:
        verdict = run_case(case, config)
        assert verdict.wrongs == (), (case.number, case.step)


def test_a_rule_set_that_stays_though_its_file_is_gone_is_closed_by_another_refresh() -> None:
    *_, last = [
        case for case in cases(CONFIG)
        if case.fault == "says it worked" and case.step == "esxcli network firewall refresh"
    ]  # fmt: skip
    assert run_case(last, CONFIG) == Verdict("desired, Deployed", ())


def test_where_no_command_opens_the_firewall_the_console_says_so() -> None:
    chosen = [case for case in cases(CONFIG) if case.shown]
    assert {case.fault for case in chosen} == {"always fails", "says it worked, always"}
    for case in chosen[::3]:
        assert run_case(case, CONFIG) == Verdict("found, untold", ()), (case.fault, case.step)


WRONG_ANSWERS = (
    "a key comes late", "a key is doubled", "a key is empty", "a key is missing", "an answer has no row",
    "an answer is cut off", "an answer is empty", "every row comes twice",
)  # fmt: skip


def test_every_key_of_every_answer_goes_wrong_in_every_way() -> None:
    chosen = answers(CONFIG)
    assert sorted({case.fault for case in chosen}) == sorted(WRONG_ANSWERS)
    keys = {case.step for case in chosen if case.fault == "a key is missing"}
    assert {"network ip interface ipv4 get: Address Type", "network vswitch standard list: Uplinks",
            "network ip interface list: Portgroup", "system hostname get: Host Name",
            "storage core device list: Is Boot Device", "network firewall ruleset list: Name"} <= keys  # fmt: skip
    for fault in ("a key is empty", "a key comes late", "a key is doubled"):
        assert {case.step for case in chosen if case.fault == fault} == keys


def test_a_wrong_answer_is_what_it_says() -> None:
    line = "esxcli --formatter=json network nic list"
    answer = '[{"Name": "vmnic0", "Uplinks": ["a"]}]'
    seen = {(one.fault, one.where.partition(": ")[2]): one.make() for one in wrong_answers([(line, answer)])}
    assert seen["a key is missing", "Name"](line, answer) == '[{"Uplinks": ["a"]}]'
    assert seen["a key is empty", "Name"](line, answer) == '[{"Name": "", "Uplinks": ["a"]}]'
    assert seen["a key is empty", "Uplinks"](line, answer) == '[{"Name": "vmnic0", "Uplinks": []}]'
    assert seen["a key is doubled", "Uplinks"](line, answer) == '[{"Name": "vmnic0", "Uplinks": ["a", "a"]}]'
    assert seen["every row comes twice", ""](line, answer).count("vmnic0") == 2
    late = seen["a key comes late", "Name"]
    assert [late(line, answer) == answer for _ in range(4)] == [False, False, True, True]
    other = "esxcli --formatter=json network ip get"
    assert all(twist(other, answer) == answer for twist in seen.values())


@pytest.mark.parametrize("fault", WRONG_ANSWERS)
def test_a_wrong_answer_ends_well(fault: str) -> None:
    chosen = [case for case in answers(CONFIG) if case.fault == fault]
    for case in chosen[WRONG_ANSWERS.index(fault) :: EVERY]:
        verdict = run_case(case, CONFIG)
        assert verdict.wrongs == (), (case.fault, case.step)
