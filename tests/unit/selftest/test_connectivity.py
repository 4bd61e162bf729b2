"""Whether a host answers: by TLS, by closing the connection, or not at all."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from esxforge.selftest import connectivity
from esxforge.selftest.connectivity import Connectivity, probe
from esxforge.selftest.evidence import ServiceAnswer
from esxforge.selftest.virtual_host import free_port


@contextmanager
def listening(context: ssl.SSLContext | None, *, close: bool = True) -> Iterator[int]:
    """A port that takes a connection, and then speaks TLS, closes, or says nothing."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = server.accept()
                    with taken, suppress(OSError):
                        if context is not None:
                            context.wrap_socket(taken, server_side=True).close()
                        elif not close:
                            stop.wait(30)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "selftest.esxforge.test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=1))
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made


def test_a_service_with_tls_is_known_by_its_certificate(context: ssl.SSLContext) -> None:
    with listening(context) as port:
        assert probe(port) == ServiceAnswer("tls", subject="selftest.esxforge.test")
        asked = Connectivity(port, patience=100)
        assert asked.ask(12.0)
        assert asked.answer == ServiceAnswer("tls", 12.0, "selftest.esxforge.test")


def test_a_host_without_a_service_closes_and_is_given_some_time() -> None:
    with listening(None) as port:
        asked = Connectivity(port, patience=30)
        assert not asked.ask(12.0)
        assert not asked.ask(40.0)
        assert asked.ask(43.0)
        assert asked.answer == ServiceAnswer("closed", 12.0)


def test_silence_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity, "_WAIT", 0.05)
    with listening(None, close=False) as port:
        asked = Connectivity(port, patience=0)
        assert not asked.ask(12.0)
        assert asked.answer.kind == "silent"
    assert probe(free_port()).kind == "silent"
