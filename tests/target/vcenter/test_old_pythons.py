from __future__ import annotations

import json
from pathlib import Path

import pytest

import esxforge_target
from standin.pythons import find_python, run_on
from standin.vcenter import Dialects, FakeVcenter, VcenterInventory, make_certificate

SOURCE = Path(esxforge_target.__file__).parents[1]


@pytest.mark.parametrize(
    ("version", "dialects"),
    [("3.6", Dialects.V6_7), ("3.8", Dialects.V7_0), ("3.11", Dialects.V8_0), ("3.13", Dialects.V9_0)],
)
def test_the_pythons_of_real_hosts_speak_to_vcenter(version: str, dialects: Dialects, tmp_path: Path) -> None:
    program = find_python(version)
    ours, theirs = make_certificate("esx01"), make_certificate("vcenter", "127.0.0.1")
    (tmp_path / "etc/vmware/ssl").mkdir(parents=True)
    (tmp_path / "etc/vmware/ssl/rui.crt").write_text(ours.pem)
    inventory = VcenterInventory(lambda name, password: True, ours.thumbprint("sha1"), dialects)
    with FakeVcenter(inventory, theirs, tmp_path) as vcenter:
        given = {
            "document": {
                "vcenter_server": f"127.0.0.1:{vcenter.port}",
                "vcenter_username": inventory.username,
                "vcenter_password": inventory.password,
                "vcenter_datacenter": "DC1/Racks",
            },
            "trusts": [
                {"authorities": theirs.pem},
                {"thumbprint": theirs.thumbprint("sha256")},
                {"thumbprint": ours.thumbprint("sha256")},
                {"authorities": ours.pem},
            ],
            "root": str(tmp_path),
            "address": "esx01",
        }
        done = run_on(program, Path(__file__).parent / "story.py", path=[SOURCE], stdin=json.dumps(given))
    assert done.stderr == ""
    dialect = "api" if "api" in dialects.value[0] else "rest"
    lines = done.stdout.splitlines()
    assert lines[0] == f"{dialect} group-h40 host-7"
    assert "has a host of this name already" in lines[1]
    assert "is not the pinned one" in lines[2]
    assert "was not accepted" in lines[3]
    assert inventory.sessions == set()
