"""A sample of the fault table (`make faults` runs all of it): no silent failure, no stranded host, no secret left."""

from __future__ import annotations

import functools

import pytest

from target.agent.faults import Case, Verdict, cases, failing, outages, run_case

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
