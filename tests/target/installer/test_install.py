"""From a disk that the hook prepared to an installed host whose next boot starts the agent."""

from __future__ import annotations

import gzip
import json
import subprocess

import pytest

from esxforge_target.contract import agent_start
from esxforge_target.contract.document import VERSION
from esxforge_target.formats.stored_gzip import member_extent
from standin.esxi import label as labels
from target.installer.conftest import Prepared
from target.installer.site import AGENT, PLAIN

RELEASES = ["6.7", "7.0", "8.0", "9.0"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_prepared_host_is_installed_and_boots_with_the_agent(release: str, prepared: Prepared) -> None:
    site = prepared("esxi67-vmfs6" if release == "6.7" else "simple-static", release)
    site.run()
    assert site.boots() == AGENT
    files = site.module_files()
    installed = json.loads(files["esxforge/installed.json"])
    label = labels.read_label(str(site.raw(site.boot)))
    build = site.fake.hardware
    assert installed == {
        "version": VERSION,
        "device": site.boot,
        "disk_guid": label.guid,
        "build": f"{build['release']}-{build['build']}",
        "notices": [],
    }
    assert json.loads(files["esxforge/secrets.json"])["rootpw"] == ""
    assert json.loads(files["esxforge/host.json"])["secrets"] is None
    assert files["esxforge/desired.json"] == site.ram("/esxforge/desired.json").read_bytes()
    assert files["etc/rc.local.d/999.esxforge.sh"].decode() == agent_start.SCRIPT
    assert "esxforge/lib/esxforge_target/installer/post.py" in files
    assert "esxforge/lib/yaml/__init__.py" in files
    assert "esxforge/ks.cfg" not in files


def test_the_bank_module_has_the_modes_that_esxi_needs_and_hides_the_secrets(prepared: Prepared) -> None:
    site = prepared()
    site.run()
    modes = {member.name: member.mode for member in site.module()}
    assert modes["etc/rc.local.d/999.esxforge.sh"] == 0o1777
    assert modes["esxforge/secrets.json"] == 0o600
    packed = (site.bank() / "esxforge.tgz").read_bytes()
    offset, length = member_extent(packed, "esxforge/secrets.json")
    assert offset % 4096 == length % 4096 == 0
    assert json.loads(packed[offset : offset + length])["maas"]
    checked = subprocess.run(["gzip", "-t"], input=packed, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert gzip.decompress(packed)


def test_only_the_bank_that_boots_gets_the_module(prepared: Prepared) -> None:
    site = prepared()
    site.run()
    assert sorted(path.name for path in site.bank(6).iterdir()) == ["boot.cfg"]
    assert site.boots() != PLAIN
