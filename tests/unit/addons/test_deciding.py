"""Which VIBs can be added: every reason for itself, and all of them at once."""

from __future__ import annotations

import gzip
import operator
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge.addons import versions
from esxforge.addons.decide import Decision, decide
from esxforge.addons.modules import name_modules
from esxforge.addons.offers import Offers
from esxforge.addons.present import BANKS_FROM_7, BANKS_OF_6, Present, PresentVib
from esxforge.addons.source import Source
from esxforge.addons.vib import Vib, read_vib
from standin.vibs import DRIVER, NewPayload, NewVib, tgz

PRESENT = Present(
    "8.0.3",
    (PresentVib("esx-base", "8.0.3-0.35.24280767"), PresentVib("igbn", "1.4.11.2-1vmw.803.0.0.24022510")),
    None,
    frozenset(("B.B00", "NETDRV.V00")),
    150 << 20,
    BANKS_FROM_7,
)


def vib(**changes: Any) -> Vib:
    data = NewVib(**changes).to_bytes()
    return read_vib(Source("x.vib", Path("x.vib"), 0, len(data), data))


def decided(*vibs: Vib, present: Present = PRESENT, allowed: str = "partner") -> Decision:
    return decide(vibs, present, allowed)


def only(decision: Decision) -> str:
    (problem,) = decision.problems
    return problem


def test_a_driver_that_the_iso_lacks_is_added_without_a_word() -> None:
    driver = vib(depends=("esx-base >= 8.0.0",))
    assert decided(driver) == Decision((driver,), (), ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"platforms": ("embeddedEsx 7.*",)}, "is for embeddedEsx 7.*, and the ISO is ESXi 8.0.3"),
        ({"platforms": ("esxio 8.*",)}, "is for esxio 8.*"),
        ({"kind": "locker"}, "is a VIB of type locker"),
        ({"level": "community"}, "It excludes Secure Boot and VMware's support. To allow it: --acceptance-level comm"),
        ({"signature": b""}, "community (it says partner, but carries no signature)"),
        ({"payloads": (NewPayload(kind="boot"),)}, "its payload netdrv is of type boot"),
        ({"payloads": (NewPayload(kind="iso"),)}, "of type iso, which is unknown here"),
        ({"payloads": ()}, "has no payload"),
        ({"name": "igbn", "version": "1.5.0-1"}, "is newer than the ISO's own igbn 1.4.11.2-1vmw.803.0.0.24022510"),
        ({"name": "igbn", "version": "1.4.2-1"}, "is older than the ISO's own igbn"),
        ({"replaces": ("igbn << 2.0",)}, "replaces igbn 1.4.11.2-1vmw.803.0.0.24022510, which the ISO has"),
        ({"depends": ("esx-base >= 9.0.0",)}, "needs esx-base >= 9.0.0; there is 8.0.3-0.35.24280767"),
        ({"conflicts": ("igbn",)}, "conflicts with igbn"),
        ({"conflicts": ("esx-base >= 8.0",)}, "conflicts with esx-base >= 8.0"),
    ],
)
def test_each_reason_has_its_sentence(changes: dict[str, Any], reason: str) -> None:
    assert reason in only(decided(vib(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"platforms": ("embeddedEsx 7.*", "embeddedEsx 8.0.*")},
        {"platforms": ("embeddedEsx 8.0.0",)},
        {"replaces": ("igbn << 1.0",)},
        {"conflicts": ("esx-base << 8.0", "nothing")},
        {"level": "certified"},
    ],
)
def test_what_is_no_reason_is_none(changes: dict[str, Any]) -> None:
    assert decided(vib(**changes)).problems == ()


def test_all_reasons_against_all_vibs_are_said_at_once() -> None:
    decision = decided(
        vib(platforms=("embeddedEsx 6.7.*",), level="community", payloads=(NewPayload(kind="boot"),)),
        vib(name="igbn", version="9-1", depends=("esx-base >= 10.0",)),
        vib(name="drv", version="1-1"),
        vib(name="drv", version="2-1", conflicts=("igbn",)),
    )
    text = "\n".join(decision.problems)
    for part in ("6.7.*", "community", "of type boot", "newer than", "needs esx-base", "drv is there 2 times", "igbn."):
        assert part in text
    assert len(decision.problems) == 7


def test_community_is_taken_where_it_is_asked_for() -> None:
    driver = vib(level="community", signature=b"")
    assert decided(driver, allowed="community").added == (driver,)


def test_a_vib_of_which_the_iso_has_this_very_version_is_left_out_with_a_word() -> None:
    decision = decided(vib(name="igbn", version="1.4.11.2-1vmw.803.0.0.24022510"))
    assert (decision.added, decision.problems) == ((), ())
    assert "the ISO has this version already" in decision.warnings[0]


def test_the_same_file_twice_counts_once() -> None:
    assert len(decided(vib(), vib()).added) == 1


def test_vibs_may_depend_on_each_other_in_a_circle() -> None:
    circle = (vib(name="a", depends=("b",)), vib(name="b", depends=("a >= 1.0", "c")), vib(name="c", depends=("a",)))
    assert decided(*circle).problems == ()
    assert "needs c" in " ".join(decided(*circle[:2]).warnings)


def test_what_is_provided_counts_as_its_name_does() -> None:
    assert decided(vib(provides=("api = 2.0",)), vib(name="b", depends=("api >= 1.5",))).problems == ()
    assert "needs api >= 3.0" in only(decided(vib(provides=("api = 2.0",)), vib(name="b", depends=("api >= 3.0",))))


def test_esx_base_provides_the_version_of_esxi_whether_or_not_the_iso_says_so() -> None:
    # As VIBs of ESXi 7.0 have them; a version without a release part means every release of it.
    fitting = ("esx-version >= 8.0.0", "esx-version << 8.1.0", "esx-version <= 8.0.3", "esx-version = 8.0.3")
    assert decided(vib(platforms=(), depends=fitting)).warnings == ()
    assert decided(vib(platforms=(), depends=fitting)).problems == ()
    assert "needs esx-version << 8.0.0" in only(decided(vib(depends=("esx-version << 8.0.0",))))


def test_what_is_provided_without_a_version_meets_every_need_and_is_in_the_way_of_none_on_versions() -> None:
    provider = vib(provides=("api",))
    assert decided(provider, vib(name="b", depends=("api >= 3.0",))).problems == ()
    assert decided(provider, vib(name="b", conflicts=("api << 3.0",))).problems == ()
    assert "conflicts with api" in only(decided(provider, vib(name="b", conflicts=("api",))))


def test_what_the_iso_s_vibs_provide_is_unknown_without_its_database_and_is_checked_with_it() -> None:
    driver = vib(depends=("vmkapi_2_11_0_0",))
    decision = decided(driver)
    assert decision.problems == ()
    assert "This is not checked: net-drv 1.2.0-1vmw.800.1.0.1 needs vmkapi_2_11_0_0." in decision.warnings[0]
    base = vib(
        name="esx-base",
        version="8.0.3-0.35.24280767",
        vendor="VMware",
        provides=("vmkapi_2_11_0_0",),
        conflicts=("bad",),
    )
    known = replace(PRESENT, descriptors=(base.descriptor,))
    assert decided(driver, present=known) == Decision((driver,), (), ())
    assert "neither the ISO nor a VIB added has" in only(decided(vib(depends=("vmkapi_9",)), present=known))
    assert "The ISO's esx-base 8.0.3-0.35.24280767 conflicts with bad" in only(decided(vib(name="bad"), present=known))


def test_what_is_not_checked_is_one_warning_that_names_conflicts_too() -> None:
    first, second = vib(depends=("vmkapi_2",), conflicts=("old-api", "igbn << 1.0")), vib(name="b", depends=("c",))
    (warning,) = decided(first, second).warnings
    for part in ("net-drv 1.2.0-1vmw.800.1.0.1 needs vmkapi_2", "conflicts with old-api", "needs c."):
        assert part in warning
    assert "igbn" not in warning
    exclusive = vib(provides=("one-of-a-kind",), conflicts=("one-of-a-kind",))
    assert "conflicts with one-of-a-kind" in decided(exclusive).warnings[0]
    many = vib(depends=tuple(f"api{number}" for number in range(30)))
    assert decided(many).warnings[0].endswith("; and 25 more.")


def test_a_vib_that_replaces_another_one_that_is_added_is_refused() -> None:
    old, new = vib(name="old"), vib(name="new", replaces=("old << 2.0",))
    assert "replaces old 1.2.0-1vmw.800.1.0.1, and both would be loaded" in only(decided(old, new))
    assert decided(vib(name="old", version="2.0-1"), new).problems == ()


def test_esxi_itself_is_not_added_to_an_iso_that_names_no_vibs_either() -> None:
    for present in (PRESENT, replace(PRESENT, vibs=())):
        assert "is ESXi itself, not a driver" in only(decided(vib(name="esx-base", version="8.0.3-9"), present=present))


@pytest.mark.parametrize("name", ["s", "SB", "esxcore", "esxupdt", "esxforge", "esxfiles-more"])
def test_names_of_modules_that_mean_something_to_esxi_or_to_esxforge_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        name_modules([vib(payloads=(NewPayload(name),))], ())


def test_more_vibs_than_can_be_added_are_counted_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    one = vib()
    many = [
        replace(one, sha256=f"{number}", descriptor=replace(one.descriptor, name=f"n{number}")) for number in range(65)
    ]
    monkeypatch.setattr(Offers, "add", None)
    assert "65 VIBs are more than the 64 that can be added" in only(decided(*many))


def test_thousands_of_constraints_and_offers_of_one_name_are_decided_at_once_and_said_in_few_words() -> None:
    count = 2000
    hostile = vib(
        depends=tuple(f"x = 9{number}.9-1" for number in range(count)),
        conflicts=tuple(f"y = 9{number}.9-1" for number in range(count)),
        provides=tuple(f"{name} = {number}-1" for number in range(count // 2) for name in "xy"),
    )
    compared = 0

    def counted(version: str) -> object:
        nonlocal compared
        compared += 1
        return original(version)

    original = versions.key
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "key", counted)
        decision = decided(hostile, vib(name="other", provides=("y = 1-1",)))
    assert compared < 5 * count
    assert len(decision.problems) == 21
    assert "there is 0-1, 1-1, 2-1, 3-1, 4-1 and 995 more." in decision.problems[0]
    assert decision.problems[-1].endswith("needs 1980 more.")
    assert sum(map(len, decision.problems)) < 5000


def test_an_iso_that_does_not_name_its_vibs_is_warned_of() -> None:
    decision = decided(vib(name="igbn", version="9-1"), present=replace(PRESENT, vibs=()))
    assert decision.problems == ()
    assert "does not say which VIBs it has" in decision.warnings[0]


def test_platforms_and_hardware_that_nobody_can_check_are_warned_of() -> None:
    decision = decided(vib(platforms=(), hardware='<hwplatform vendor="ACME" model="X1"/>'))
    assert decision.problems == ()
    assert "does not say for which release" in decision.warnings[0]
    assert "is for hardware of ACME X1 only" in decision.warnings[1]


def test_a_payload_that_does_not_unzip_to_a_tar_is_refused() -> None:
    assert "does not unzip to a tar archive" in only(
        decided(vib(payloads=(NewPayload(data=gzip.compress(b"x" * 999)),)))
    )


def test_vmware_s_own_variant_of_tar_is_taken() -> None:
    tar = bytearray(gzip.decompress(DRIVER))
    tar[257:264] = b"visor  "
    assert decided(vib(payloads=(NewPayload(data=gzip.compress(bytes(tar))),))).problems == ()


@pytest.mark.parametrize(
    ("banks", "in_bank", "problems", "warnings"),
    [
        (BANKS_OF_6, 200 << 20, 0, 0),
        (BANKS_OF_6, 230 << 20, 1, 0),
        (BANKS_OF_6, 240 << 20, 1, 0),
        (BANKS_FROM_7, 300 << 20, 0, 0),
        (BANKS_FROM_7, 490 << 20, 0, 1),
        (BANKS_FROM_7, 4090 << 20, 1, 0),
    ],
)
def test_the_room_in_a_boot_bank_of_the_release_decides(
    banks: tuple[int, int], in_bank: int, problems: int, warnings: int
) -> None:
    decision = decided(vib(), present=replace(PRESENT, banks=banks, in_bank=in_bank))
    assert (len(decision.problems), len(decision.warnings)) == (problems, warnings)


def test_modules_get_names_as_vmware_gives_them_and_none_that_is_taken() -> None:
    vibs = [vib(payloads=(NewPayload("netdrv"), NewPayload("Net+Driver-long", tgz({"a": b""}), "tgz"))),
            vib(name="other", payloads=(NewPayload("netdrv"),))]  # fmt: skip
    modules = name_modules(vibs, PRESENT.modules)
    assert [(one.name, one.vib.descriptor.name) for one in modules] == [
        ("netdrv.v01", "net-drv"),
        ("net_driv.t00", "net-drv"),
        ("netdrv.v02", "other"),
    ]
    with pytest.raises(ValueError, match="100 modules"):
        name_modules(vibs, {f"NETDRV.V{number:02}" for number in range(100)})


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0-1", "1.0-2"),
        ("1.9-1", "1.10-1"),
        ("1.0-1vmw.700.1.0.1", "1.0-1vmw.800.1.0.1"),
        ("1.0-1OEM.1", "1.0-2OEM.0"),
        ("1.0", "1.0.1"),
        ("1.a", "1.0"),
    ],
)
def test_versions_are_in_the_usual_order(older: str, newer: str) -> None:
    assert versions.key(older) < versions.key(newer)


@given(st.text() | st.text("1².-a٣"), st.text("1².-a٣"))
def test_any_text_that_an_iso_has_as_a_version_can_be_compared(one: str, other: str) -> None:
    assert isinstance(versions.key(one) < versions.key(other), bool)
    odd = replace(PRESENT, vibs=(PresentVib("igbn", one),))
    assert decided(_pool()[3], present=odd)


_version = st.from_regex(r"[0-9]{1,3}(\.[0-9a-z]{1,4}){0,3}(-[0-9a-zA-Z.]{1,8})?", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(_version, _version)
def test_of_two_versions_exactly_one_relation_holds(one: str, other: str) -> None:
    assert (versions.key(one) < versions.key(other)) + (versions.key(one) > versions.key(other)) + (
        versions.key(one) == versions.key(other)
    ) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(_version, max_size=5), st.sampled_from(["<", "<<", "<=", "=", "==", ">=", ">", ">>"]), _version)
def test_of_several_versions_one_fits_exactly_if_it_does_alone(known: list[str], relation: str, desired: str) -> None:
    compare = {"<": operator.lt, "=": operator.eq, ">": operator.gt}

    def alone(version: str) -> bool:
        left = versions.key(version) if "-" in desired else versions.key(version)[:1]
        return any(compare[sign](left, versions.key(desired)) for sign in relation)

    assert versions.Known(known).any_fits(relation, desired) == any(map(alone, known))


@cache
def _pool() -> Sequence[Vib]:
    return tuple(
        vib(name=name, depends=depends, conflicts=conflicts)
        for name, depends, conflicts in (
            ("a", ("b",), ()),
            ("b", ("a", "c >= 1.0"), ()),
            ("c", (), ("a",)),
            ("igbn", (), ()),
        )
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_of_vibs_changes_no_decision(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(_pool()), max_size=6))
    first = decided(*chosen)
    again = decided(*data.draw(st.permutations(chosen)))
    assert set(first.problems) == set(again.problems)
    assert {one.sha256 for one in first.added} == {one.sha256 for one in again.added}
