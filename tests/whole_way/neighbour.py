"""What stands on the machine's network besides QEMU's user network: gateways, and hosts behind VLANs.

The program takes part in a :class:`esxforge.vm.hardware.Segment` over a socket of QEMU's. It answers for its addresses
(ARP, Neighbor Discovery, echo), each in its own VLAN, and asks for others: an address that a host claims to have is
had only if it answers.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from whole_way.frames import (
    ADVERTISEMENT,
    ARP,
    BROADCAST,
    ECHO_REPLY,
    ECHO_REPLY_6,
    ECHO_REQUEST,
    ECHO_REQUEST_6,
    IPV6,
    SOLICITATION,
    Address,
    Arp,
    Frame,
    Icmp,
    solicited_node,
)


@dataclass(frozen=True)
class Place:
    """An address of the neighbour's own, in a VLAN (0: untagged)."""

    address: Address
    vlan: int = 0

    @classmethod
    def of(cls, address: str, vlan: int = 0) -> Place:
        """From text."""
        return cls(ipaddress.ip_address(address), vlan)

    @property
    def mac(self) -> bytes:
        """One for each place, locally administered."""
        return b"\x02\x4e" + struct.pack(">H", self.vlan) + self.address.packed[-2:]


@dataclass(frozen=True)
class Answer:
    """Who answered for an address: its MAC, as text."""

    mac: str


def respond(frame: Frame, places: Sequence[Place]) -> Frame | None:
    """The answer to a frame, from the place that it asks for; None where it asks for none of them. Pure."""
    here = {place.address: place for place in places if place.vlan == frame.vlan}
    if frame.protocol == ARP:
        arp = Arp.parse(frame.payload)
        place = here.get(arp.target) if arp and arp.operation == 1 else None
        if arp is None or place is None or not isinstance(place.address, ipaddress.IPv4Address):
            return None
        answer = Arp(2, place.mac, place.address, arp.sender_mac, arp.sender)
        return Frame(arp.sender_mac, place.mac, frame.vlan, ARP, answer.encode())
    message = Icmp.parse(frame)
    if message is None:
        return None
    if message.kind == SOLICITATION and frame.protocol == IPV6:
        target = ipaddress.IPv6Address(message.body[4:20])
        place = here.get(target)
        if place is None or message.source.is_unspecified:  # unspecified: the host looks whether somebody has its own
            return None
        told = Icmp(target, message.source, ADVERTISEMENT, b"\x60\0\0\0" + target.packed + b"\x02\x01" + place.mac)
        return Frame(frame.source, place.mac, frame.vlan, IPV6, told.encode())
    replies = {ECHO_REQUEST: ECHO_REPLY, ECHO_REQUEST_6: ECHO_REPLY_6}
    place = here.get(message.destination)
    if place is None or message.kind not in replies:
        return None
    reply = Icmp(message.destination, message.source, replies[message.kind], message.body)
    return Frame(frame.source, place.mac, frame.vlan, frame.protocol, reply.encode())


class Neighbour:
    """Listens for QEMU, one machine at a time, again after each start of it. A context manager."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = list(places)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        self._meant: Callable[[Frame], bool] = lambda frame: False
        self._found: Frame | None = None
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        """For :class:`esxforge.vm.hardware.Segment`."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        for one in (self._listener, self._connection):
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._thread.join()

    def who_has(self, address: str, asking: Place, limit: float = 20.0) -> Answer | None:
        """Ask for an address from one of our places, and ping it; None when it does not answer both in time.

        The question is repeated each second.
        """
        desired = ipaddress.ip_address(address)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            mac = self._resolve(desired, asking)
            if mac and self._ping(desired, asking, mac):
                return Answer(mac.hex(":"))
        return None

    def _resolve(self, desired: Address, asking: Place) -> bytes | None:
        if isinstance(desired, ipaddress.IPv4Address):
            assert isinstance(asking.address, ipaddress.IPv4Address)
            arp = Arp(1, asking.mac, asking.address, bytes(6), desired)
            question = Frame(BROADCAST, asking.mac, asking.vlan, ARP, arp.encode())
        else:
            group, mac = solicited_node(desired)
            body = bytes(4) + desired.packed + b"\x01\x01" + asking.mac
            solicitation = Icmp(asking.address, group, SOLICITATION, body)
            question = Frame(mac, asking.mac, asking.vlan, IPV6, solicitation.encode())

        def claims(frame: Frame) -> bool:
            if frame.vlan != asking.vlan:
                return False
            arp = Arp.parse(frame.payload) if frame.protocol == ARP else None
            if arp is not None:
                return arp.operation == 2 and arp.sender == desired
            message = Icmp.parse(frame)
            return message is not None and message.kind == ADVERTISEMENT and message.body[4:20] == desired.packed

        frame = self._ask(question, claims)
        return frame.source if frame else None

    def _ping(self, desired: Address, asking: Place, mac: bytes) -> bool:
        kinds = (ECHO_REQUEST, ECHO_REPLY) if desired.version == 4 else (ECHO_REQUEST_6, ECHO_REPLY_6)
        body = struct.pack(">HH", 0x4E42, 1) + b"is it you?"
        request = Icmp(asking.address, desired, kinds[0], body)

        def answers(frame: Frame) -> bool:
            message = Icmp.parse(frame) if frame.vlan == asking.vlan else None
            return message is not None and (message.source, message.kind, message.body) == (desired, kinds[1], body)

        question = Frame(mac, asking.mac, asking.vlan, request.protocol, request.encode())
        return self._ask(question, answers) is not None

    def _ask(self, question: Frame, meant: Callable[[Frame], bool], limit: float = 1.0) -> Frame | None:
        with self._news:
            self._found, self._meant = None, meant
            self._send(question)
            self._news.wait_for(lambda: self._found is not None, limit)
            return self._found

    def _send(self, frame: Frame) -> None:
        data = frame.encode()
        if self._connection is not None:
            with suppress(OSError):  # the machine went
                self._connection.sendall(struct.pack(">I", len(data)) + data)

    def _serve(self) -> None:
        while not self._ended:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._news:
                self._connection = connection
            with connection, suppress(OSError):
                self._take_frames(connection)

    def _take_frames(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while head := stream.read(4):
            (length,) = struct.unpack(">I", head)
            frame = Frame.parse(stream.read(length))
            if frame is None:
                continue
            answer = respond(frame, self.places)
            with self._news:
                if self._found is None and self._meant(frame):
                    self._found = frame
                    self._news.notify_all()
                if answer is not None:
                    self._send(answer)
