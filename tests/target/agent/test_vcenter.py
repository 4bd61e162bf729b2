"""vCenter's credentials come with vendor-data; the agent joins with them, and forgets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from passlib.hash import sha512_crypt

from esxforge_target.contract.host_record import VcenterOptions
from standin.maas_metadata import MachineStatus
from standin.vcenter import FakeVcenter, VcenterInventory, make_certificate
from target.agent.conftest import MakeSite
from target.agent.site import Site

NAME = "esx01.maas"
OURS = make_certificate(NAME)
THEIRS = make_certificate("vcenter.example.com", "127.0.0.1")

Ready = Callable[..., tuple[Site, VcenterInventory, str]]


def vendor_data(port: int, password: str) -> bytes:
    """As MAAS sends it: a file for the host, in a #cloud-config, in YAML."""
    document = {
        "vcenter_server": f"127.0.0.1:{port}", "vcenter_username": "administrator@vsphere.local",
        "vcenter_password": password, "vcenter_datacenter": "DC1",
    }  # fmt: skip
    entry = {"path": "/altbootbank/maas/vcenter.yaml", "content": yaml.safe_dump(document)}
    return yaml.safe_dump({"cloud-init": "#cloud-config\n" + yaml.safe_dump({"write_files": [entry]})}).encode()


@pytest.fixture
def ready(site: MakeSite, tmp_path: Path) -> Any:
    """A host whose certificate is a real one, and a vCenter that logs in to it."""
    served = []

    def make(**recipe: str) -> tuple[Site, VcenterInventory, str]:
        host = site("simple-static", vcenter=VcenterOptions(ca=THEIRS.pem, **recipe))
        with host.fake.edit() as esxi:
            esxi.hardware["programs_missing"].append("generate-certificates")
        Path(host.fake.path("/etc/vmware/ssl/rui.crt")).write_text(OURS.pem)

        def may_administer(name: str, password: str) -> bool:
            hashes = dict(line.split(":")[:2] for line in Path(host.fake.path("/etc/shadow")).read_text().splitlines())
            known = hashes.get(name, "*").startswith("$6$") and sha512_crypt.verify(password, hashes[name])
            return known and host.fake.running["permissions"].get(name) == "Admin"

        inventory = VcenterInventory(may_administer, OURS.thumbprint("sha1"))
        vcenter = FakeVcenter(inventory, THEIRS, tmp_path)
        vcenter.__enter__()
        served.append(vcenter)
        host.maas.machine.vendor_data = vendor_data(vcenter.port, inventory.password)
        return host, inventory, f"port {vcenter.port}"

    yield make
    for vcenter in served:
        vcenter.__exit__(None, None, None)
    (tmp_path / "vcenter.pem").unlink(missing_ok=True)


def test_a_host_joins_vcenter_before_it_is_deployed(ready: Ready) -> None:
    host, inventory, _ = ready()
    before = host.fake.running["firewall"]
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    (spec,) = inventory.created
    assert spec["hostname"] == NAME
    assert "esxforge-join" not in Path(host.fake.path("/etc/passwd")).read_text()
    assert host.fake.running["firewall"] == before
    assert "lets TCP out to port 5248, " in host.log
    for path in host.directory.rglob("*"):
        if path.is_file() and path.suffix in (".log", ".jsonl", ".json", ".jnl", ".yaml"):
            assert inventory.password not in path.read_text(errors="replace"), path


def test_a_vcenter_that_cannot_be_joined_is_told_and_the_host_is_deployed(ready: Ready) -> None:
    host, _, _ = ready(datacenter="Nowhere")
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    (line,) = [line for line in host.maas.machine.event_log if "vCenter was not joined" in line]
    assert "no datacenter 'Nowhere'" in line
    assert "Make it in vCenter" in line


def accounts(host: Site) -> str:
    return Path(host.fake.path("/etc/passwd")).read_text()


def test_the_temporary_administrator_goes_where_vcenter_takes_all_the_time(ready: Ready) -> None:
    host, inventory, _ = ready()
    log_in = inventory.log_in

    def slowly(name: str, password: str) -> bool:
        host.clock.sleep(1000)
        return log_in(name, password)

    inventory.log_in = slowly
    assert host.start() == 0
    assert len(inventory.created) == 1
    assert "there was no time left" not in host.log
    assert "was not removed" not in host.log
    assert "esxforge-join" not in accounts(host)
    assert "esxforge-join" not in host.fake.running["permissions"]


def test_a_temporary_administrator_that_stayed_is_removed_before_the_last_save(ready: Ready) -> None:
    host, _, _ = ready()
    remove = "esxcli system account remove --id=esxforge-join"
    host.moment.fail_always[remove] = "fail"

    def later() -> None:
        assert "esxforge-join" in accounts(host)
        host.moment.fail_always.clear()

    host.moment.at["GET /MAAS/metadata/latest/user-data"] = later
    host.moment.at["GET /MAAS/metadata/2012-03-01/user-data"] = later
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert any("ESXi did not remove the temporary account" in line for line in host.maas.machine.event_log)
    assert host.moment.fail_always == {}
    host.fake.power_cut()
    host.boot()
    assert "esxforge-join" not in accounts(host)
