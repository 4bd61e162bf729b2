"""Against the vCenter simulator of govmomi, built from Debian's golang-github-vmware-govmomi-dev.

That simulator knows sessions of the /rest dialect and no adding of hosts: what it shows is that the certificate is
checked, the dialect found, the session opened with what it expects and closed again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from esxforge_target.vcenter.desired import DesiredVcenter, parse_settings
from esxforge_target.vcenter.errors import VcenterError
from esxforge_target.vcenter.session import Session
from esxforge_target.vcenter.tls import Trust

GOPATH = Path("/usr/share/gocode")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    go = shutil.which("go")
    if go is None or not (GOPATH / "src/github.com/vmware/govmomi/vapi/simulator").is_dir():
        pytest.skip("no vcsim: install golang-go and golang-github-vmware-govmomi-dev")
    folder = tmp_path_factory.mktemp("vcsim")
    source = Path(__file__).parent / "vcsim" / "main.go"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(folder / "cache")}
    subprocess.run([go, "build", "-o", str(folder / "vcsim"), str(source)], env=environment, check=True)
    yield folder / "vcsim"
    shutil.rmtree(folder)


@pytest.fixture
def simulator(program: Path) -> Iterator[tuple[str, str]]:
    """Its address and its certificate."""
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        certificate = "".join(iter(process.stdout.readline, "ready\n"))
        yield address, certificate
        process.communicate()  # ends its stdin, and so the simulator
    assert process.returncode == 0


def desired(address: str) -> DesiredVcenter:
    settings = {"vcenter_server": address, "vcenter_username": "user", "vcenter_password": "pass"}
    return parse_settings(settings)


@pytest.mark.slow
def test_a_vcenter_that_we_did_not_write_lets_us_in_and_out(simulator: tuple[str, str]) -> None:
    address, certificate = simulator
    thumbprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    trust = Trust(thumbprint=thumbprint)
    with Session(desired(address), trust) as session:
        assert session.dialect == "rest"
        signed = session._signed()
        # It has tags, which need a session, and no datacenters.
        assert session._ask("GET", "/rest/com/vmware/cis/tagging/category", signed, None, 10)[0] == 200
        with pytest.raises(VcenterError, match="status 404"):
            session.find("datacenter", names=["DC0"])
    with pytest.raises(VcenterError, match="does not accept"), Session(desired(address), trust) as other:
        other._token = signed["vmware-api-session-id"]  # the one that was closed
        other._result(other._ask("GET", "/rest/com/vmware/cis/tagging/category", signed, None, 10), "listing tags")
    for distrust in (Trust(), Trust(thumbprint="00" * 32)):
        with pytest.raises(VcenterError, match="certificate"), Session(desired(address), distrust):
            pass
