"""A server that means harm: each of its ways holds a client, floods it, or sends it somewhere else.

It speaks from a script of bytes and does not parse what it gets, so that nothing keeps it within HTTP.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PAUSE = 0.05
"""Seconds between two bytes of a way that drips."""

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_FLOOD = b"x" * 65536


def _drip(data: bytes) -> Iterator[bytes]:
    for byte in data:
        time.sleep(PAUSE)
        yield bytes([byte])


def _endless(data: bytes) -> Iterator[bytes]:
    while True:
        yield data


def _dripped_body() -> Iterator[bytes]:
    yield _OK + b"Content-Length: 100000\r\n\r\n"
    yield from _drip(b"[" * 100_000)


def _dripped_body_to_the_end_of_the_connection() -> Iterator[bytes]:
    yield _OK + b"\r\n"
    yield from _drip(b" " * 100_000)


def _dripped_chunks() -> Iterator[bytes]:
    yield _OK + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        time.sleep(PAUSE)
        yield b"1\r\n \r\n"


def _dripped_headers() -> Iterator[bytes]:
    yield _OK
    for number in range(100_000):
        yield from _drip(b"X-%d: y\r\n" % number)


def _informed_for_ever() -> Iterator[bytes]:
    while True:
        time.sleep(PAUSE)
        yield b"HTTP/1.1 102 Processing\r\n\r\n"


def _flooded_headers() -> Iterator[bytes]:
    yield _OK
    yield from _endless(b"X-Y: " + b"z" * 1000 + b"\r\n")


def _flooded_line() -> Iterator[bytes]:
    yield _OK + b"X-Y: "
    yield from _endless(_FLOOD)


def _flooded_body() -> Iterator[bytes]:
    yield _OK + b"\r\n"
    yield from _endless(_FLOOD)


def _flooded_chunks() -> Iterator[bytes]:
    yield _OK + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from _endless(b"10000\r\n" + _FLOOD + b"\r\n")


def _bomb() -> Iterator[bytes]:
    member = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(member.compress(bytes(1 << 20)) for _ in range(256)) + member.flush()
    yield _OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    yield packed


def _silence() -> Iterator[bytes]:
    while True:
        time.sleep(PAUSE)
        yield b""


def _once(data: bytes) -> Iterator[bytes]:
    yield data


_REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
WAYS: dict[str, Callable[[], Iterator[bytes]]] = {
    "drips its body": _dripped_body,
    "drips a body without length": _dripped_body_to_the_end_of_the_connection,
    "drips its chunks": _dripped_chunks,
    "drips its headers": _dripped_headers,
    "sends 102 for ever": _informed_for_ever,
    "floods with headers": _flooded_headers,
    "floods with one header": _flooded_line,
    "floods with its body": _flooded_body,
    "floods with chunks": _flooded_chunks,
    "sends a gzip bomb": _bomb,
    "redirects to itself": lambda: _once(_REDIRECT % b"/MAAS/api/2.0/version/"),
    "redirects elsewhere": lambda: _once(_REDIRECT % b"http://127.0.0.1:9/steal"),
    "redirects to a file": lambda: _once(_REDIRECT % b"file:///etc/passwd"),
    "hangs up": lambda: _once(b""),
    "hangs up in the status": lambda: _once(b"HTTP/1.1 2"),
    "hangs up in the body": lambda: _once(_OK + b"Content-Length: 100\r\n\r\n{"),
    "says nothing": _silence,
    "speaks another protocol": lambda: _once(b"220 mail.example ESMTP\r\n"),
    "sends a negative length": lambda: _once(_OK + b"Content-Length: -1\r\n\r\n{}"),
    "sends two lengths": lambda: _once(_OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
    "sends a huge length": lambda: _once(_OK + b"Content-Length: 99999999999999999999\r\n\r\n{}"),
    "sends a bad chunk": lambda: _once(_OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "sends zero bytes": lambda: _once(_OK + b"X: \0\r\nContent-Length: 2\r\n\r\n{}"),
    "nests brackets": lambda: _once(_OK + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000),
    "sends no text": lambda: _once(_OK + b"Content-Length: 4\r\n\r\n\xff\xfe\x00\x80"),
}


@contextmanager
def hostile_server(way: str) -> Iterator[int]:
    """Serve in this way on the port that is yielded, until the block ends."""
    over = threading.Event()

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(5)
            connection.recv(65536)
            for part in WAYS[way]():
                if over.is_set():
                    return
                connection.sendall(part)

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while not over.is_set():
                connection, _ = listening.accept()
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)
