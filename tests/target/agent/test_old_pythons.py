"""The agent really runs on the Pythons of ESXi."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import esxforge_target
from standin.maas_metadata import MachineStatus
from standin.pythons import find_python, run_on
from target.agent.conftest import MakeSite

SOURCE = Path(esxforge_target.__file__).parents[1]
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.11", "3.13"])
def test_a_deployment_is_made_by_the_pythons_of_real_hosts(site: MakeSite, version: str) -> None:
    program = find_python(version)
    host = site("vmfs7-bond")
    host.maas.machine.clock = time.time
    story = Path(__file__).parent / "story.py"
    done = run_on(program, story, str(host.directory / "esxi"), str(host.maas.port), path=[SOURCE, TESTS])
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    assert host.status is MachineStatus.DEPLOYED, done.stdout
    assert host.differences() == []
    assert host.leftovers() == []
    assert host.leaks() == []
