from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.cloud_data.plans import plan_vendor_data
from esxforge_target.vcenter.desired import parse_document, parse_settings
from esxforge_target.vcenter.errors import VcenterError

REAL = Path(__file__).parents[2] / "data" / "maas-http" / "metadata-service-3.6.5.txt"
GOOD = {
    "vcenter_server": "vc.example.com",
    "vcenter_username": "administrator@vsphere.local",
    "vcenter_password": "S3cret!",
    "vcenter_datacenter": "DC1",
}


def test_what_maas_really_sends_is_understood() -> None:
    vendor = REAL.read_text().split("### latest/meta-data/vendor-data")[1].split("\n", 1)[1].split("\n### ")[0]
    desired = parse_document(plan_vendor_data(vendor.encode(), (8, 0)).vcenter)
    assert (desired.server, desired.port, desired.username) == ("vc.example.com", 443, "administrator@vsphere.local")
    assert desired.password.reveal() == "S3cret!"
    assert desired.location == ("DC1",)


def test_the_recipe_comes_before_maas() -> None:
    desired = parse_document(b"vcenter_username: u\nvcenter_password: p\nvcenter_datacenter: X\n", "vc2", "DC/F")
    assert (desired.server, desired.location) == ("vc2", ("DC", "F"))


@pytest.mark.parametrize(
    ("text", "server", "port"),
    [
        ("vc", "vc", 443),
        ("https://vc.example.com/ui/", "vc.example.com", 443),
        ("vc:8443", "vc", 8443),
        ("[fd00::1]", "fd00::1", 443),
    ],
)
def test_the_server_is_met_in_several_forms(text: str, server: str, port: int) -> None:
    desired = parse_settings(dict(GOOD, vcenter_server=text))
    assert (desired.server, desired.port) == (server, port)


@pytest.mark.parametrize(
    "text", ["http://vc", "a b", "vc:port", "user@vc", "vc/other", "https://", "[::1", "a\nb", 5, ""]
)
def test_a_server_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(VcenterError, match="vcenter_server"):
        parse_settings(dict(GOOD, vcenter_server=text))


@pytest.mark.parametrize("missing", ["vcenter_server", "vcenter_username", "vcenter_password"])
def test_a_missing_key_is_named_and_no_value_repeated(missing: str) -> None:
    with pytest.raises(VcenterError, match=missing) as caught:
        parse_settings({key: value for key, value in GOOD.items() if key != missing})
    assert "S3cret!" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "data", [b"", b"- a", b"\xff", b"[" * 3000, b"x: " + b"y" * 2_000_000, b"vcenter_password: [S3cret!"]
)
def test_bad_documents_are_named(data: bytes) -> None:
    with pytest.raises(VcenterError) as caught:
        parse_document(data)
    assert "S3cret!" not in str(caught.value)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(GOOD)), st.none() | st.integers() | st.text(max_size=12) | st.lists(st.text())
    )
)
def test_no_shape_escapes_as_another_exception(document: dict[str, object]) -> None:
    with suppress(VcenterError):
        assert parse_settings({**GOOD, **document}).server
