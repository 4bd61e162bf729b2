from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from oauthlib.oauth1 import Client as OAuthClient  # type: ignore[import-untyped]

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.errors import ContractError
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient
from esxforge_target.metadata.errors import (
    MetadataError,
    NotOursError,
    NotThereError,
    RejectedError,
    TooLargeError,
    UnreachableError,
)
from standin.maas_metadata import FakeMetadataService, Fault, MachineStatus, VirtualClock

Connect = Callable[..., MetadataClient]


def test_a_host_reads_what_maas_knows_about_it(maas: FakeMetadataService, connect: Connect) -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    maas.machine.public_keys = key + " admin@example\nMAAS could not be reached"
    maas.machine.vendor_data = b"cloud-init: x\n"
    client = connect()

    assert client.instance_id() == "rsycnt"
    assert client.hostname() == "esx01.maas"
    assert client.public_keys().keys == (key + " admin@example",)
    assert len(client.public_keys().dropped) == 1
    assert client.vendor_data() == b"cloud-init: x\n"
    assert all(heard.accepted for heard in maas.machine.heard)
    assert maas.machine.status is MachineStatus.DEPLOYING


def test_no_vendor_data_and_no_keys_are_ordinary(maas: FakeMetadataService, connect: Connect) -> None:
    maas.machine.vendor_data = None
    assert connect().vendor_data() == b""
    assert connect().public_keys().keys == ()


def test_every_request_is_signed_anew(maas: FakeMetadataService, connect: Connect) -> None:
    client = connect()
    for _ in range(5):
        client.instance_id()
    assert len(maas.machine.nonces) == 5


def test_the_signature_is_the_one_that_oauthlib_makes() -> None:
    token = Token("key&1", "token key/2", "secret ü%3")
    ours = token.authorization(1790000000)
    nonce = ours.split('oauth_nonce="')[1].split('"')[0]
    _, theirs, _ = OAuthClient(
        "key&1", "", "token key/2", "secret ü%3", signature_method="PLAINTEXT", nonce=nonce, timestamp="1790000000"
    ).sign("http://maas/")
    assert sorted(ours.removeprefix("OAuth ").split(", ")) == sorted(
        theirs["Authorization"].removeprefix("OAuth ").split(", ")
    )


@pytest.mark.parametrize("user_data", [None, b"#!/bin/sh\n"])
def test_fetching_user_data_marks_the_machine_deployed(
    maas: FakeMetadataService, connect: Connect, user_data: bytes | None
) -> None:
    maas.machine.user_data = user_data
    assert connect().user_data() == user_data
    assert maas.machine.status is MachineStatus.DEPLOYED
    assert [heard.path.rsplit("/", 1)[1] for heard in maas.machine.heard] == ["instance-id", "user-data"]


def test_user_data_is_not_asked_for_when_maas_takes_us_for_another(maas: FakeMetadataService, connect: Connect) -> None:
    client = connect()
    maas.machine.system_id = "other1"
    with pytest.raises(NotOursError, match="another machine"):
        client.user_data()
    assert maas.machine.status is MachineStatus.DEPLOYING


@pytest.mark.parametrize("read", ["hostname", "public_keys", "vendor_data", "user_data", "instance_id"])
def test_enlistment_data_is_never_taken_for_ours(maas: FakeMetadataService, connect: Connect, read: str) -> None:
    maas.fault = Fault.UNSIGNED
    with pytest.raises(NotOursError):
        getattr(connect(), read)()


@pytest.mark.parametrize("wrong_by", [-86400.0 * 3650, -301.0, 299.0, 7200.0, 1e9])
def test_a_wrong_clock_is_corrected_from_the_date_header(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock, wrong_by: float
) -> None:
    clock.wrong_by = wrong_by
    client = connect()
    assert client.hostname() == "esx01.maas"
    assert abs(client.skew + wrong_by) <= 1
    assert clock.sleeps == []
    client.report_start("network", "x")
    assert abs(maas.machine.events[0]["timestamp"] - clock.true_time()) <= 1


def test_a_clock_that_jumps_in_between_is_corrected_again(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock
) -> None:
    client = connect()
    client.instance_id()
    clock.wrong_by = -5000.0
    assert client.hostname() == "esx01.maas"


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.BAD_GATEWAY, Fault.RESET, Fault.TRUNCATED, Fault.GARBAGE])
def test_passing_failures_are_tried_again(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock, fault: Fault
) -> None:
    maas.faults = [fault] * 3
    assert connect().instance_id() == "rsycnt"
    assert len(clock.sleeps) == 3
    assert all(0.5 * 2**place <= pause <= 2**place for place, pause in enumerate(clock.sleeps))


def test_maas_may_ask_for_a_longer_pause(maas: FakeMetadataService, connect: Connect, clock: VirtualClock) -> None:
    maas.faults = [Fault.BUSY]
    connect().instance_id()
    assert clock.sleeps == [10.0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.UNAVAILABLE, RejectedError), (Fault.RESET, UnreachableError), (Fault.TRUNCATED, UnreachableError)],
)
def test_patience_ends(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock, fault: Fault, error: type[MetadataError]
) -> None:
    maas.fault = fault
    with pytest.raises(error):
        connect(total=100).instance_id()
    assert 60 < clock.elapsed <= 100


@pytest.mark.parametrize("minutes", [1, 5, 20])
def test_an_event_waits_for_maas_to_come_back(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock, minutes: int
) -> None:
    def until_then() -> None:
        maas.fault = Fault.UNAVAILABLE if clock.elapsed < minutes * 60 else None

    maas.on_request = until_then
    connect().report_start("network", "waits", total=1500)
    assert maas.machine.event_log == ["waits"]
    assert clock.elapsed < minutes * 60 + 31


def test_a_redirect_is_not_followed(maas: FakeMetadataService, connect: Connect, clock: VirtualClock) -> None:
    maas.fault = Fault.REDIRECT
    with pytest.raises(RejectedError, match="redirects are not followed"):
        connect().instance_id()
    assert clock.sleeps == []


def test_a_released_machine_is_told_so(maas: FakeMetadataService, connect: Connect) -> None:
    maas.machine.status = MachineStatus.RELEASED
    with pytest.raises(RejectedError, match="does not accept this machine's token") as caught:
        connect().instance_id()
    assert "released" in caught.value.hint


def test_a_missing_document_is_told_from_a_failure(connect: Connect) -> None:
    with pytest.raises(NotThereError):
        connect().get("meta-data/nope")


def test_an_endless_answer_is_cut_off(maas: FakeMetadataService, connect: Connect) -> None:
    maas.machine.user_data = b"x" * (10 * 1024 * 1024)
    with pytest.raises(TooLargeError, match="8388608 bytes"):
        connect().user_data()


def test_a_dripping_answer_ends_in_time(maas: FakeMetadataService, connect: Connect) -> None:
    maas.fault = Fault.DRIP
    with pytest.raises(UnreachableError):
        connect(request=0.3, total=0).instance_id()


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "-x", "x" * 64, "ü", "<html>"])
def test_a_host_name_that_is_none_is_refused(maas: FakeMetadataService, connect: Connect, name: str) -> None:
    maas.machine.hostname = name
    with pytest.raises(MetadataError, match="no usable host name"):
        connect().hostname()


def test_proxies_of_the_environment_are_not_used(
    maas: FakeMetadataService, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert connect().instance_id() == "rsycnt"


def test_events_make_a_story_in_the_event_log(maas: FakeMetadataService, connect: Connect) -> None:
    client = connect()
    client.report_start("network", "Setting up vSwitch0 für ü")
    client.report_failed_phase("user-data", "the script ended with 1")
    assert maas.machine.event_log == ["Setting up vSwitch0 für ü", "the script ended with 1"]
    assert maas.machine.status is MachineStatus.DEPLOYING
    assert [(event["name"], event.get("result")) for event in maas.machine.events] == [
        ("esxforge/network", None),
        ("esxforge/user-data", "FAIL"),
    ]


def test_an_event_before_the_time_is_known_is_dated_by_maas(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock
) -> None:
    clock.wrong_by = -1e9
    client = connect()
    client.report_start("wait", "first of all")
    client.report_start("network", "then")
    first, second = maas.machine.events
    assert "timestamp" not in first
    assert abs(second["timestamp"] - clock.true_time()) <= 1


def test_a_failed_deployment_changes_the_status_and_a_later_failure_does_not(
    maas: FakeMetadataService, connect: Connect
) -> None:
    connect().report_failed_deployment("no uplink")
    assert maas.machine.status is MachineStatus.FAILED_DEPLOYMENT
    maas.machine.status = MachineStatus.DEPLOYED
    connect().report_failed_deployment("too late")
    assert maas.machine.status_changes == [MachineStatus.FAILED_DEPLOYMENT]


def test_long_descriptions_are_shortened(maas: FakeMetadataService, connect: Connect) -> None:
    connect().report_start("log", "x" * 100_000)
    assert len(maas.machine.event_log[0]) == 16_000


def test_the_time_limit_of_maas_up_to_3_5_is_restarted_without_a_line_in_the_log(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock
) -> None:
    maas.machine.version, maas.machine.node_timeout = (3, 5), 1800.0
    maas.machine.start_limit()
    for _ in range(3):
        clock.sleep(1700)
        connect().restart_limit()
    assert maas.machine.status_changes == []
    assert maas.machine.log.lines == []
    clock.sleep(1801)
    maas.machine.pass_time()
    assert maas.machine.status is MachineStatus.FAILED_DEPLOYMENT
    (line,) = maas.machine.query_events()["events"]
    assert line["description"] == "Node operation 'Deploying' timed out after 30 minutes."


def test_from_maas_3_6_on_nothing_restarts_the_time_limit(
    maas: FakeMetadataService, connect: Connect, clock: VirtualClock
) -> None:
    maas.machine.node_timeout = 1800.0
    maas.machine.start_limit()
    clock.sleep(3500)
    connect().restart_limit()
    assert maas.machine.status_changes == []
    clock.sleep(101)
    maas.machine.pass_time()
    assert maas.machine.status is MachineStatus.FAILED_DEPLOYMENT


def test_the_token_shows_nowhere(
    maas: FakeMetadataService, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    token = Token.from_config(maas.reporting)
    client = connect()
    shown = [repr(token), str(token), repr(client), repr(client.endpoint)]
    client.report_start("log", "401: " + " ".join(maas.secrets))
    shown += [json.dumps(dict(event)) for event in maas.machine.events]
    for fault in (Fault.UNAVAILABLE, Fault.RESET, Fault.GARBAGE, Fault.REDIRECT, Fault.UNSIGNED):
        maas.fault = fault
        try:
            connect(total=0).instance_id()
        except MetadataError as error:
            shown += [repr(error), error.hint, *traceback.format_exception(error)]
    captured = capfd.readouterr()
    everything = "".join([*shown, captured.out, captured.err])
    assert len(shown) > 20
    assert [secret for secret in maas.secrets if secret in everything] == []
    with pytest.raises(TypeError):
        pickle.dumps(token)


@pytest.mark.parametrize("missing", ["consumer_key", "token_key", "token_secret"])
def test_an_incomplete_token_is_named(maas: FakeMetadataService, missing: str) -> None:
    reporting: dict[str, object] = dict(maas.reporting)
    for value in (None, "", 5):
        reporting[missing] = value
        with pytest.raises(ContractError, match=missing) as caught:
            Token.from_config(reporting)
        assert not any(secret in str(caught.value) for secret in maas.secrets)


@pytest.mark.parametrize(
    ("url", "host", "port", "base"),
    [
        ("http://10.0.0.2:5248/MAAS/metadata/status/nqfwhy", "10.0.0.2", 5248, "/MAAS/metadata/"),
        ("http://[fd00::2]:5248/MAAS/metadata/status/nqfwhy/", "fd00::2", 5248, "/MAAS/metadata/"),
        ("https://maas.example/MAAS/metadata/status/nqfwhy", "maas.example", 443, "/MAAS/metadata/"),
        ("http://maas/x/status/status/nqfwhy", "maas", 80, "/x/status/"),
    ],
)
def test_the_endpoint_is_taken_apart(url: str, host: str, port: int, base: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.host, endpoint.port, endpoint.base, endpoint.system_id) == (host, port, base, "nqfwhy")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://x/status/a",
        "http://x/MAAS/metadata/",
        "http://x/status/",
        "http://user:pw@x/status/a",
        "http://x:port/status/a",
        "http://x/status/a?b=c",
        "http://x/a b/status/c",
        "http://[::1/status/a",
    ],
)
def test_other_urls_are_no_endpoint(url: str) -> None:
    with pytest.raises(ContractError):
        parse_endpoint(url)
