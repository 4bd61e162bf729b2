"""Addresses, TLS, proxies, and what is said when the other side is no MAAS."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from esxforge import events
from esxforge.errors import MaasError
from esxforge.maas.auth import ApiKey
from esxforge.maas.client import Surroundings
from esxforge.maas.connection import Connection, base_url
from esxforge.maas.retry import Backoff, parse_retry_after
from esxforge.maas.upload import UploadImage, upload_image
from standin.maas_region import ADMIN_KEY, FakeRegion, Fault, serve

from .conftest import CHUNK, Maas


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://maas:5240/MAAS", "http://maas:5240/MAAS"),
        ("http://maas:5240/MAAS/", "http://maas:5240/MAAS"),
        ("http://maas:5240", "http://maas:5240/MAAS"),
        ("http://maas:5240/", "http://maas:5240/MAAS"),
        (" https://maas.example.com:5443/MAAS/api/2.0/ ", "https://maas.example.com:5443/MAAS"),
        ("http://maas:5240/api/2.0", "http://maas:5240/MAAS"),
        ("http://[2001:db8::1]:5240", "http://[2001:db8::1]:5240/MAAS"),
        ("https://proxy/here/MAAS", "https://proxy/here/MAAS"),
    ],
)
def test_addresses_as_people_write_them(written: str, meant: str) -> None:
    assert base_url(written) == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "not the http or https address"),
        ("maas:5240", "not the http or https address"),
        ("ftp://maas/MAAS", "not the http or https address"),
        ("http://", "not the http or https address"),
        ("http://maas:port/", "not a URL"),
        ("http://me:topsecret1@maas/MAAS", "user name or password"),
        ("http://maas/MAAS?key=topsecret1", "more than an address"),
        ("http://" + "a" * 300 + ".example.com/MAAS", "cannot be the name of a host"),
        ("http://a..b/MAAS", "cannot be the name of a host"),
    ],
)
def test_what_is_no_address_is_refused(written: str, message: str) -> None:
    with pytest.raises(MaasError, match=message) as caught:
        base_url(written)
    assert "topsecret1@" not in caught.value.message + caught.value.hint


class Authority:
    """An authority of its own, with one certificate for 127.0.0.1."""

    def __init__(self, directory: Path) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

        def builder(subject: x509.Name) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .issuer_name(name)
                .subject_name(subject)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=1))
            )

        authority = (
            builder(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                    key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        leaf = (
            builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]))
            .public_key(leaf_key.public_key())
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.file = directory / "authority.pem"
        self.file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        chain = directory / "server.pem"
        chain.write_bytes(
            leaf.public_bytes(serialization.Encoding.PEM)
            + leaf_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(chain)


def _upload(connection: Connection, image: UploadImage, told: list[events.Event]) -> str:
    surroundings = Surroundings(sleep=lambda _seconds: None)
    return upload_image(image, connection, told.append, surroundings=surroundings, chunk_size=CHUNK).action


def test_tls_with_an_own_authority(tmp_path: Path, image: UploadImage) -> None:
    authority, region, told = Authority(tmp_path), FakeRegion(), list[events.Event]()
    key = ApiKey.parse(ADMIN_KEY, "test")
    with serve(region, tls=authority.server) as url:
        assert url.startswith("https:")
        with pytest.raises(MaasError, match=r"certificate of https://.* is not trusted") as caught:
            _upload(Connection(url, key), image, told)
        assert "--ca-file" in caught.value.hint
        assert region.requests == [], "nothing is sent to who is not trusted"
        assert _upload(Connection(url, key, ca_file=authority.file), image, told) == "uploaded"
        assert _upload(Connection(url, key, ca_certificates=authority.file.read_text()), image, told) == "skipped"
        assert not any(isinstance(event, events.Notice) and event.warning for event in told)
        assert _upload(Connection(url, key, insecure=True), image, told) == "skipped"
        assert any(isinstance(event, events.Notice) and event.warning and "not checked" in event.text for event in told)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, image: UploadImage) -> None:
    authority = Authority(tmp_path)
    with serve(FakeRegion(), tls=authority.server) as url:
        other = url.replace("127.0.0.1", "localhost")
        connection = Connection(other, ApiKey.parse(ADMIN_KEY, "test"), ca_file=authority.file)
        with pytest.raises(MaasError, match=r"is not trusted: [Hh]ostname mismatch"):
            _upload(connection, image, [])


@pytest.mark.parametrize("content", [None, b"no certificate", b""])
def test_an_unusable_authority_is_told(tmp_path: Path, image: UploadImage, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    connection = Connection("https://127.0.0.1:1/MAAS", ApiKey.parse(ADMIN_KEY, "test"), ca_file=file)
    with pytest.raises(MaasError, match=r"CA file .*ca\.pem cannot be used"):
        _upload(connection, image, [])


def test_tls_spoken_to_a_port_without_it_is_told(maas: Maas, image: UploadImage) -> None:
    maas.url = maas.url.replace("http:", "https:")
    with pytest.raises(MaasError, match="does not speak TLS"):
        maas.upload(image)


def test_nobody_at_the_address_is_told_at_once(image: UploadImage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    maas = Maas(FakeRegion(), f"http://127.0.0.1:{port}/MAAS")
    with pytest.raises(MaasError, match="No connection to") as caught:
        maas.upload(image)
    assert "5240" in caught.value.hint
    assert maas.slept == []


def test_a_web_site_that_is_no_maas_is_told_and_never_sees_the_key(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("GET", "html"))
    with pytest.raises(MaasError, match="not the interface of a MAAS: a web page answers"):
        maas.upload(image)
    maas.fault()
    maas.url = maas.url.replace("/MAAS", "/elsewhere")
    with pytest.raises(MaasError, match="not the interface of a MAAS"):
        maas.upload(image)
    assert not any("Authorization" in headers for headers in maas.region.headers)


def test_a_page_in_place_of_an_answer_to_a_chunk_is_not_taken_for_ok(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "html", at=1))
    with pytest.raises(MaasError, match="a web page answers"):
        maas.upload(image)
    maas.fault()
    assert maas.upload(image).resumed_from == CHUNK


def test_a_limit_of_a_proxy_in_front_is_told(maas: Maas, image: UploadImage) -> None:
    maas.fault(Fault("PUT", "too-large"))
    with pytest.raises(MaasError, match="no requests of 4 MiB") as caught:
        maas.upload(image)
    assert "client_max_body_size" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("ALL_PROXY=socks5://127.0.0.1:1080", "SOCKS proxy"),
        ("HTTPS_PROXY=ftp://proxy:21", "address of the proxy"),
        ("SSL_CERT_FILE=/etc/passwd", "names for TLS"),
        ("SSL_CERT_FILE=/no/such/file", "names for TLS"),
    ],
)
def test_an_environment_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, maas: Maas, image: UploadImage, variable: str, message: str
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    with pytest.raises(MaasError, match=message) as caught:
        maas.upload(image)
    assert name in caught.value.hint


def test_without_a_connection_the_hint_names_proxies_only_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch, image: UploadImage
) -> None:
    nobody = Maas(FakeRegion(), "http://127.0.0.1:9/MAAS")
    with pytest.raises(MaasError, match="No connection") as caught:
        nobody.upload(image)
    assert "PROXY" not in caught.value.hint
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(MaasError, match="No connection") as caught:
        nobody.upload(image)
    assert "HTTP_PROXY" in caught.value.hint


def test_a_proxy_of_the_environment_is_used_and_no_proxy_heeded(
    maas: Maas, image: UploadImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", maas.url.removesuffix("/MAAS"))
    address, maas.url = maas.url, "http://maas.invalid:5240/MAAS"
    monkeypatch.setenv("NO_PROXY", "")
    # The stand-in takes the absolute form of a request's target, as a proxy does.
    assert maas.upload(image).action == "uploaded"
    assert all(path.startswith("http://maas.invalid:5240/") for _method, path in maas.region.requests)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    maas.url = address
    assert maas.upload(image).action == "skipped"


def test_a_clock_that_is_wrong_is_told_with_how_much(maas: Maas, image: UploadImage) -> None:
    real = maas.region.clock
    maas.region.clock = lambda: real() + 4000
    with pytest.raises(MaasError, match=r"are (3999|4000) seconds apart; MAAS allows 300") as caught:
        maas.upload(image)
    assert "timedatectl" in caught.value.hint
    maas.region.clock = lambda: real() - 290
    assert maas.upload(image).action == "uploaded"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("10", 10), ("0", 0), ("-5", 0), ("99999", 300), ("nan", None), ("soon", None), (None, None), ("", None),
     ("Thu, 01 Jan 1970 00:02:00 GMT", 20), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=100.0) == seconds


def test_backoff_doubles_up_to_its_ceiling_and_never_undercuts_the_server() -> None:
    backoff = Backoff(first=1, longest=60)
    assert [backoff.wait(n) for n in (1, 2, 3, 7, 20)] == [1, 2, 4, 60, 60]
    assert backoff.wait(1, 10) == 10
    assert backoff.wait(7, 10) == 60
