"""An endpoint behind TLS: the certificate decides before anything is said."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import ANSWERED
from standin.vcenter import Dialects, FakeVcenter, VcenterInventory, make_certificate


def client(port: int, authorities: str) -> MetadataClient:
    endpoint = parse_endpoint(f"https://127.0.0.1:{port}/MAAS/metadata/status/abc")
    return MetadataClient(endpoint, Token("c", "t", "s"), context=ssl.create_default_context(cadata=authorities))


def test_a_known_certificate_is_talked_to_and_another_is_not(tmp_path: Path) -> None:
    known, other = make_certificate("maas", "127.0.0.1"), make_certificate("maas", "127.0.0.1")
    web = VcenterInventory(lambda name, password: False, "", Dialects.NONE)  # any web server will do
    with FakeVcenter(web, known, tmp_path) as server:
        refused = client(server.port, other.pem).probe()
        assert refused.connectivity == ANSWERED
        assert "TLS connection" in refused.detail
        assert web.requests == []
        assert "status 404" in client(server.port, known.pem).probe().detail
        assert web.requests == [("GET", "/MAAS/metadata/latest/meta-data/instance-id")]


def test_silence_after_the_connection_proves_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        probe = client(mute.getsockname()[1], make_certificate("x").pem).probe(timeout=0.2)
    assert probe.connectivity == ANSWERED
