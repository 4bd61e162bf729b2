"""Update names and VIBs from what vendors write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esxforge.errors import MediaError
from esxforge.media.profile import ImageProfile, parse_profile
from esxforge.media.release import release_of, version_and_build


def update(version: str, build: str, profile: str = "", volume: str = "") -> str:
    metadata = f"<vum><product><esxVersion>{version}</esxVersion><build>{build}</build></product></vum>".encode()
    release = release_of(
        metadata=metadata,
        profile=ImageProfile(profile, "", "", ()),
        builds=[],
        title="",
        names=["B.B00"],
        volume_id=volume,
    )
    assert (release.version, release.build) == (version, build)
    return release.update


@pytest.mark.parametrize(
    ("version", "build", "profile", "volume", "expected"),
    [
        ("8.0.3", "24674464", "ESXi-8.0U3e-24674464-standard", "", "8.0U3e"),
        ("8.0.3", "99999999", "", "ESXI-8.0U3H-99999999-STANDARD", "8.0U3h"),
        ("8.0.0", "20842819", "ESXi-8.0a-20842819-standard", "", "8.0a"),
        ("7.0.0", "16324942", "ESXi-7.0b-16324942-standard", "", "7.0b"),
        ("7.0.3", "19482537", "Cisco-UCS-Addon-ESXi-7U3d_4.2.2-a", "", "7.0U3d"),
        ("7.0.3", "18644231", "HPE-ESXi-7.0.3-Update3-iso-703.0.0.10.8.1.3-4", "", "7.0U3"),
        ("6.5.0", "14320405", "HPE-ESXi-6.5.0-Update3-iso-Gen9plus-650.U3.10.4.5.41", "", "6.5U3"),
        ("8.0.3", "24280767", "DEL-ESXi_803.24280767-A02", "", "8.0U3b"),
        ("8.0.2", "77777777", "DEL-ESXi_802.77777777-A02", "", "8.0U2"),
        ("6.7.0", "14320388", "ESXi-6.7.0-20190802001-standard", "", "6.7U3"),
        ("6.7.0", "8169922", "ESXi-6.7.0-8169922-standard", "", ""),
        ("9.0.0", "24755229", "ESXi-9.0.0.0-24755229-standard", "", ""),
        ("9.0.1", "24957456", "ESXi-9.0.1.0-24957456-standard", "", ""),
        ("9.1.1", "25714478", "ESXi-9.1.1.0-25714478-standard", "", ""),
        ("8.0.3", "24674464", "Lenovo_ESXi8.0U3e-24674464_LVO.803.12.1", "", "8.0U3e"),
        ("8.0.3", "88888888", "Mine-based-on-ESXi-7.0U3g", "", "8.0U3"),
    ],
)
def test_update_names(version: str, build: str, profile: str, volume: str, expected: str) -> None:
    assert update(version, build, profile, volume) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.0.3-0.35.24280767", ("8.0.3", "24280767")),
        ("9.0.1-0.24957456", ("9.0.1", "24957456")),
        ("9.1.1-0.25714478", ("9.1.1", "25714478")),
        ("9.1.1.0-25714478", ("9.1.1", "25714478")),
        ("", None),
        ("8.0.3", None),
    ],
)
def test_build_values_of_boot_cfg(text: str, expected: tuple[str, str] | None) -> None:
    assert version_and_build(text) == expected


def test_the_base_vib_tells_the_release_without_metadata() -> None:
    vib = b"<vib><vib-id>VMware_bootbank_esx-base_8.0.3-0.35.24280767</vib-id></vib>"
    xml = b"<imageprofile><viblist>" + vib + b"</viblist></imageprofile>"
    release = release_of(
        metadata=None, profile=parse_profile(xml, "P"), builds=[("BOOT.CFG", "7.0.3-0.55.20328353")],
        title="", names=["B.B00"], volume_id="",
    )  # fmt: skip
    assert (release.version, release.build, release.source) == ("8.0.3", "24280767", "UPGRADE/PROFILE.XML")
    assert release.name == "8.0U3b (build 24280767)"


def test_vib_names_may_hold_underscores() -> None:
    xml = (
        b'<p:imageprofile xmlns:p="urn:p"><viblist><vib><vib-id>QLogic_bootbank_qlnative_fc_5.1-1</vib-id>'
        b"<payloads><payload>qlnat.v00</payload></payloads></vib><vib><vib-id>odd</vib-id></vib></viblist></p:imageprofile>"
    )
    odd, vib = parse_profile(xml, "P").vibs
    assert (vib.vendor, vib.kind, vib.name, vib.version) == ("QLogic", "bootbank", "qlnative_fc", "5.1-1")
    assert vib.files == ("qlnat.v00",)
    assert odd.name == "odd"


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="<>/ab&;!\"'=?[]DOCTYPE ", max_size=80).map(str.encode)))
def test_garbage_as_xml_is_refused_in_words(data: bytes) -> None:
    try:
        profile = parse_profile(data, "P")
    except MediaError:
        return
    assert profile.vibs == ()
