"""Each behaviour that the self-test looks at is seen as it is: the questionnaire's commands run on the fake ESXi, whose
dials are turned to every setting.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from esxforge.selftest.behaviours import BEHAVIOURS
from esxforge.selftest.claims import judge
from esxforge.selftest.evidence import Evidence, Stage
from esxforge.selftest.order import SECOND
from esxforge.selftest.questionnaire import COMMANDS, PROBES
from esxforge.selftest.verdicts import VerdictStatus
from esxforge_target.contract.names import AGENT_INVENTORY
from esxforge_target.inventory.disk_identities import DeviceDirectory
from esxforge_target.inventory.document import inventory_to_json
from esxforge_target.inventory.read import read
from esxforge_target.runtime.errors import ForgeError
from standin.esxi import FakeEsxi
from standin.esxi.dials import DIALS
from unit.selftest.made_up import FINISHED, good

# What the agent's log of a start says, and not what a command answers; a test below has its lines.
BY_LOG = ("hostd", "rule-file", "secure-boot-check")
# Settings that the evidence cannot tell from the first one, or not by the name.
UNSEEN = {("list-lag", "2 s"), ("list-lag", "8 s"), ("no-value", "null"), ("no-value", "empty"), ("no-value", "N/A")}
LOOKED_AT = [
    (one.id, setting)
    for one in BEHAVIOURS
    if one.look and one.id not in BY_LOG
    for setting in one.settings
    if (one.id, setting) not in UNSEEN
]


def found_on(directory: Path, dial: str, setting: str) -> Evidence:
    """What a run finds on a host with this behaviour."""
    fake = FakeEsxi.create(str(directory), dials={dial: setting})
    logs = FINISHED.logs
    try:
        logs += ((AGENT_INVENTORY, inventory_to_json(read(fake, DeviceDirectory(fake.devices)))),)
    except ForgeError:
        assert DIALS[dial].unreadable
    static = ["ipv4", "set", "-i", "vmk0", "-t", "static", "-I", SECOND.address, "-N", "255.255.255.0"]
    fake.run(["esxcli", "network", "ip", "interface", *static])
    fake.run(["esxcli", "network", "ip", "route", "ipv4", "add", "-n", "default", "-g", SECOND.gateway])
    commands = {}
    for name, command in COMMANDS + PROBES:
        result = fake.run(list(command))
        commands[name] = {"status": result.status, "output": result.stdout, "command": " ".join(command)}
    run = good()
    assert run.told is not None
    snapshots = {**run.snapshots, Stage.SECOND_BOOT: replace(FINISHED, logs=logs)}
    return replace(run, told={**run.told, "commands": commands}, snapshots=snapshots)


@pytest.mark.parametrize(("dial", "setting"), LOOKED_AT, ids=lambda text: text)
def test_a_run_says_where_esxi_stands(tmp_path: Path, dial: str, setting: str) -> None:
    verdict = judge(found_on(tmp_path, dial, setting))[f"esxi-{dial}"]
    assert verdict.status is VerdictStatus.SEEN, verdict
    assert verdict.evidence.startswith(f"{setting}: "), verdict


@pytest.mark.parametrize(
    ("dial", "line", "setting"),
    [
        ("hostd", "ESXi's management service answers after 4 s", "prompt"),
        ("hostd", "ESXi's management service answers after 61 s", "late"),
        ("rule-file", "the firewall lets TCP out to port 5248 of 10.0.0.2", "taken"),
        ("rule-file", "the firewall was not opened, …: esxcli network firewall refresh ended with 1", "refused"),
        ("rule-file", "the firewall was not opened, …: Invalid ruleset id esxforge", "ignored"),
        ("secure-boot-check", "ESXi's check says that Secure Boot can be enabled.", "can"),
        ("secure-boot-check", "ESXi's check says that Secure Boot cannot be enabled: esxforge", "cannot"),
        ("secure-boot-check", "This ESXi has no check for Secure Boot (/usr/lib/…).", "missing"),
        ("secure-boot-check", "ESXi's check for Secure Boot did not end within 90 seconds.", "hangs"),
    ],
)
def test_the_agents_log_says_where_esxi_stands(dial: str, line: str, setting: str) -> None:
    run = good()
    finished = replace(FINISHED, logs=(("esxforge.log", line + "\n"),))
    verdict = judge(replace(run, snapshots={**run.snapshots, Stage.SECOND_BOOT: finished}))[f"esxi-{dial}"]
    assert verdict.evidence.startswith(f"{setting}: ")


def test_what_no_setting_says_is_a_contradiction(tmp_path: Path) -> None:
    run = found_on(tmp_path, "static-route-source", "MANUAL")
    assert run.told is not None
    routes = dict(run.told["commands"]["routes"])
    routes["output"] = routes["output"].replace("MANUAL", "BYHAND")
    changed = replace(run, told={**run.told, "commands": {**run.told["commands"], "routes": routes}})
    verdict = judge(changed)["esxi-static-route-source"]
    assert verdict.status is VerdictStatus.CONTRADICTED
    assert "BYHAND" in verdict.evidence


def test_the_probes_leave_the_host_as_it_was(tmp_path: Path) -> None:
    fake = FakeEsxi.create(str(tmp_path))
    before = read(fake, DeviceDirectory(fake.devices))
    for _, command in PROBES:
        fake.run(list(command))
    assert read(fake, DeviceDirectory(fake.devices)) == before
