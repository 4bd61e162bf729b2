"""Ethernet frames of the few protocols with which hosts find and answer each other: bytes in, bytes out.

ARP: RFC 826. ICMP echo: RFC 792. Neighbor Discovery: RFC 4861, 4.3 and 4.4. ICMPv6 echo and its checksum: RFC 4443.
VLAN tags: IEEE 802.1Q.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

ARP, IPV4, IPV6, VLAN_TAG = 0x0806, 0x0800, 0x86DD, 0x8100
BROADCAST = b"\xff" * 6
_ICMP, _ICMPV6 = 1, 58
ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_REQUEST_6, ECHO_REPLY_6, SOLICITATION, ADVERTISEMENT = 128, 129, 135, 136

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Frame:
    """An Ethernet frame. ``vlan``: the tag's number, 0 for none."""

    destination: bytes
    source: bytes
    vlan: int
    protocol: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> Frame | None:
        """The frame, or None for one that is cut short."""
        if len(data) < 14:
            return None
        vlan, (protocol,), start = 0, struct.unpack_from(">H", data, 12), 14
        if protocol == VLAN_TAG:
            if len(data) < 18:
                return None
            tag, protocol = struct.unpack_from(">HH", data, 14)
            vlan, start = tag & 0x0FFF, 18
        return cls(data[:6], data[6:12], vlan, protocol, data[start:])

    def encode(self) -> bytes:
        """As it goes over the wire, at least 60 bytes."""
        tag = struct.pack(">HH", VLAN_TAG, self.vlan) if self.vlan else b""
        head = self.destination + self.source + tag + struct.pack(">H", self.protocol)
        return (head + self.payload).ljust(60, b"\0")


@dataclass(frozen=True)
class Arp:
    """An ARP packet for IPv4 over Ethernet. ``operation``: 1 asks, 2 answers."""

    operation: int
    sender_mac: bytes
    sender: ipaddress.IPv4Address
    target_mac: bytes
    target: ipaddress.IPv4Address

    @classmethod
    def parse(cls, payload: bytes) -> Arp | None:
        """None for anything else."""
        if len(payload) < 28 or payload[:6] != b"\0\1\x08\0\6\4":
            return None
        operation, sender_mac, sender, target_mac, target = struct.unpack_from(">H6s4s6s4s", payload, 6)
        return cls(operation, sender_mac, ipaddress.IPv4Address(sender), target_mac, ipaddress.IPv4Address(target))

    def encode(self) -> bytes:
        """The payload of a frame."""
        addresses = (self.sender_mac, self.sender.packed, self.target_mac, self.target.packed)
        return b"\0\1\x08\0\6\4" + struct.pack(">H6s4s6s4s", self.operation, *addresses)


@dataclass(frozen=True)
class Icmp:
    """An ICMP or ICMPv6 message in its IP packet. ``body`` is all that follows the checksum."""

    source: Address
    destination: Address
    kind: int
    body: bytes

    @classmethod
    def parse(cls, frame: Frame) -> Icmp | None:
        """None for anything else, fragments and damaged packets included."""
        data = frame.payload
        if frame.protocol == IPV4 and len(data) >= 28 and data[0] == 0x45 and data[9] == _ICMP:
            (length,) = struct.unpack_from(">H", data, 2)
            packet = data[:length]
            if packet[6:8] not in (b"\0\0", b"\x40\0") or checksum(packet[20:]):
                return None
            source, destination = ipaddress.IPv4Address(data[12:16]), ipaddress.IPv4Address(data[16:20])
            return cls(source, destination, packet[20], packet[24:])
        if frame.protocol == IPV6 and len(data) >= 48 and data[0] >> 4 == 6 and data[6] == _ICMPV6:
            (length,) = struct.unpack_from(">H", data, 4)
            source6, destination6 = ipaddress.IPv6Address(data[8:24]), ipaddress.IPv6Address(data[24:40])
            message = data[40 : 40 + length]
            if checksum(_pseudo_header(source6, destination6, len(message)) + message):
                return None
            return cls(source6, destination6, message[0], message[4:])
        return None

    def encode(self) -> bytes:
        """The IP packet."""
        message = bytes([self.kind, 0, 0, 0]) + self.body
        if isinstance(self.source, ipaddress.IPv4Address):
            message = message[:2] + struct.pack(">H", checksum(message)) + message[4:]
            addresses = self.source.packed + self.destination.packed
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, _ICMP, 0) + addresses
            return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + message
        assert isinstance(self.destination, ipaddress.IPv6Address)
        pseudo = _pseudo_header(self.source, self.destination, len(message))
        message = message[:2] + struct.pack(">H", checksum(pseudo + message)) + message[4:]
        # Neighbor Discovery wants a hop limit of 255: the packet came over no router.
        head = struct.pack(">IHBB", 0x60000000, len(message), _ICMPV6, 255)
        return head + self.source.packed + self.destination.packed + message

    @property
    def protocol(self) -> int:
        """The frame's."""
        return IPV4 if isinstance(self.source, ipaddress.IPv4Address) else IPV6


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); over a whole packet that is in order it is 0."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo_header(source: ipaddress.IPv6Address, destination: ipaddress.IPv6Address, length: int) -> bytes:
    return source.packed + destination.packed + struct.pack(">II", length, _ICMPV6)


def solicited_node(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv6Address, bytes]:
    """The multicast address at which a host listens for questions about ``address``, and its MAC (RFC 4291, 2464)."""
    group = ipaddress.IPv6Address(ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + address.packed[13:])
    return group, b"\x33\x33" + group.packed[12:]
