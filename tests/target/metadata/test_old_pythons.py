from __future__ import annotations

import json
from pathlib import Path

import pytest

import esxforge_target
from standin.maas_metadata import FakeMetadataService, Fault, MachineStatus
from standin.pythons import find_python, run_on

SOURCE = Path(esxforge_target.__file__).parents[1]


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.11", "3.13"])
def test_a_deployment_is_told_by_the_pythons_of_real_hosts(version: str, tmp_path: Path) -> None:
    program = find_python(version)
    # Seconds of skew: the first request of each run is refused and then signed anew.
    with FakeMetadataService(skew=4000) as maas:
        maas.machine.user_data = b"#!/bin/sh"
        maas.faults = [Fault.RESET]
        token = tmp_path / "token"
        token.write_text(json.dumps(maas.reporting))
        done = run_on(program, Path(__file__).parent / "story.py", maas.endpoint, str(token), path=[SOURCE])
        assert done.stderr == ""
        assert done.stdout == "answered\nrsycnt esx01.maas 0 3\n#!/bin/sh\n"
        assert maas.machine.status is MachineStatus.DEPLOYED
        assert maas.machine.event_log == ["Setting up the network für esx01", "the script ended with 1"]
