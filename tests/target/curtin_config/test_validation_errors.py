"""What ESXi cannot be is refused, all of it at once, with its place and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esxforge_target.contract.desired_host import DesiredHost
from esxforge_target.curtin_config.parse import desired_host_from_config, token_from_config
from esxforge_target.runtime.validation_errors import ValidationErrors
from target.plan.configs import bond, mac, network, nic, sample, simple, static, vlan

Config = dict[str, Any]


def reasons(config: Any) -> list[str]:
    with pytest.raises(ValidationErrors) as caught:
        desired_host_from_config(config)
    assert caught.value.message == "\n".join(caught.value.reasons)
    assert caught.value.hint
    return caught.value.reasons


BAD_NETWORKS = {
    "bond mode without a team": (
        [nic(1), nic(2), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"), mode="balance-tlb")],
        "network bond0: ESXi has no bond mode “balance-tlb”; choose one of balance-rr, active-backup, 802.3ad.",
    ),
    "bond mode by its number": (
        [nic(1), nic(2), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"), mode="3")],
        "network bond0: ESXi has no bond mode “broadcast”; choose one of balance-rr, active-backup, 802.3ad.",
    ),
    "bond on nothing": (
        [nic(1, static("10.0.0.5/24")), bond("bond0", ["eno7"], static("10.0.1.5/24"))],
        "network bond0: its member “eno7” is not a NIC of this machine.",
    ),
    "bond without members": (
        [nic(1, static("10.0.0.5/24")), bond("bond0", [], static("10.0.1.5/24"))],
        "network bond0: a bond needs NICs in bond_interfaces.",
    ),
    "NIC in two bonds": (
        [nic(1), bond("a", ["eno1"], static("10.0.0.5/24")), bond("b", ["eno1"], static("10.0.1.5/24"))],
        "network b: its member “eno1” belongs to “a” already.",
    ),
    "address on a bond's member": (
        [nic(1, static("10.0.2.5/24")), nic(2), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"))],
        "network eno1: it is a member of “bond0” and cannot have addresses of its own.",
    ),
    "VLAN on nothing": (
        [nic(1, static("10.0.0.5/24")), vlan("eno9", 5, static("10.0.1.5/24"))],
        "network eno9.5: it lies on “eno9”, which is neither a NIC nor a bond of this machine.",
    ),
    "VLAN within a VLAN": (
        [nic(1, static("10.0.0.5/24")), vlan("eno1", 5), vlan("eno1.5", 6, static("10.0.1.5/24"))],
        "network eno1.5.6: it lies on the VLAN “eno1.5”; ESXi has no VLANs within VLANs.",
    ),
    "VLAN on a bond's member": (
        [
            nic(1),
            nic(2),
            bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24")),
            vlan("eno1", 5, static("10.0.1.5/24")),
        ],
        "network eno1.5: it lies on “eno1”, a member of “bond0”; put it on the bond.",
    ),
    "VLAN id out of range": (
        [nic(1, static("10.0.0.5/24")), vlan("eno1", 4095, static("10.0.1.5/24"))],
        "network eno1.4095: a VLAN id is between 1 and 4094, not 4095.",
    ),
    "VLAN twice": (
        [
            nic(1, static("10.0.0.5/24")),
            vlan("eno1", 5),
            {**vlan("eno1", 5, static("10.0.1.5/24")), "name": "other", "id": "other"},
        ],
        "network other: VLAN 5 on “eno1” is “eno1.5” already.",
    ),
    "a name that is an option": (
        [nic(1, static("10.0.0.5/24"), name="-v", id="-v")],
        "network -v: esxcli would take its name for an option; rename the interface.",
    ),
    "a link-local address": (
        [nic(1, static("fe80::5/64"))],
        (
            "network eno1 subnet 1: fe80::5/64 is a link-local address, which ESXi gives itself; give it a global one "
            "in MAAS."
        ),
    ),
    "an address with Linux' interface in it": (
        [nic(1, static("fe80::5%eno1/64"))],
        "network eno1 subnet 1: “fe80::5%eno1/64” is not an address with a prefix length.",
    ),
    "a gateway with Linux' interface in it": (
        [nic(1, static("2001:db8::5/64", gateway="fe80::1%eno1"))],
        "network eno1 subnet 1: gateway “fe80::1%eno1” is not an address.",
    ),
    "a DNS server with Linux' interface in it": (
        [nic(1, static("10.0.0.5/24")), {"type": "nameserver", "address": "fe80::1%e"}],
        "network config[1]: DNS server “fe80::1%e” is not an address.",
    ),
    "address twice": (
        [nic(1, static("10.0.0.5/24")), nic(2, static("10.0.0.5/24"))],
        "network eno2: “eno1” has the address 10.0.0.5 already.",
    ),
    "DHCP twice": ([nic(1, {"type": "dhcp"}, {"type": "dhcp4"})], "network eno1: it asks for dhcp4 twice."),
    "larger MTU on a VLAN than below it": (
        [nic(1, static("10.0.0.5/24")), vlan("eno1", 5, static("10.0.1.5/24"), mtu=9000)],
        (
            "network eno1.5: MTU 9000 conflicts with 1500 of “eno1”: both share one vSwitch, and the carrier must "
            "not have "
            "less."
        ),
    ),
    "larger MTU on a bond than on its member": (
        [nic(1), nic(2, mtu=9000), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"), mtu=9000)],
        (
            "network bond0: MTU 9000 conflicts with 1500 of “eno1”: both share one vSwitch, and the carrier must "
            "not have "
            "less."
        ),
    ),
    "MTU beyond ESXi's": (
        [nic(1, static("10.0.0.5/24"), mtu=9216)],
        "network eno1: MTU 9216: ESXi takes 1280 to 9000 bytes.",
    ),
    "MTU that is not a number": (
        [nic(1, static("10.0.0.5/24"), mtu="jumbo")],
        "network eno1: mtu must be a whole number, not “jumbo”.",
    ),
    "IPv6 without a prefix length": (
        [nic(1, static("2001:db8::5"))],
        "network eno1 subnet 1: address “2001:db8::5” lacks its prefix length, as in 192.0.2.10/24.",
    ),
    "route without a key": (
        [nic(1, static("10.0.0.5/24", routes=[{"destination": "172.16.0.0/16"}]))],
        "network eno1 subnet 1 routes[0]: a route needs a destination and a gateway.",
    ),
    "route by an unreachable gateway": (
        [nic(1, static("10.0.0.5/24", routes=[{"destination": "172.16.0.0/16", "gateway": "192.0.2.1"}]))],
        "network route to 172.16.0.0/16: gateway 192.0.2.1 is on no network of this machine.",
    ),
    "gateway off the network": (
        [nic(1, static("10.0.0.5/24", gateway="10.0.9.1"))],
        "network eno1: gateway 10.0.9.1 is not on the network of 10.0.0.5/24.",
    ),
    "the network's own address": (
        [nic(1, static("10.0.0.0/24"))],
        "network eno1 subnet 1: 10.0.0.0/24 is the network's own address or its broadcast address.",
    ),
    "subnet of an unknown type": (
        [nic(1, {"type": "ipv6_slaac"})],
        "network eno1 subnet 1: subnets of type “ipv6_slaac” are not known.",
    ),
    "interface of an unknown type": (
        [nic(1, static("10.0.0.5/24")), {"type": "infiniband", "name": "ib0"}],
        "network ib0: interfaces of type “infiniband” are not known.",
    ),
    "one MAC on two NICs": (
        [nic(1, static("10.0.0.5/24")), nic(2, mac_address=mac(1).upper())],
        "network eno2: “eno1” has the same MAC address 52:54:00:00:00:01.",
    ),
    "no MAC": ([nic(1, static("10.0.0.5/24"), mac_address="")], "network eno1: mac_address is missing."),
    "one name on two NICs": (
        [nic(1, static("10.0.0.5/24")), nic(1, mac_address=mac(2))],
        "network eno1: this name is given to two interfaces.",
    ),
    "a name that ESXi escapes": (
        [nic(1, static("10.0.0.5/24"), name="a/b", id="a/b")],
        "network a/b: ESXi does not allow “/”, “\\” or “%” in the name of a port group.",
    ),
    "an alias named like a NIC": (
        [
            nic(1, static("10.0.0.5/24"), static("10.0.1.5/24")),
            nic(2, static("10.0.2.5/24"), name="eno1:1", id="eno1:1"),
        ],
        "network eno1:1: an alias of “eno1” gets the same name “eno1:1”.",
    ),
    "no address anywhere": (
        [nic(1), nic(2)],
        "network: no interface has an address or DHCP, so the host could not be reached; give it one in MAAS.",
    ),
    "DNS server that is not an address": (
        [nic(1, static("10.0.0.5/24")), {"type": "nameserver", "address": ["dns.example"]}],
        "network config[1]: DNS server “dns.example” is not an address.",
    ),
}


@pytest.mark.parametrize("name", BAD_NETWORKS)
def test_networks_that_esxi_cannot_have_are_refused(name: str) -> None:
    entries, reason = BAD_NETWORKS[name]
    assert reasons(network(*entries)) == [reason]


def storage(*entries: dict[str, Any]) -> Config:
    config = simple()
    disks: list[dict[str, Any]] = [
        {"type": "disk", "id": "sda", "serial": "A", "grub_device": True},
        {"type": "disk", "id": "sdb", "serial": "B"},
    ]
    config["storage"]["config"] = disks + list(entries)
    return config


def part(disk: str, number: int, size: str = "100G") -> dict[str, Any]:
    return {"type": "partition", "id": f"{disk}{number}", "device": disk, "number": number, "size": size}


def store(name: str, *partitions: str) -> dict[str, Any]:
    return {"type": "vmfs6", "id": name, "name": name, "devices": list(partitions)}


PRESERVED = (
    "storage d: “{}” is marked preserve, but datastores are created on empty disks and its data would be lost; clear "
    "the mark, or leave this disk out."
)
BAD_STORAGES = {
    "datastore on an unknown disk": (
        [{**part("sdz", 1)}, store("d", "sdz1")],
        [
            "storage sdz1: it lies on “sdz”, which is not a disk of this machine.",
            "storage d: it lies on the unknown disk “sdz”.",
        ],
    ),
    "datastore on an unknown partition": (
        [store("d", "sdb9")],
        ["storage d: it uses “sdb9”, which is not a partition of this machine."],
    ),
    "datastore without a partition": ([store("d")], ["storage d: the datastore has no partition."]),
    "boot disk as a further extent": (
        [part("sdb", 1), part("sda", 8), store("d", "sdb1", "sda8")],
        [
            (
                "storage d: “sda8” is on the boot disk, where ESXi makes a datastore itself: it can be the first "
                "partition of "
                "this datastore, not a further one."
            )
        ],
    ),
    "two datastores on the boot disk": (
        [part("sda", 8), part("sda", 9), store("d", "sda8"), store("e", "sda9")],
        [
            (
                "storage e: the boot disk carries the datastore “d” already: ESXi leaves one stretch of it, which is "
                "one datastore."
            )
        ],
    ),
    "one name twice": (
        [part("sda", 8), part("sdb", 1), store("d", "sda8"), {**store("d", "sdb1"), "id": "e"}],
        ["storage e: two datastores have the name “d”."],
    ),
    "one partition twice": (
        [part("sdb", 1), store("d", "sdb1"), store("e", "sdb1")],
        ["storage e: “sdb1” belongs to the datastore “d” already."],
    ),
    "a name that is too long": (
        [part("sdb", 1), store("d" * 43, "sdb1")],
        [f"storage {'d' * 43}: the datastore's name is longer than 42 characters."],
    ),
    "a name that ESXi escapes": (
        [part("sdb", 1), store("a/b", "sdb1")],
        ["storage a/b: ESXi does not allow “/”, “\\” or “%” in a datastore's name."],
    ),
    "a name of ESXi's own": (
        [part("sdb", 1), store("BOOTBANK1", "sdb1")],
        ["storage BOOTBANK1: ESXi has a volume of the name “BOOTBANK1” of its own."],
    ),
    "too small for VMFS": (
        [part("sdb", 1, "1G"), store("d", "sdb1")],
        ["storage d: “sdb1” has 1073741824 bytes; VMFS needs at least 1395864371."],
    ),
    "a name that is an option": (
        [part("sdb", 1), store("-S", "sdb1")],
        ["storage -S: ESXi's tools would take its name for an option; rename the datastore."],
    ),
    "a partition to be preserved": (
        [{**part("sdb", 1), "preserve": True}, store("d", "sdb1")],
        [PRESERVED.format("sdb1")],
    ),
    "a datastore to be preserved": (
        [part("sdb", 1), {**store("d", "sdb1"), "preserve": "true"}],
        [PRESERVED.format("sdb1")],
    ),
    "a size that is none": (
        [part("sdb", 1, "lots"), store("d", "sdb1")],
        ["storage sdb1: size “lots” is not a size."],
    ),
    "one number twice": (
        [part("sdb", 1), {**part("sdb", 1), "id": "x"}, store("d", "sdb1"), store("e", "x")],
        ["storage x: partition 1 of “sdb” is “sdb1” already."],
    ),
    "more than VMFS takes": (
        [part("sdb", 1, "65T"), store("d", "sdb1")],
        ["storage d: it has 71468255805440 bytes; VMFS takes at most 70368744177664."],
    ),
    "unknown type": ([{"type": "tape", "id": "st0"}], ["storage st0: entries of type “tape” are not known."]),
}


@pytest.mark.parametrize("name", BAD_STORAGES)
def test_storage_that_esxi_cannot_have_is_refused(name: str) -> None:
    entries, expected = BAD_STORAGES[name]
    assert reasons(storage(*entries)) == expected


def test_a_disk_to_be_preserved_carries_no_datastore_but_may_be_left_alone() -> None:
    config = storage(part("sdb", 1), store("d", "sdb1"))
    config["storage"]["config"][1]["preserve"] = True
    assert reasons(config) == [PRESERVED.format("sdb1")]
    del config["storage"]["config"][2:]
    assert desired_host_from_config(config).datastore_disks() == ()
    for mark in (False, None):
        config = storage({**part("sdb", 1), "preserve": mark, "wipe": "superblock"}, store("d", "sdb1"))
        assert [disk.id for disk in desired_host_from_config(config).datastore_disks()] == ["sdb"]


def test_a_partition_that_is_not_made_is_named() -> None:
    config = storage(part("sda", 1), part("sdb", 1), part("sdb", 2), store("d", "sdb2"))
    assert desired_host_from_config(config).notices == (
        "storage sdb1: no datastore uses it, so it is not made; “sdb” gets a new partition table.",
    )


def test_how_an_nvme_disk_is_attached_stands_in_no_ones_way() -> None:
    config = storage(
        {"type": "nvme_controller", "id": "nvme0", "transport": "pcie"}, part("sdb", 1), store("d", "sdb1")
    )
    assert desired_host_from_config(config).notices == ()


@pytest.mark.parametrize("kind", ["lvm_partition", "raid", "bcache", "dm_crypt", "zpool"])
def test_layouts_of_linux_are_named_or_refused_but_never_made(kind: str) -> None:
    alone = desired_host_from_config(storage(part("sda", 1), {"type": kind, "id": "x"}))
    assert alone.datastores == ()
    assert f"x ({kind})" in alone.notices[0]
    beside = storage(part("sdb", 1), store("d", "sdb1"), {"type": kind, "id": "x"})
    desired = desired_host_from_config(beside)
    assert [one.name for one in desired.datastores] == ["d"]
    assert desired.notices == (f"storage: ESXi cannot make x ({kind}); no datastore needs it, and it is left out.",)


@pytest.mark.parametrize(
    ("odd", "left", "note"),
    [
        ([bond("bond9", ["eno2", "eno3"], mode="balance-alb")], {"bond9"}, "no bond mode “balance-alb”"),
        (
            [bond("bond9", ["eno2", "eno3"], mode="broadcast"), vlan("bond9", 5)],
            {"bond9", "bond9.5"},
            "no bond mode “broadcast”",
        ),
        ([bond("bond9", ["eno2", "eno7"])], {"bond9"}, "its member “eno7” is not a NIC of this machine."),
        ([vlan("eno1", 4095)], {"eno1.4095"}, "a VLAN id is between 1 and 4094, not 4095."),
        ([vlan("eno9", 5)], {"eno9.5"}, "it lies on “eno9”"),
        ([nic(4, mtu=9216)], {"eno4"}, "MTU 9216: ESXi takes 1280 to 9000 bytes."),
    ],
)
def test_what_no_address_needs_is_left_out_with_a_note(odd: list[Config], left: set[str], note: str) -> None:
    plain = [nic(1, static("10.0.0.5/24")), nic(2), nic(3)]
    desired = desired_host_from_config(network(*plain, *odd))
    assert {one.name for one in desired.interfaces} == {"eno1", "eno2", "eno3"} | {
        one["name"] for one in odd if one["name"] not in left
    }
    assert any(note in one and one.endswith("No address needs it, so it is left out.") for one in desired.notices)


def test_what_carries_an_address_is_needed_and_refused() -> None:
    odd = bond("bond9", ["eno2", "eno3"], mode="balance-alb")
    config = network(nic(1, static("10.0.0.5/24")), nic(2), nic(3), odd, vlan("bond9", 5, static("10.0.1.5/24")))
    assert "ESXi has no bond mode" in reasons(config)[0]


def test_two_nics_with_one_mac_are_refused_though_only_one_is_needed() -> None:
    config = network(nic(1, static("10.0.0.5/24")), {**nic(2), "mac_address": nic(1)["mac_address"]})
    assert "the same MAC address" in reasons(config)[0]


def test_a_bridge_without_an_address_is_left_out_with_a_note() -> None:
    bridge = {"type": "bridge", "name": "br0", "bridge_interfaces": ["eno2"]}
    desired = desired_host_from_config(network(nic(1, static("10.0.0.5/24")), nic(2), bridge))
    assert "network br0: ESXi has no bridges; this one has no address and is left out." in desired.notices


@pytest.mark.parametrize(
    ("odd", "note"),
    [
        (part("sdc", 1, "lots"), "size “lots” is not a size."),
        ({**part("sdc", 1), "number": 200}, "a partition's number is between 1 and 128, not 200."),
        (part("sdz", 1), "it lies on “sdz”, which is not a disk of this machine."),
    ],
)
def test_an_odd_partition_that_no_datastore_uses_is_left_out_with_a_note(odd: dict[str, Any], note: str) -> None:
    desired = desired_host_from_config(storage(part("sdb", 1), store("d", "sdb1"), odd))
    assert [one.id for one in desired.partitions] == ["sdb1"]
    assert any(note in one and "No datastore uses it" in one for one in desired.notices)


def test_values_that_grow_without_end_are_quoted_briefly() -> None:
    bomb: list[Any] = ["x"]
    for _ in range(40):
        bomb = [bomb] * 10
    endless: list[Any] = []
    endless.append(endless)
    for value in (bomb, endless, {"a": bomb}, "x" * 10**7):
        config = simple()
        config["network"]["version"] = value
        assert max(map(len, reasons(config))) < 200


def test_the_boot_disk_must_be_known() -> None:
    config = storage()
    del config["storage"]["config"][0]["grub_device"]
    assert reasons(config) == ["storage: no disk is marked as the boot disk (grub_device); choose one in MAAS."]


def test_of_two_boot_disks_the_first_with_a_serial_is_taken_as_curtin_does() -> None:
    config = storage()
    del config["storage"]["config"][0]["serial"]
    config["storage"]["config"][1]["grub_device"] = True
    desired = desired_host_from_config(config)
    assert desired.boot_disk.id == "sdb"
    assert desired.notices == ("storage: 2 disks are marked as boot disk; ESXi is installed to sdb.",)


def test_linux_layouts_without_a_datastore_leave_vmwares_defaults() -> None:
    config = storage(
        part("sda", 1),
        {"type": "format", "id": "f", "fstype": "ext4", "volume": "sda1"},
        {"type": "lvm_volgroup", "id": "vg"},
    )
    desired = desired_host_from_config(config)
    assert desired.datastores == ()
    assert desired.notices == (
        (
            "storage: the layout is one for Linux (vg (lvm_volgroup), sda1 (ext4)); ESXi has none of it, and "
            "VMware's own "
            "layout stays."
        ),
    )


def test_bridges_are_refused_and_their_interface_is_named() -> None:
    assert reasons(sample("bridge")) == [
        "network br0: ESXi has no bridges; remove the bridge in MAAS and give its addresses to eno1."
    ]


def test_all_reasons_come_at_once() -> None:
    config = sample("bridge")
    config["network"]["config"][1]["mtu"] = 100
    config["network"]["config"] += [{"type": "nonsense", "name": "x"}, nic(7, static("10.0.0.5"))]
    config["storage"]["config"].append(store("e", "nowhere"))
    del config["reporting"]
    found = reasons(config)
    assert len(found) == 5
    assert {reason.partition(":")[0] for reason in found} == {
        "reporting.maas",
        "network br0",
        "network x",
        "network eno7 subnet 1",
        "storage e",
    }


def test_unknown_keys_are_named_and_stop_nothing() -> None:
    config = simple()
    config["network"]["config"][0]["wakeonlan"] = True
    config["storage"]["config"][0]["colour"] = "red"
    assert desired_host_from_config(config).notices == (
        "network eno1: the key “wakeonlan” is not known and has no effect.",
        "storage sda: the key “colour” is not known and has no effect.",
    )


@pytest.mark.parametrize("section", ["network", "storage"])
@pytest.mark.parametrize("version", [2, "2", None, [1]])
def test_other_versions_are_refused(section: str, version: Any) -> None:
    config = simple()
    config[section]["version"] = version
    assert any(reason.startswith(f"{section}: only version 1 is known") for reason in reasons(config))


@pytest.mark.parametrize("section", ["network", "storage", "reporting"])
def test_half_a_config_is_refused_by_what_is_missing(section: str) -> None:
    config = simple()
    del config[section]
    place = {"reporting": "reporting.maas"}.get(section, section)
    assert any(reason.startswith(f"{place}: ") for reason in reasons(config))


def test_lacp_is_told_to_need_a_static_channel() -> None:
    desired = desired_host_from_config(
        network(nic(1), nic(2), bond("bond0", ["eno1", "eno2"], static("10.0.0.5/24"), mode="802.3ad"))
    )
    assert len(desired.notices) == 1
    assert "static channel" in desired.notices[0]
    assert "LACP rate" in desired.notices[0]


def test_the_token_never_shows_itself() -> None:
    config = simple()
    token = token_from_config(config)
    secret = config["reporting"]["maas"]["token_secret"]
    assert token.parts()[2] == secret
    assert secret not in repr(token) + str(token) + f"{token}"
    assert secret not in repr(desired_host_from_config(config))
    config["reporting"]["maas"]["token_secret"] = ["odd"]
    with pytest.raises(ValidationErrors) as caught:
        token_from_config(config)
    assert caught.value.reasons == ["reporting.maas: token_secret is missing."]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("ftp://10.0.0.2/status/x", "is not an http or https URL"),
        ("http://user:hidden@10.0.0.2/MAAS/metadata/status/x", "carries more than an address and a path"),
        ("http://10.0.0.2/MAAS/metadata/", "does not end in status/"),
        ("http://10.0.0.2/MAAS/metadata/status/abc-123", "does not end in status/ and a machine's id"),
        ("http://10.0.0.2/MAAS/metadata/status/a/b", "does not end in status/"),
        ("http://10.0.0.2/MAAS/metadata/status/abc?x=1", "carries more than an address and a path"),
        ("http://10.0.0.2/MAAS/metadata/status/abc#f", "carries more than an address and a path"),
        ("http://[10.0.0.2/status/x", "is not a URL"),
    ],
)
def test_endpoints_that_cannot_be_are_refused(endpoint: str, why: str) -> None:
    config = simple()
    config["reporting"]["maas"]["endpoint"] = endpoint
    (reason,) = reasons(config)
    assert why in reason
    assert "hidden" not in reason


scalars = st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=8) | st.floats(allow_nan=True)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _places(document: Any) -> list[tuple[Any, Any]]:
    found = []
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            found.append((document, key))
            found += _places(document[key])
    return found


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_config_damaged_anywhere_is_refused_or_planned(data: st.DataObject) -> None:
    config = sample(data.draw(st.sampled_from(["esxi67", "vmfs7-bond", "simple-static", "dhcp-only"])))
    config = {key: config[key] for key in ("network", "storage", "reporting")}
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(_places(config)))
        if data.draw(st.booleans()):
            holder[key] = data.draw(values)
        elif isinstance(holder, dict):
            holder.pop(key, None)
        if not _places(config):
            break
    found = outcome(config)
    assert isinstance(found, DesiredHost) or all(reason.endswith((".", "?")) for reason in found)


def outcome(config: Any) -> DesiredHost | list[str]:
    try:
        return desired_host_from_config(config)
    except ValidationErrors as errors:
        return errors.reasons or ["no reason"]


@settings(deadline=None, max_examples=100)
@given(values)
def test_anything_at_all_is_refused_without_a_traceback(config: Any) -> None:
    assert reasons(config)


def test_no_more_port_groups_and_vswitches_than_esxi_has() -> None:
    first = nic(1, static("10.0.0.5/24"))
    config = network(first, *[vlan("eno1", number) for number in range(2, 513)])
    assert desired_host_from_config(config).interfaces
    config = network(first, *[vlan("eno1", number) for number in range(2, 514)])
    assert reasons(config) == ["network eno1: it carries 513 networks; a standard vSwitch has at most 512 port groups."]
    others = [one for number in range(2, 129) for one in (nic(number), vlan(f"eno{number}", 7))]
    assert reasons(network(first, *others)) == ["network: it needs 128 standard vSwitches; ESXi has at most 127."]
    assert desired_host_from_config(network(first, *others[:-2])).interfaces
