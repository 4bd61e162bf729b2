"""A second run on a finished host changes nothing; and by what the agent sees that."""

from __future__ import annotations

from pathlib import Path

import pytest

from esxforge_target.agent.certificate import common_name
from standin.maas_metadata import MachineStatus
from standin.vcenter import make_certificate
from target.agent.conftest import MakeSite
from target.agent.questions import is_question

NAME = "esx01.maas"
OURS = make_certificate(NAME)


@pytest.mark.parametrize("name", ["esx01.maas", "localhost.localdomain", "10.0.0.10", "a" * 64])
def test_the_common_name_of_a_certificate_is_read(name: str) -> None:
    assert common_name(make_certificate(name).pem.encode()) == name


def test_what_is_no_certificate_has_no_common_name() -> None:
    pem = OURS.pem.encode()
    for length in range(0, len(pem) - 1, 7):
        assert common_name(pem[:length]) in ("", NAME)
    for data in (b"", b"certificate of esx01.maas\n", b"\xff\xfe", pem.replace(b"M", b"", 1)):
        assert common_name(data) == ""


def test_a_second_run_on_a_finished_host_changes_nothing(site: MakeSite) -> None:
    host = site("simple-static")
    host.maas.machine.user_data = b""
    cfg = (host.bank / "boot.cfg").read_text()
    assert host.start() == 0
    certificate = Path(host.fake.path("/etc/vmware/ssl/rui.crt"))
    certificate.write_text(OURS.pem)  # the fake's is none
    count = len(host.fake.commands)
    (host.bank / "boot.cfg").write_text(cfg)
    host.rewrite_module()
    assert host.start() == 0
    assert host.status is MachineStatus.DEPLOYED
    assert certificate.read_text() == OURS.pem
    ran = [" ".join(command) for command in host.fake.commands[count:] if not is_question(command)]
    assert [command for command in ran if " firewall " not in command and "auto-backup" not in command] == []
