"""Modules of VIBs that the image added: the agent says whether ESXi loaded them, and leaves them in the bank."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from esxforge_target.contract.added_module import AddedModule
from standin.maas_metadata import MachineStatus
from standin.vibs import DRIVER
from target.agent.conftest import MakeSite
from target.agent.faults import host as fresh
from target.agent.faults import judge, settings
from target.agent.site import Site

CONTENT = gzip.decompress(DRIVER)
MODULE = AddedModule("netdrv.v00", "net-drv 1.2.0-1", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def with_driver(host: Site) -> Site:
    """A host as %post leaves it."""
    (host.bank / MODULE.name).write_bytes(DRIVER)
    cfg = host.bank / "boot.cfg"
    cfg.write_text(cfg.read_text().replace(" --- esxforge.tgz", f" --- {MODULE.name} --- esxforge.tgz"))
    host.boot()
    return host


@pytest.fixture
def driven(site: MakeSite) -> Site:
    """One with MAAS beside it."""
    host = site("simple-static", modules=(MODULE,))
    host.maas.machine.user_data = b""
    return with_driver(host)


def told(host: Site) -> list[str]:
    events = [event for event in host.maas.machine.events if event["name"] == "esxforge/drivers"]
    return [f"{event['event_type']} {event['description']}" for event in events]


def test_a_loaded_module_is_reported_and_stays_in_the_bank_when_the_agent_leaves(driven: Site) -> None:
    host = driven
    assert host.live() == 1
    assert host.status is MachineStatus.DEPLOYED
    (event,) = told(host)
    assert event.startswith("start ")
    assert "and not owned by ESXi: netdrv.v00 of net-drv 1.2.0-1." in event
    assert host.listed()[-1] == MODULE.name
    assert (host.bank / MODULE.name).read_bytes() == DRIVER
    assert host.leftovers() == []


def test_a_module_that_esxi_did_not_load_is_reported_and_the_deployment_goes_on(driven: Site) -> None:
    host = driven
    Path(host.fake.path(f"/tardisks/{MODULE.name}")).unlink()
    host.live()
    assert host.status is MachineStatus.DEPLOYED
    (event,) = told(host)
    assert event.startswith("finish ")
    assert "not loaded by ESXi: netdrv.v00 of net-drv 1.2.0-1." in event


def test_a_deployment_that_fails_leaves_them_too(driven: Site) -> None:
    driven.moment.fail_always.update({"/sbin/auto-backup.sh": "fail", "/sbin/backup.sh 0": "fail"})
    driven.live()
    assert driven.status is MachineStatus.FAILED_DEPLOYMENT
    assert driven.listed()[-1] == MODULE.name


def test_no_power_cut_in_a_write_to_the_bank_takes_a_module_from_it_or_strands_the_host(driven: Site) -> None:
    driven.live()
    steps = [number for number, step in enumerate(driven.moment.log, 1) if "bootbank" in step]
    assert len(steps) > 10
    for number in steps:
        for late in (False, True):
            with fresh(modules=(MODULE,)) as host:
                with_driver(host)
                before = settings(host)
                (host.moment.after if late else host.moment.before)[number] = host.cut
                host.live()
                assert host.listed()[-1] == MODULE.name, driven.moment.log[number - 1]
                assert gzip.decompress((host.bank / MODULE.name).read_bytes()) == CONTENT
                verdict = judge(host, before)
                assert verdict.wrongs == ()
                assert verdict.outcome.endswith("Deployed")
