"""The neighbour's frames and answers; that hosts hear it is seen in the tests that start one."""

from __future__ import annotations

import ipaddress
import socket
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whole_way.frames import ARP, IPV4, IPV6, Arp, Frame, Icmp, checksum, solicited_node
from whole_way.neighbour import Neighbour, Place, respond

HOST_MAC = bytes.fromhex("525400000001")
GATEWAY, BEHIND = Place.of("10.0.0.1"), Place.of("192.168.100.1", 100)
ROUTER6 = Place.of("2001:db8:0:1::1")
PLACES = [GATEWAY, BEHIND, ROUTER6]


def question(target: str, vlan: int = 0) -> Frame:
    arp = Arp(1, HOST_MAC, ipaddress.IPv4Address("10.0.0.10"), bytes(6), ipaddress.IPv4Address(target))
    return Frame(b"\xff" * 6, HOST_MAC, vlan, ARP, arp.encode())


@given(
    vlan=st.integers(0, 4094),
    protocol=st.sampled_from([ARP, IPV4, IPV6, 0x88CC]),
    payload=st.binary(min_size=46, max_size=200),
)
def test_frames_survive_the_wire(vlan: int, protocol: int, payload: bytes) -> None:
    frame = Frame(b"\x01" * 6, b"\x02" * 6, vlan, protocol, payload)
    assert Frame.parse(frame.encode()) == frame


@given(data=st.binary(max_size=120), vlan=st.sampled_from([0, 100]), protocol=st.sampled_from([ARP, IPV4, IPV6]))
def test_no_frame_ends_in_a_traceback(data: bytes, vlan: int, protocol: int) -> None:
    Frame.parse(data)
    assert respond(Frame(b"\xff" * 6, HOST_MAC, vlan, protocol, data), PLACES) is None


def test_an_address_answers_in_its_own_vlan_alone() -> None:
    for place in (GATEWAY, BEHIND):
        answer = respond(question(str(place.address), place.vlan), PLACES)
        assert answer is not None
        assert (answer.vlan, answer.source, answer.destination) == (place.vlan, place.mac, HOST_MAC)
        arp = Arp.parse(answer.payload)
        assert arp is not None
        assert (arp.operation, arp.sender, arp.sender_mac) == (2, place.address, place.mac)
        assert respond(question(str(place.address), 7), PLACES) is None


def test_neighbor_discovery_is_answered_but_not_a_host_that_looks_for_doubles() -> None:
    router = ipaddress.IPv6Address("2001:db8:0:1::1")
    group, group_mac = solicited_node(router)
    assert (str(group), group_mac.hex(":")) == ("ff02::1:ff00:1", "33:33:ff:00:00:01")
    host = ipaddress.IPv6Address("2001:db8:0:1::10")
    asked = Icmp(host, group, 135, bytes(4) + router.packed)
    answer = respond(Frame(group_mac, HOST_MAC, 0, IPV6, asked.encode()), PLACES)
    assert answer is not None
    told = Icmp.parse(answer)
    assert told is not None
    assert (told.kind, told.source, told.destination) == (136, router, host)
    assert told.body == b"\x60\0\0\0" + router.packed + b"\x02\x01" + ROUTER6.mac
    double = replace(asked, source=ipaddress.IPv6Address("::"))
    assert respond(Frame(group_mac, HOST_MAC, 0, IPV6, double.encode()), PLACES) is None


@pytest.mark.parametrize(
    ("host", "place", "kinds"), [("10.0.0.10", GATEWAY, (8, 0)), ("2001:db8::9", ROUTER6, (128, 129))]
)
def test_echo_comes_back_as_it_was(host: str, place: Place, kinds: tuple[int, int]) -> None:
    request = Icmp(ipaddress.ip_address(host), place.address, kinds[0], b"\0\1\0\2whatever")
    answer = respond(Frame(place.mac, HOST_MAC, 0, request.protocol, request.encode()), PLACES)
    assert answer is not None
    told = Icmp.parse(answer)
    assert told is not None
    assert (told.kind, told.body, told.destination) == (kinds[1], request.body, request.source)
    damaged = request.encode()[:-1] + b"?"
    assert respond(Frame(place.mac, HOST_MAC, 0, request.protocol, damaged), PLACES) is None


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_an_address_is_had_only_if_it_answers_and_machines_come_and_go() -> None:
    with Neighbour(PLACES) as neighbour:
        assert neighbour.who_has("10.0.0.10", GATEWAY, limit=0.1) is None, "nobody is there"
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", neighbour.port)) as wire:
                stream = wire.makefile("rwb")
                sent = question("10.0.0.1").encode()
                stream.write(struct.pack(">I", len(sent)) + sent)
                stream.flush()
                answer = Frame.parse(stream.read(struct.unpack(">I", stream.read(4))[0]))
                assert answer is not None
                assert answer.source == GATEWAY.mac
