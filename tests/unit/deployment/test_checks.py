"""Everything that stands against a deployment is said at once, and nothing that is not known."""

from __future__ import annotations

import re
from typing import Any

import pytest

from esxforge import __version__
from esxforge.deployment.answers import answers_of
from esxforge.deployment.assessment import Assessment, Wishes, assess
from esxforge.deployment.storage import predict_storage
from esxforge.maas.boot_resources import BootResource
from esxforge.maas.versions import capabilities

from .pairs import Pair, named

GOOD = "rack_on_vlan_dns_not_allowed"
OURS = f"VMware ESXi 8.0U3e (esxforge {__version__})"
NEEDS_KEY = f"VMware ESXi 8.0U3e (esxforge {__version__}, SSH key needed)"
FOR_4096 = f"VMware ESXi 8.0U3e (esxforge {__version__}, 4Kn disks)"
GOLDEN = f"VMware ESXi 8.0U3e (esxforge {__version__}, golden)"


def image(name: str = "esxi/8.0.3", title: str = OURS, *, complete: bool = True) -> dict[str, Any]:
    file = {"filename": "f", "filetype": "f", "sha256": "0", "size": 1, "complete": complete}
    a_set = {"version": "20261123", "size": 1, "complete": complete, "files": {"f": file}}
    found = {"id": 46, "type": "Uploaded", "name": name, "architecture": "amd64/generic", "title": title}
    return BootResource.model_validate({**found, "sets": {"20261123": a_set}}).model_dump(mode="json")


def judged(found: Pair, *, images: Any = None, wishes: Wishes | None = None, **account: Any) -> Assessment:
    documents = {
        **found.documents,
        "boot-resources": [image()] if images is None else images,
        "account": {"username": "h2admin", "is_superuser": True, "ssh_keys": 1, **account},
        "version": {"version": "3.7.3"},
        "config": {"use_rack_proxy": True, "node_timeout": 60},
    }
    return assess(answers_of(documents), wishes)


def reasons(found: Assessment) -> str:
    return "\n".join(one.sentence for one in found.findings.reasons)


def warnings(found: Assessment) -> str:
    return "\n".join(one.sentence for one in found.findings.warnings)


def test_nothing_stands_against_a_machine_that_is_right() -> None:
    found = judged(named(GOOD))
    assert found.stands, reasons(found)
    assert not found.findings.warnings
    assert found.findings.not_known == ["whether Secure Boot is on: MAAS does not record it; the hook checks"]
    assert found.report is not None
    assert found.report.release == "8.0.3"


def change(found: Pair, **fields: Any) -> Pair:
    found.documents["machine"].update(fields)
    return found


def disk(found: Pair) -> dict[str, Any]:
    boot = found.documents["machine"]["boot_disk"]["id"]
    one: dict[str, Any] = next(one for one in found.documents["blockdevices"] if one["id"] == boot)
    return one


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bios_boot_method": "pxe"}, "legacy BIOS"),
        ({"architecture": "arm64/generic"}, "ESXi needs amd64"),
        ({"locked": True}, "is locked. Unlock it.*machine unlock"),
        ({"status": 0, "status_name": "New"}, "is “New”.*machine commission"),
        ({"status": 8, "status_name": "Broken"}, "is “Broken”.*mark-fixed"),
        ({"status": 6, "status_name": "Deployed"}, "is “Deployed”.*machine release"),
        ({"status": 99, "status_name": "Odd"}, "is “Odd”"),
        ({"owner": "somebody"}, "belongs to somebody, you are h2admin.*--owner somebody"),
    ],
)
def test_each_reason_is_said_with_what_to_do(fields: dict[str, Any], reason: str) -> None:
    found = judged(change(named(GOOD), **fields))
    assert not found.stands
    assert re.search(reason, reasons(found)), reasons(found)


def test_all_reasons_are_said_at_once() -> None:
    found = change(named("bridge", "3.6.5"), bios_boot_method="pxe", locked=True, owner="somebody")
    told = judged(found, images=[])
    text = reasons(told)
    for part in ("legacy BIOS", "is locked", "belongs to somebody", "no image", "no address family"):
        assert part in text
    assert told.report is not None
    assert any("no bridges" in one for one in told.report.errors)


def test_maas_refuses_a_vmfs_layout_without_a_datastore() -> None:
    assert "A datastore must be defined" in reasons(judged(named("vmfs7_datastore_removed", "3.6.5")))
    for pair in ("no_layout", "layout_flat", "vmfs7", "vmfs6"):
        assert "A datastore must be defined" not in reasons(judged(named(pair)))


def test_maas_refuses_a_machine_without_disks_or_network() -> None:
    bare = named(GOOD)
    bare.documents["blockdevices"] = []
    bare.documents["vmfs-datastores"] = []
    bare.documents["machine"]["boot_disk"] = None
    assert "There are currently no storage devices" in reasons(judged(bare))
    silent = named(GOOD)
    for one in silent.documents["interfaces"]:
        one["links"] = []
    silent.documents["machine"]["default_gateways"]["ipv4"]["gateway_ip"] = None
    assert "Node must be configured to use a network" in reasons(judged(silent))


def test_a_boot_method_that_maas_has_not_recorded_is_not_known() -> None:
    found = judged(change(named(GOOD), bios_boot_method=""))
    assert found.stands
    assert any("boots by UEFI" in one for one in found.findings.not_known)


def test_for_a_golden_image_a_bios_machine_is_a_warning() -> None:
    found = judged(change(named(GOOD), bios_boot_method="pxe"), images=[image(title=GOLDEN)])
    assert "legacy BIOS" not in reasons(found)
    assert "legacy BIOS" in warnings(found)


def test_blocks_of_4096_bytes_may_be_either_kind_and_of_512_only_one() -> None:
    """MAAS records what the kernel calls the physical block size."""
    large = named(GOOD)
    disk(large)["block_size"] = 4096
    for title in (OURS, FOR_4096):
        found = judged(large, images=[image(title=title)])
        assert "sectors" not in reasons(found)
        assert any("blocks of 4096 bytes" in one for one in found.findings.not_known)
    assert "sectors of 4096 bytes; the boot disk sda has 512" in reasons(
        judged(named(GOOD), images=[image(title=FOR_4096)])
    )


def test_the_boot_disk_must_be_large_enough_for_esxi_and_the_datastore() -> None:
    small = named(GOOD)
    disk(small)["size"] = 4 * 10**9
    assert "ESXi 8.0.3 needs at least" in reasons(judged(small))
    tight = named(GOOD)
    disk(tight)["size"] = 40 * 10**9
    assert "MAAS asks for a datastore of" in reasons(judged(tight))
    bare = named("no_layout")
    disk(bare)["size"] = 20 * 10**9
    assert "smaller than the 32 GB" in warnings(judged(bare))


def test_disks_that_cannot_be_told_apart_are_a_reason() -> None:
    found = named("hwraid_serial")
    for one in found.documents["blockdevices"][:2]:
        one.update(model="RAID", serial="same")
    assert "sda, sdb have the same model and serial" in reasons(judged(found))


def test_an_image_must_be_there_whole_and_alone_or_named() -> None:
    machine = named(GOOD)
    assert "MAAS has no image esxi/… for amd64" in reasons(judged(machine, images=[]))
    assert "incomplete" in reasons(judged(machine, images=[image(complete=False)]))
    two = [image("esxi/8.0.3"), image("esxi/7.0.3")]
    assert "several ESXi images: esxi/7.0.3, esxi/8.0.3" in reasons(judged(machine, images=two))
    chosen = judged(machine, images=two, wishes=Wishes(image="esxi/7.0.3"))
    assert chosen.stands
    assert chosen.image is not None
    assert chosen.image.name == "esxi/7.0.3"
    missing = reasons(judged(machine, images=two, wishes=Wishes(image="esxi/9.0")))
    assert "MAAS has no image esxi/9.0" in missing
    assert "esxi/7.0.3, esxi/8.0.3" in missing


def test_images_of_other_systems_do_not_count() -> None:
    assert judged(named(GOOD), images=[image(), image("ubuntu/noble")]).stands


def test_an_image_of_another_release_than_planned_is_a_reason() -> None:
    assert "plan is for ESXi 7.0" in reasons(judged(named(GOOD), wishes=Wishes(release="7.0")))
    assert judged(named(GOOD), wishes=Wishes(release="8.0")).stands


def test_an_image_by_another_version_of_esxforge_is_a_warning_and_by_nobody_known_is_not_known() -> None:
    old = judged(named(GOOD), images=[image(title="ESXi 8.0 (esxforge 0.0.1)")])
    assert "built by esxforge 0.0.1" in warnings(old)
    foreign = judged(named(GOOD), images=[image(title="VMware ESXi 8.0U3e")])
    assert any("which version of esxforge built esxi/8.0.3" in one for one in foreign.findings.not_known)


def test_without_a_key_nobody_could_log_in() -> None:
    needs = [image(title=NEEDS_KEY)]
    ready = change(named(GOOD), status=4, status_name="Ready", owner=None)
    assert "h2admin has no SSH key" in reasons(judged(ready, images=needs, ssh_keys=0))
    assert judged(ready, images=needs, ssh_keys=1).stands
    assert judged(ready, ssh_keys=0).stands, "this image has another way in"
    others = change(named(GOOD), owner="somebody")
    found = judged(others, images=needs, ssh_keys=0, wishes=Wishes(owner="somebody"))
    assert found.stands
    assert any("whether somebody has an SSH key" in one for one in found.findings.not_known)


def test_a_short_time_out_is_a_warning_with_the_command() -> None:
    found = named(GOOD)
    documents = {**found.documents, "version": {"version": "3.7.3"}, "config": {"node_timeout": 30}}
    assert "node_timeout" in warnings(assess(answers_of(documents)))


def test_a_network_that_does_not_reach_the_racks_is_a_warning() -> None:
    assert "may not reach MAAS" in warnings(judged(named("rack_same_space_no_gateway")))
    assert "may not reach MAAS" not in warnings(judged(named("rack_same_space")))
    assert any("what DHCP gives" in one for one in judged(dhcp_only()).findings.not_known)


def dhcp_only() -> Pair:
    found = named("rack_same_space_no_gateway")
    for one in found.documents["interfaces"]:
        for link in one["links"]:
            link["mode"] = "dhcp"
            link.pop("ip_address", None)
    return found


def test_the_nic_that_boots_decides_over_management_and_can_be_named() -> None:
    machine = named("dhcp_no_subnet")
    plain = judged(machine)
    assert "takes eth0 for management, not eth1" in warnings(plain)
    named_nic = judged(machine, wishes=Wishes(boot_nic="eth0"))
    assert "for management" not in warnings(named_nic)
    assert plain.report is not None
    assert named_nic.report is not None
    assert [row.interface for row in plain.report.network if row.management] == ["eth1"]
    assert [row.interface for row in named_nic.report.network if row.management] == ["eth0"]


def test_a_plan_of_a_machine_with_another_system_says_so() -> None:
    found = change(named(GOOD), status=6, status_name="Deployed", osystem="ubuntu", distro_series="noble")
    told = assess(answers_of({**found.documents, "curtin": found.curtin}))
    assert told.is_final
    assert "with ubuntu/noble, not with ESXi" in reasons(told)


def test_a_golden_image_is_not_judged_by_what_an_installation_needs() -> None:
    found = named(GOOD)
    disk(found)["size"] = 4 << 30
    golden = judged(found, images=[image(title=GOLDEN)])
    assert "boot disk" not in reasons(golden) + warnings(golden)
    assert any("whether the golden image fits on" in one for one in golden.findings.not_known)
    assert "needs at least" in reasons(judged(found))


def test_an_unknown_version_of_maas_has_one_meaning_and_is_said() -> None:
    documents = {key: one for key, one in named(GOOD).documents.items() if key != "version"}
    answers = answers_of(documents)
    assert answers.capabilities == capabilities("99.0")
    assert any("which version MAAS has" in one for one in assess(answers).findings.not_known)
    first = next(one for one in documents["blockdevices"] if one["type"] == "physical")
    first["id_path"] = "/dev/disk/by-id/wwn-0x0"
    twin = {**first, "id": 999, "name": "sdz", "id_path": "/dev/disk/by-id/wwn-0x1", "path": "/dev/sdz"}
    twins = {**documents, "blockdevices": [*documents["blockdevices"], {**twin, "partitions": [], "filesystem": None}]}
    predicted = {}
    for version in (None, "3.8.0", "3.7.3"):
        known = {} if version is None else {"version": {"version": version}}
        predicted[version] = predict_storage(answers_of(twins | known))
    assert predicted[None] == predicted["3.8.0"] != predicted["3.7.3"]
